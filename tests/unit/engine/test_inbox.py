"""Merging over topics in the order of time."""

import pytest

from streamproc.engine import EngineError, InputRecord
from streamproc.engine.inbox import PATIENCE_SECONDS, Inbox


def records(topic: str, *times: int, first: int = 0) -> list[InputRecord]:
    return [InputRecord(topic, 0, first + i, time, b"k", b"v") for i, time in enumerate(times)]


def times(batch: list[InputRecord]) -> list[int]:
    return [record.timestamp_ms for record in batch]


class Known:
    """Which topics have nothing more on the brokers."""

    def __init__(self, *topics: str) -> None:
        self.topics = set(topics)

    def __call__(self, topic: str) -> bool:
        return topic in self.topics


def test_backlogs_are_merged_in_the_order_of_time() -> None:
    inbox = Inbox(["a", "b", "c"], Known("c"))
    inbox.put("a", records("a", 1, 4, 6, 9))
    inbox.put("b", records("b", 2, 3, 7))
    assert inbox.ready(0.0)
    assert times(inbox.take(4)) == [1, 2, 3, 4]
    # After 7 the next of `b` may be older than 9.
    assert times(inbox.take(100)) == [6, 7]
    assert not inbox.ready(0.0)
    inbox.put("b", records("b", 8, first=3))
    assert inbox.ready(0.0)
    assert times(inbox.take(100)) == [8]
    assert len(inbox) == 1


def test_a_topic_known_to_be_empty_is_not_waited_for() -> None:
    known = Known("b")
    inbox = Inbox(["a", "b"], known)
    assert not inbox.ready(0.0)
    inbox.put("a", records("a", 5, 6))
    inbox.put("b", records("b", 4))
    assert times(inbox.take(10)) == [4, 5, 6]


def test_what_does_not_come_is_waited_for_with_patience() -> None:
    inbox = Inbox(["a", "b"], Known())
    inbox.put("a", records("a", 5, 6))
    assert not inbox.ready(100.0)
    assert not inbox.ready(100.0 + PATIENCE_SECONDS * 0.9)
    assert inbox.ready(100.0 + PATIENCE_SECONDS)
    assert times(inbox.take(1)) == [5]
    assert inbox.ready(100.0 + PATIENCE_SECONDS)  # patience is not begun anew with every batch
    inbox.put("b", records("b", 1))
    assert inbox.ready(100.0)
    assert times(inbox.take(10)) == [1]
    assert not inbox.ready(200.0)


def test_equal_times_keep_the_order_of_topics_and_offsets() -> None:
    inbox = Inbox(["a", "b"], Known("a", "b"))
    inbox.put("b", records("b", 3, 3))
    inbox.put("a", records("a", 3, 3))
    assert [(r.topic, r.offset) for r in inbox.take(10)] == [("a", 0), ("a", 1), ("b", 0), ("b", 1)]


def test_a_single_topic_comes_in_the_order_of_its_log() -> None:
    inbox = Inbox(["a", "b"], Known("b"))
    inbox.put("a", records("a", 9, 2, 5))
    assert times(inbox.take(2)) == [9, 2]
    assert inbox.waiting("a") == 1
    assert inbox.received("a") == 3


def test_going_back_in_the_log_is_an_error() -> None:
    inbox = Inbox(["a"], Known())
    inbox.put("a", records("a", 1, 2, first=10))
    inbox.put("a", records("a", 3, first=15))  # gaps are compaction and transaction markers
    with pytest.raises(EngineError, match="from offset 16 to 12"):
        inbox.put("a", records("a", 4, first=12))
