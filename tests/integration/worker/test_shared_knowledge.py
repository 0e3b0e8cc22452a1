"""What one worker learns of an item is in the lists of the others within seconds."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from schemas.knowledge import ItemStatsDelta
from schemas.record import decode

pytestmark = [pytest.mark.kafka, pytest.mark.slow]

NOW_MS = 1_700_010_000_000
READERS = [f"reader-{n}" for n in range(24)]
WITHIN_SECONDS = 5.0


def click(user: str, item: str, at_ms: int) -> tuple[str, str, bytes]:
    return "clicks", user, json.dumps({"user_id": user, "item_id": item, "timestamp_ms": at_ms}).encode()


def test_a_new_items_first_click_reaches_the_lists_of_all_workers_within_5_seconds(
    make_shop: Callable[..., Any], stream: list[tuple[str, str, bytes]]
) -> None:
    shop = make_shop()
    for number in range(2):
        shop.start_worker()
        shop.wait(lambda at=number: shop.ready(at), "second worker that consumes")
    shop.produce(stream[:500])
    shop.produce([click(reader, "rare", NOW_MS + n) for n, reader in enumerate(READERS)])
    shop.drain()
    assert len({delta.instance for delta in (_delta(m.value()) for m in shop.read("item-stats"))}) == 2

    shop.produce([click("finder", "rare", NOW_MS + 100)])
    clicked = time.time()
    shop.produce([click("finder", "never-seen", NOW_MS + 101)])
    while time.time() < clicked + WITHIN_SECONDS:
        shop.produce([_request(reader, f"{reader}-{time.time()}") for reader in READERS])
        time.sleep(0.5)
    shop.drain()

    first: dict[str, float] = {}
    answers = shop.read("recommendations")
    for message in answers:
        answer = json.loads(message.value())
        if answer["user_id"] in READERS and any(item["item_id"] == "never-seen" for item in answer["items"]):
            first.setdefault(answer["user_id"], message.timestamp()[1] / 1000)
    assert {m.partition() for m in answers if m.key().decode() in READERS} == set(range(shop.settings.partitions))
    assert set(first) == set(READERS)
    assert max(first.values()) - clicked <= WITHIN_SECONDS


def _delta(value: bytes) -> ItemStatsDelta:
    return decode(ItemStatsDelta, value, max_bytes=1_000_000)


def _request(user: str, request_id: str) -> tuple[str, str, bytes]:
    value = {"user_id": user, "timestamp_ms": NOW_MS + 200, "request_id": request_id}
    return "recommendation-requests", user, json.dumps(value).encode()
