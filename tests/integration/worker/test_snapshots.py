"""A worker that goes on from a snapshot knows what the log teaches, and answers as it did."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

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


def knowledge(folder: Path) -> dict[str, Any]:
    """The item knowledge in the snapshot of a folder."""
    (path,) = snapshots(folder)
    return load_file(path)


@pytest.mark.timeout(900)
def test_restarts_know_what_the_log_says_and_answer_as_before(
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
    before = ask(shop, "before")
    assert len(before) == 20
    assert shop.stop(successor) == 0

    fresh = shop.start_worker(snapshot_interval_seconds=600)
    shop.wait(lambda: shop.ready(2), "worker on an empty disk")
    assert shop.stop(fresh) == 0
    assert RESUMED not in shop.log(2)
    resumed, learned = knowledge(disk), knowledge(shop.folder / "worker-2")
    assert resumed.keys() == learned.keys()
    assert all(
        np.array_equal(resumed[name], learned[name], equal_nan=learned[name].dtype.kind == "f") for name in learned
    )

    shop.start_worker(data_dir=disk)
    assert ask(shop, "after") == before
    assert RESUMED in shop.log(3)
