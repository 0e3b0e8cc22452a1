"""The whole loop on a real Kafka, 1,000 events a second: a shop's world changes, and what was learned since serves.

A worker has one core, and the trainer another, which it shares with the broker and with whoever sends the events.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import orjson

from benchmarks import recommend
from benchmarks.latency import converse
from benchmarks.learning.swaps import as_row
from benchmarks.machine import share_out
from schemas.knowledge import ModelUpdate
from schemas.outputs import DriftSignal
from schemas.record import Record, decode
from streamproc.brokers.kafka import KafkaBroker
from streamproc.engine.broadcast import Broadcast
from streamproc.files import FileEvent
from streamproc.settings import Settings
from streamproc.simulator.config import DriftKind, WorldConfig
from streamproc.simulator.world import World

PER_SECOND = 1_000.0
WARM_UP, CHANGE_AT, AFTER = 2_000, 15_000, 30_000  # events
TURNS, QUICK_TURNS = 3, 1

R = TypeVar("R", bound=Record)


@dataclass(frozen=True)
class ChangingShop:
    """The demo's shop, whose world changes once; nobody looks at lists, so that all runs see the same events."""

    seed: int

    def events(self) -> Iterator[FileEvent]:
        """Yield its events."""
        change = WARM_UP + CHANGE_AT
        world = World(WorldConfig(drift=DriftKind.SUDDEN, drift_at=change, feedback_share=0.0), self.seed)
        while True:
            yield as_row(world.step())

    def catalogue(self) -> Iterator[tuple[bytes, bytes]]:
        """There is none."""
        return iter(())


@dataclass(frozen=True)
class Written:
    """What trainer and worker wrote, and when, in seconds since 1970.

    Attributes
    ----------
    triggers : times of the triggering alarms.
    updates : records of versions, in their order.
    answers : arrival, for readers who wait for commits, and version of each list.
    """

    triggers: Sequence[float]
    updates: Sequence[tuple[float, ModelUpdate]]
    answers: Sequence[tuple[float, int]]


def measure(quick: bool) -> dict[str, Any]:
    """Return medians over the turns, in seconds, each of another world; None where something never came."""
    with TemporaryDirectory(prefix="bench-learning-") as folder, KafkaBroker() as broker:
        turns = [
            _turn(broker.bootstrap_servers, seed, Path(folder))
            for seed in range(1, 1 + (QUICK_TURNS if quick else TURNS))
        ]
    found: dict[str, Any] = {}
    for name in ("alarm_seconds", "loop_seconds", "meta_verdict_seconds"):
        known = [turn[name] for turn in turns if turn[name] is not None]
        found[f"live_{name}"] = median(known) if len(known) == len(turns) else None
    return found | {"live_turns": turns}


def _turn(address: str, seed: int, folder: Path) -> dict[str, Any]:
    name = f"loop-{seed}"
    bench = recommend.Bench(address, name, share_out(), ChangingShop(seed), 0, folder / name)
    with bench.workers(1) as workers, bench.trainer():
        bench.send(bench.take(WARM_UP))
        bench.drain(workers)
        wall = time.time() - time.perf_counter()
        talk = converse(bench.dialogue(), bench.as_sent(bench.take(CHANGE_AT + AFTER)), PER_SECOND)
        settings = bench.settings
        written = Written(
            [at for at, signal in _read(settings, "drift-signals", DriftSignal) if signal.kind == "trigger"],
            _read(settings, "model-updates", ModelUpdate),
            [(wall + at, orjson.loads(value)["model_version"]) for _, value, at in talk.answers["committed"]],
        )
    return course(wall + talk.due[CHANGE_AT][1], written)


def course(changed: float, written: Written) -> dict[str, float | bool | None]:
    """Return seconds from the change to the alarm, and from the alarm to what it led to; None for what never came.

    `loop_seconds` is until a list came of a version that was begun after the alarm and proven; `meta_verdict_seconds`
    until the verdict on the meta-update that the alarm asked for.
    """
    alarm = next((at for at in written.triggers if at >= changed), None)
    if alarm is None:
        return dict.fromkeys(("alarm_seconds", "loop_seconds", "meta_verdict_seconds", "meta_promoted"))
    since = [(at, update) for at, update in written.updates if update.created_ms >= 1000 * alarm]
    proven = {update.version for _, update in since if update.verdict == "promoted"}
    served = next((at for at, version in written.answers if version in proven), None)
    decided = next(
        ((at, each.verdict) for at, each in since if each.kind == "meta" and each.verdict != "candidate"), None
    )
    return {
        "alarm_seconds": alarm - changed,
        "loop_seconds": None if served is None else served - alarm,
        "meta_verdict_seconds": None if decided is None else decided[0] - alarm,
        "meta_promoted": None if decided is None else decided[1] == "promoted",
    }


def _read(settings: Settings, role: str, kind: type[R]) -> list[tuple[float, R]]:
    """Return times and records of all that lies on a topic."""

    async def catch_up() -> list[tuple[float, R]]:
        async with Broadcast(settings, [settings.topic(role)]) as log:
            return [
                (record.timestamp_ms / 1000, decode(kind, record.value))
                for record in await log.catch_up()
                if record.value is not None  # versions that are no longer kept
            ]

    return asyncio.run(catch_up())
