"""A worker on a real broker: bad input, requests, and the same answers after a restart."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

pytestmark = [pytest.mark.kafka, pytest.mark.slow]

GOOD = {"user_id": "u1", "item_id": "a", "timestamp_ms": 1_700_000_000_000}


def raw(**changes: Any) -> bytes:
    event = {name: value for name, value in (GOOD | changes).items() if value is not None}
    return json.dumps(event).encode()


BAD_PAGE: dict[str, list[bytes | None]] = {
    "not_json": [b"{", b"\xff\xfe", b""],
    "null_value": [None],
    "invalid": [raw(user_id=None), raw(price=float("nan")), raw(item_id=""), raw(timestamp_ms="now"), b"[]"],
    "too_large": [raw(item_id="x" * 10_000_000)],
    "unknown_version": [raw(schema_version="2.0")],
    "future_timestamp": [raw(timestamp_ms=4_000_000_000_000)],
    "key_mismatch": [raw(user_id="somebody-else")],
}


def test_each_bad_record_is_a_dead_letter_with_its_reason_and_the_worker_goes_on(
    make_shop: Callable[..., Any],
) -> None:
    shop = make_shop()
    shop.start_worker()
    sent = [("clicks", "u1", value) for values in BAD_PAGE.values() for value in values]
    shop.produce([("clicks", "u1", raw()), *sent, ("clicks", "u1", raw(item_id="b"))])
    shop.drain()
    letters = shop.read("dead-letters")
    headers = [dict(letter.headers()) for letter in letters]
    kinds = {kind.encode(): len(values) for kind, values in BAD_PAGE.items()}
    found = [h["streamproc.error"] for h in headers]
    assert {kind: found.count(kind) for kind in kinds} == kinds
    assert len(found) == len(sent)
    assert all(h["streamproc.message"] and h["streamproc.topic"].decode().endswith("clicks") for h in headers)
    by_offset = {int(h["streamproc.offset"]): letter.value() for h, letter in zip(headers, letters, strict=True)}
    assert [by_offset[offset] for offset in sorted(by_offset)] == [value for _, _, value in sent]
    newest = json.loads(shop.read("recommendations")[-1].value())
    assert [item["item_id"] for item in newest["items"]] == ["a", "b"] or newest["source_offset"] == len(sent) + 1


@pytest.mark.parametrize("store", ["memory", "rocksdb"])
def test_a_restarted_worker_gives_the_same_answers(
    make_shop: Callable[..., Any], stream: list[tuple[str, str, bytes]], store: str
) -> None:
    shop = make_shop(store=store)
    shop.produce(stream)
    worker = shop.start_worker()
    shop.drain()

    def ask(round_: str) -> dict[str, Any]:
        requests = [
            {"user_id": f"user-{n}", "timestamp_ms": 1_700_010_000_000, "request_id": f"{round_}-{n}", "k": 10}
            for n in range(40)
        ]
        shop.produce([("recommendation-requests", r["user_id"], json.dumps(r).encode()) for r in requests])
        shop.drain()
        answers = [json.loads(m.value()) for m in shop.read("recommendations")]
        return {a["user_id"]: a["items"] for a in answers if (a.get("request_id") or "").startswith(round_)}

    before = ask("before")
    assert shop.stop(worker) == 0
    assert len(before) == 40
    shop.start_worker()  # on a disk of its own: all that it knows comes from the topics
    assert ask("after") == before
