"""Milliseconds from sending an event to having its answer, for readers who wait for commits and who do not."""

from __future__ import annotations

import queue
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

from confluent_kafka import Consumer, Producer, TopicPartition

_PATIENCE_SECONDS = 10.0
_REST_SECONDS = 0.03  # between lone events: long enough for everything to be idle again
_TICK_SECONDS = 0.001

Percentiles = dict[str, float]


class Sent(NamedTuple):
    """An event for a user; `order` grows from one event to the next, and is found again in the answer."""

    topic: str
    user: bytes
    value: bytes
    order: int


@dataclass(frozen=True)
class Dialogue:
    """Where answers come, and what they answer.

    Attributes
    ----------
    bootstrap, topic, partitions
        Of the answers.
    order_of
        From an answer's value to the `order` of the latest event that it answers.
    """

    bootstrap: str
    topic: str
    partitions: int
    order_of: Callable[[bytes], int]


class _Reader:
    """Reads answers in a thread and notes when each came."""

    def __init__(self, dialogue: Dialogue, isolation: str) -> None:
        self.arrivals: queue.SimpleQueue[tuple[bytes, bytes, float]] = queue.SimpleQueue()
        self._consumer = Consumer(
            {
                "bootstrap.servers": dialogue.bootstrap,
                "log_level": 0,
                "group.id": "bench-latency",  # required, though nothing is subscribed or committed
                "isolation.level": isolation,
                "fetch.wait.max.ms": 100,
                "enable.auto.commit": False,
            }
        )
        places = [TopicPartition(dialogue.topic, partition) for partition in range(dialogue.partitions)]
        for place in places:
            place.offset = self._consumer.get_watermark_offsets(place, timeout=_PATIENCE_SECONDS)[1]
        self._consumer.assign(places)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def _read(self) -> None:
        while not self._stop.is_set():
            message = self._consumer.poll(0.1)
            if message is not None and not message.error():
                self.arrivals.put((message.key(), message.value(), time.perf_counter()))

    def close(self) -> None:
        self._stop.set()
        self._thread.join()
        self._consumer.close()


@contextmanager
def _readers(dialogue: Dialogue) -> Iterator[dict[str, _Reader]]:
    readers = {level: _Reader(dialogue, f"read_{level}") for level in ("uncommitted", "committed")}
    try:
        time.sleep(1)  # the first fetches are under way
        yield readers
    finally:
        for reader in readers.values():
            reader.close()


def lone(dialogue: Dialogue, events: Sequence[Sent]) -> dict[str, Percentiles]:
    """Send one event after the other, each when the one before is answered and all is quiet."""
    producer = _producer(dialogue)
    took: dict[str, list[float]] = {"uncommitted": [], "committed": []}
    with _readers(dialogue) as readers:
        for event in events:
            began = time.perf_counter()
            producer.produce(event.topic, event.value, event.user)
            producer.flush()
            for level, reader in readers.items():
                took[level].append(_await(reader, event, dialogue) - began)
            time.sleep(_REST_SECONDS)
    return {level: percentiles(seconds) for level, seconds in took.items()}


def _await(reader: _Reader, event: Sent, dialogue: Dialogue) -> float:
    while True:
        try:
            user, value, at = reader.arrivals.get(timeout=_PATIENCE_SECONDS)
        except queue.Empty:
            raise RuntimeError(f"no answer within {_PATIENCE_SECONDS:.0f} s") from None
        if user == event.user and dialogue.order_of(value) == event.order:
            return at


@dataclass(frozen=True)
class Conversation:
    """What was sent at a constant rate, and what came back.

    Attributes
    ----------
    due
        Of each event, when it was to be sent.
    answers
        By isolation level: user, value and arrival of each, as they came.
    ended
        When the last answers had been waited for.
    """

    due: Sequence[tuple[Sent, float]]
    answers: Mapping[str, Sequence[tuple[bytes, bytes, float]]]
    ended: float


def converse(dialogue: Dialogue, events: Sequence[Sent], per_second: float) -> Conversation:
    """Send at a constant rate, whatever comes back."""
    producer = _producer(dialogue)
    with _readers(dialogue) as readers:
        began = time.perf_counter()
        due = [(event, began + number / per_second) for number, event in enumerate(events)]
        for event, at in due:
            while time.perf_counter() < at:
                producer.poll(0)
                time.sleep(_TICK_SECONDS)
            producer.produce(event.topic, event.value, event.user)
        producer.flush()
        time.sleep(2)  # the last answers
    return Conversation(due, {level: list(_all(reader)) for level, reader in readers.items()}, time.perf_counter())


def _all(reader: _Reader) -> Iterator[tuple[bytes, bytes, float]]:
    while not reader.arrivals.empty():
        yield reader.arrivals.get()


def waits(conversation: Conversation, order_of: Callable[[bytes], int], level: str) -> list[tuple[float, float]]:
    """Return for each event when it was due, and the seconds from then to its answer.

    A user's answer counts for all the events of that user up to the one that it answers.
    """
    waiting: dict[bytes, deque[tuple[int, float]]] = defaultdict(deque)
    for event, due in conversation.due:
        waiting[event.user].append((event.order, due))
    took: list[tuple[float, float]] = []
    for user, value, at in conversation.answers[level]:
        entries = waiting[user]
        while entries and entries[0][0] <= order_of(value):
            due = entries.popleft()[1]
            took.append((due, at - due))
    # Who has no answer yet has waited at least until now: left out, an overload would look fast.
    return took + [(due, conversation.ended - due) for entries in waiting.values() for _, due in entries]


def under_load(dialogue: Dialogue, events: Sequence[Sent], per_second: float) -> dict[str, Percentiles]:
    """Send at a constant rate; the clock of an event starts when it is due."""
    conversation = converse(dialogue, events, per_second)
    return {
        level: percentiles([took for _, took in waits(conversation, dialogue.order_of, level)])
        for level in conversation.answers
    }


def _producer(dialogue: Dialogue) -> Producer:
    return Producer(
        {"bootstrap.servers": dialogue.bootstrap, "linger.ms": 0, "partitioner": "murmur2_random", "log_level": 0}
    )


def percentiles(seconds: Sequence[float]) -> Percentiles:
    """Return milliseconds.

    >>> percentiles([0.001 * n for n in range(1, 101)])
    {'p50_ms': 51.0, 'p99_ms': 100.0}
    """
    ordered = sorted(seconds)
    return {f"p{p}_ms": round(1000 * ordered[len(ordered) * p // 100], 3) for p in (50, 99)}
