"""Which part is measured with what sizes, in which order."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Literal

from benchmarks import components, quix_environment, recommend
from benchmarks.comparison import CONTESTS, KAFKA_STREAMS, Plan, compare
from benchmarks.machine import Cores, load, share_out
from benchmarks.ratios import ratios
from benchmarks.shop import Shop
from streamproc.brokers.kafka import KafkaBroker

Row = dict[str, Any]

_WORKERS = (1, 2, 4)
_MEMORY_USERS = 1_000_000  # more are kept in RocksDB


@dataclass(frozen=True)
class Sizes:
    """How much of everything.

    Attributes
    ----------
    plan
        Of the comparison.
    shop
        Stream of `recommend`.
    known
        Events that item knowledge holds at the start.
    seconds
        Length of a measurement of `recommend` and of each load.
    events
        Measured by `components`.
    repeats
        Turns of `recommend`, of which the median counts.
    growing_users, growing_items
        Sizes at which `components` is repeated.
    """

    plan: Plan
    shop: Shop
    known: int
    seconds: float
    events: int
    repeats: int
    growing_users: tuple[int, ...]
    growing_items: tuple[int, ...]

    @staticmethod
    def of(quick: bool, users: int | None, items: int | None, file: Path | None, kafka_streams: bool) -> Sizes:
        """Return the sizes of a quick or a full run."""
        contests = CONTESTS + (KAFKA_STREAMS if kafka_streams else ())
        if quick:
            shop = Shop(users or 20_000, items or 20_000, file)
            return Sizes(Plan(1, 4.0, 1_000_000, 200_000, contests), shop, 10_000, 8.0, 4_000, 1, (), ())
        shop = Shop(users or 100_000, items or 100_000, file)
        grown = (1_000, 10_000, 100_000, 1_000_000)
        return Sizes(
            Plan(3, 10.0, 2_000_000, 2_000_000, contests), shop, 200_000, 30.0, 20_000, 3, (*grown, 10_000_000), grown
        )


def measure(parts: Sequence[str], sizes: Sizes, folder: Path, on_row: Callable[[Row], object]) -> dict[str, Any]:
    """Measure and return ``{"rows": [...], "ratios": {...}}``; every row tells the load it was measured under."""
    rows: list[Row] = []
    for row in _rows(parts, sizes, share_out(), folder):
        rows.append({"load": load()} | row)
        on_row(rows[-1])
    return {"rows": rows, "ratios": ratios(rows)}


def _rows(parts: Sequence[str], sizes: Sizes, cores: Cores, folder: Path) -> Iterator[Row]:
    if {"compare", "recommend", "latency", "workers"}.intersection(parts):
        quix = quix_environment.prepare() if "compare" in parts else None
        with KafkaBroker() as broker:
            if quix:
                yield from compare(broker.bootstrap_servers, cores, quix, sizes.plan)
            if "recommend" in parts or "latency" in parts:
                yield from _whole_job(parts, sizes, broker.bootstrap_servers, cores, folder)
            events = None  # a longer backlog is cheaper by the event: all numbers of workers get the first one's
            for count in _WORKERS if "workers" in parts else ():
                name = f"workers-{count}"
                bench = recommend.Bench(broker.bootstrap_servers, name, cores, sizes.shop, sizes.known, folder / name)
                with bench.workers(count) as workers:
                    served = recommend.quality(bench, workers)
                    row = recommend.throughput(bench, workers, sizes.seconds, events)
                events = row["events"]
                yield row | served | {"workload": f"recommend-{name}"}
    if "components" in parts:
        yield _alone(sizes.shop, sizes)
    for users in sizes.growing_users if "users" in parts else ():
        row = _alone(replace(sizes.shop, users=users), sizes, "rocksdb" if users > _MEMORY_USERS else "memory")
        yield row | {"workload": f"components-users-{users}"}
    for items in sizes.growing_items if "items" in parts else ():
        yield _alone(replace(sizes.shop, items=items), sizes) | {"workload": f"components-items-{items}"}


def _whole_job(parts: Sequence[str], sizes: Sizes, address: str, cores: Cores, folder: Path) -> Iterator[Row]:
    bench = recommend.Bench(address, "recommend", cores, sizes.shop, sizes.known, folder / "recommend")
    with bench.workers(1) as workers:
        turns = [recommend.throughput(bench, workers, sizes.seconds) for _ in range(sizes.repeats)]
        row = sorted(turns, key=lambda turn: turn["events_per_second"])[len(turns) // 2]
        yield row | {"users": sizes.shop.users, "items": sizes.shop.items}
        if "latency" in parts:
            yield from recommend.latencies(bench, workers, row["events_per_second"], sizes.seconds)


def _alone(shop: Shop, sizes: Sizes, kind: Literal["memory", "rocksdb"] = "memory") -> Row:
    """Measure components in a process of its own: memory once taken is never given back."""
    with ProcessPoolExecutor(1, get_context("spawn")) as process:
        return process.submit(components.run, shop, sizes.known, sizes.events, kind).result()
