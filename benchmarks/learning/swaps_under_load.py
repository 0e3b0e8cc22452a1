"""Swaps while events come: how long those events wait that are due just after a version is published."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import orjson

from benchmarks import recommend
from benchmarks.latency import Conversation, Dialogue, converse, percentiles, waits
from benchmarks.learning.rollback import publish
from benchmarks.machine import share_out
from benchmarks.shop import Shop
from streamproc.brokers.kafka import KafkaBroker
from streamproc.settings import Settings

PER_SECOND = 100.0
TURNS, QUICK_TURNS = 10, 2
SWAPS = 10  # in each turn
_EVERY_SECONDS = 1.0
_AFTER_SECONDS = 0.7  # from when a publication begins: an event due then may have waited for the swap
_WARM_UP_EVENTS = 2_000

Waits = list[tuple[float, float]]


def measure(quick: bool) -> dict[str, Any]:
    """Return milliseconds that events waited for their answer, uncommitted, in turns with ten swaps and without any.

    `swaps_under_load` counts the versions that answers name: where a worker lags behind, it passes over one that is
    followed by the next before its batch is done.
    """
    calm: list[float] = []
    swapped: list[float] = []
    turns = QUICK_TURNS if quick else TURNS
    seen: set[int] = set()
    with TemporaryDirectory(prefix="bench-learning-") as folder, KafkaBroker() as broker:
        shop = Shop(users=20_000, items=20_000)
        bench = recommend.Bench(broker.bootstrap_servers, "swaps", share_out(), shop, 10_000, Path(folder))
        with bench.workers(1) as workers:
            bench.send(bench.take(_WARM_UP_EVENTS))
            bench.drain(workers)
            for turn in range(turns):
                calm += [took for _, took in _waits(bench.dialogue(), _talk(bench))]
                with _swapping(bench.settings, 1 + turn * SWAPS) as published:
                    conversation = _talk(bench)
                swapped += just_after(published, _waits(bench.dialogue(), conversation))
                seen |= {orjson.loads(value)["model_version"] for _, value, _ in conversation.answers["committed"]}
            bench.drain(workers)
    return {
        "swaps_under_load": len(seen - {0}),
        "wait_without_swaps_ms": _summary(calm),
        "wait_after_swap_ms": _summary(swapped),
    }


def _talk(bench: recommend.Bench) -> Conversation:
    events = bench.take(int(SWAPS * _EVERY_SECONDS * PER_SECOND))
    conversation = converse(bench.dialogue(), bench.as_sent(events), PER_SECOND)
    bench.note_sent(len(events))
    return conversation


def _waits(dialogue: Dialogue, conversation: Conversation) -> Waits:
    return waits(conversation, dialogue.order_of, "uncommitted")


def just_after(published: Sequence[float], waited: Waits) -> list[float]:
    """Return the waits of events due while a version was published or soon after.

    >>> just_after([10.0], [(9.9, 0.1), (10.0, 0.2), (10.6, 0.3), (10.8, 0.4)])
    [0.2, 0.3]
    """
    return [took for due, took in waited if any(0 <= due - at <= _AFTER_SECONDS for at in published)]


@contextmanager
def _swapping(settings: Settings, first: int) -> Iterator[list[float]]:
    """Publish ten versions, one each second, beside what is done within; yields when each began."""
    published: list[float] = []

    def run() -> None:
        for number in range(SWAPS):
            time.sleep(_EVERY_SECONDS)
            published.append(time.perf_counter())
            asyncio.run(publish(settings, first + number))

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield published
    finally:
        thread.join()


def _summary(seconds: list[float]) -> dict[str, float]:
    return percentiles(seconds) | {"max_ms": round(1000 * max(seconds), 3)}
