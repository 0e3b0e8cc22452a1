"""Pull the plug: what the topics hold afterwards is what an undisturbed run would have written."""

from __future__ import annotations

import json
import signal
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from models.user_state import UserState
from schemas.knowledge import ItemStatsDelta
from schemas.record import decode

pytestmark = [pytest.mark.kafka, pytest.mark.slow]


def expected_counts(stream: list[tuple[str, str, bytes]]) -> Counter[str]:
    return Counter(user for _, user, _ in stream)


def events_by_user(shop: Any) -> Counter[str]:
    """Events that each user's newest committed state has taken."""
    # The one row without a user is the worker's own.
    newest = {message.key().decode(): message.value() for message in shop.read("user-state")}
    return Counter({user: UserState.decode(value).events for user, value in newest.items() if user})


def learned(shop: Any) -> Counter[tuple[int, str, int]]:
    """Interactions on the shared log: (user hash, item, time) with how often each was learned."""
    deltas = [decode(ItemStatsDelta, m.value(), max_bytes=4_000_000) for m in shop.read("item-stats")]
    columns = [(seen.user, seen.item_id, seen.timestamp_ms) for seen in (delta.interactions for delta in deltas)]
    return Counter(one for each in columns for one in zip(*each, strict=True))


def places(shop: Any) -> list[tuple[str, int, int]]:
    """Where committed records of state and outputs lie."""
    return sorted(
        (m.topic(), m.partition(), m.offset()) for t in ("user-state", "recommendations") for m in shop.read(t)
    )


def assert_each_event_counted_once(shop: Any, stream: list[tuple[str, str, bytes]]) -> None:
    assert events_by_user(shop) == expected_counts(stream)
    interactions = learned(shop)
    assert interactions.total() == len(stream)
    assert set(interactions.values()) == {1}
    answers = [json.loads(message.value()) for message in shop.read("recommendations")]
    assert max(Counter(answer["id"] for answer in answers).values()) == 1
    assert {answer["user_id"] for answer in answers} == set(expected_counts(stream))
    assert not shop.read("dead-letters")


def test_kill_in_mid_stream_loses_and_repeats_nothing(
    make_shop: Callable[..., Any], stream: list[tuple[str, str, bytes]]
) -> None:
    shop, calm = make_shop(max_poll_records=20), make_shop(max_poll_records=20)
    shop.produce(stream[:1_500])
    calm.produce(stream)
    worker = shop.start_worker()
    calm.start_worker()
    shop.wait(lambda: shop.lag() < 1_100, "progress")
    shop.produce(stream[1_500:])
    worker.send_signal(signal.SIGKILL)
    worker.wait()
    assert shop.lag() > 0, "the worker was done before it was killed: nothing was tested"
    shop.start_worker()
    shop.drain()
    calm.drain()
    assert_each_event_counted_once(calm, stream)
    assert_each_event_counted_once(shop, stream)
    assert learned(shop) == learned(calm)


def test_a_worker_woken_after_its_partitions_moved_changes_nothing(
    make_shop: Callable[..., Any], stream: list[tuple[str, str, bytes]]
) -> None:
    shop = make_shop(max_poll_records=20, session_timeout_seconds=2)
    shop.produce(stream[:2_000])
    sleeper = shop.start_worker()
    shop.wait(lambda: shop.lag() < 1_700, "progress")
    sleeper.send_signal(signal.SIGSTOP)
    assert shop.lag() > 0, "the worker was done before it was stopped: nothing was tested"
    shop.start_worker()
    shop.produce(stream[2_000:])
    shop.drain()
    before = places(shop)
    sleeper.send_signal(signal.SIGCONT)
    # Fenced, it must end itself; or it notices in time that its partitions are gone and joins the group anew.
    shop.wait(lambda: sleeper.poll() is not None or "re-joined" in shop.log(0), "end of the fenced worker", 60)
    assert sleeper.poll() not in {None, 0}
    assert places(shop) == before
    assert_each_event_counted_once(shop, stream)


def test_a_second_worker_joins_and_leaves_in_mid_stream(
    make_shop: Callable[..., Any], stream: list[tuple[str, str, bytes]]
) -> None:
    shop = make_shop(max_poll_records=20)
    shop.produce(stream[:1_500])
    shop.start_worker()
    shop.wait(lambda: shop.lag() < 1_200, "progress")
    second = shop.start_worker()
    shop.wait(lambda: shop.ready(1), "second worker")
    shop.produce(stream[1_500:])
    shop.drain()
    assert shop.stop(second) == 0
    assert_each_event_counted_once(shop, stream)
