"""A worker that goes on from a snapshot knows what one knows that learned everything from the log."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.integration.worker.conftest import DAY_MS

pytestmark = [pytest.mark.kafka, pytest.mark.slow]

RESUMED = "going on from a snapshot"


def ask(shop: Any, name: str) -> dict[str, Any]:
    """Lists with scores for twenty users, as of one moment."""
    for user in range(20):
        request = {"user_id": f"user-{user}", "timestamp_ms": DAY_MS + 10**7, "request_id": f"{name}-{user}"}
        shop.produce([("recommendation-requests", request["user_id"], json.dumps(request).encode())])
    shop.drain()
    answers = [json.loads(message.value()) for message in shop.read("recommendations")]
    return {a["user_id"]: a["items"] for a in answers if a.get("request_id", "").startswith(name)}


def snapshots(folder: Path) -> list[Path]:
    return list(folder.glob("knowledge/*.safetensors"))


def test_killed_after_a_snapshot_it_answers_as_if_it_had_learned_all(
    make_shop: Callable[..., Any], stream: list[tuple[str, str, bytes]]
) -> None:
    shop = make_shop(max_poll_records=20, snapshot_interval_seconds=0.5)
    disk = shop.folder / "disk"
    shop.produce(stream[:1_500])
    killed = shop.start_worker(data_dir=disk)
    shop.wait(lambda: bool(snapshots(disk)), "snapshot")
    shop.produce(stream[1_500:])
    shop.wait(lambda: shop.lag() < 1_000, "progress")
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    successor = shop.start_worker(data_dir=disk, snapshot_interval_seconds=600)
    shop.drain()
    assert RESUMED in shop.log(1)
    resumed = ask(shop, "resumed")
    assert len(resumed) == 20
    (before,) = [path.stat().st_mtime_ns for path in snapshots(disk)]
    assert shop.stop(successor) == 0
    (after,) = [path.stat().st_mtime_ns for path in snapshots(disk)]
    assert after > before, "a clean stop leaves a snapshot of everything"
    shop.start_worker()
    assert ask(shop, "fresh") == resumed
    assert RESUMED not in shop.log(2)
