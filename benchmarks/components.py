"""Where the time of one event goes in the worker's own work: a CPU sampling profile, without a broker."""

from __future__ import annotations

import signal
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice
from pathlib import Path, PurePath
from tempfile import TemporaryDirectory
from types import FrameType
from typing import Any, Literal
from zlib import crc32

from prometheus_client import CollectorRegistry

from benchmarks.job import peak_mb
from benchmarks.shop import Shop, history, message
from models.base import initial_parameters
from models.recommender import Recommender
from streamproc.engine import InputRecord
from streamproc.engine.store import Store, open_store
from streamproc.files import FileEvent
from streamproc.metrics import WorkerMetrics
from streamproc.recommending import recommender_config
from streamproc.settings import Settings
from streamproc.worker.knowledge import SharedKnowledge
from streamproc.worker.processor import FAST_WEIGHTS_KEY, WorkerProcessor

_PARTITIONS = 4
_BATCH = 100
_WARM_EVENTS = 2_000  # pay for compilation and first allocations
_FILL_ROWS = 100_000
_SAMPLE_SECONDS = 0.002
# The first of these that is part of a sampled frame's file names its component, from the innermost frame outwards.
_COMPONENTS = {
    "worker/parse.py": "decode",
    "schemas/training.py": "encode",
    "worker/writes.py": "encode",
    "models/user_state.py": "state",
    "models/knowledge/": "learn",
    "models/retrieval/": "retrieve",
    "models/own_items.py": "retrieve",
    "models/rank.py": "rank",
    "models/rules.py": "rank",
    "models/explain.py": "explain",
    "models/fast_weights.py": "adapt",
    "models/examples.py": "adapt",
    "models/listwise.py": "adapt",
    "models/drift.py": "watch",
    "streamproc/metrics.py": "watch",
    "streamproc/prequential.py": "watch",
}


def run(shop: Shop, known: int, events: int, kind: Literal["memory", "rocksdb"] = "memory") -> dict[str, Any]:
    """Process micro-batches as a worker does and return a row.

    Every user of a simulated shop has a state before the clock starts.

    Parameters
    ----------
    known
        Events that item knowledge holds before the first one is processed.
    events
        Events that are measured.
    kind
        Store of the states.
    """
    with TemporaryDirectory(prefix="bench-") as folder:
        stores = [open_store(kind, Path(folder), partition) for partition in range(_PARTITIONS)]
        try:
            return _run(shop, known, events, stores) | {"store": kind}
        finally:
            for store in stores:
                store.close()


def _run(shop: Shop, known: int, events: int, stores: list[Store]) -> dict[str, Any]:
    settings = Settings()
    metrics = WorkerMetrics(CollectorRegistry(), settings.k)
    recommender = Recommender(initial_parameters(), replace(recommender_config(settings), track_unadapted=True))
    processor = WorkerProcessor(settings, recommender, metrics, "benchmark", time.time)
    shared = SharedKnowledge(settings, recommender, metrics, "benchmark")
    shared.apply([InputRecord("items", 0, n, 0, *pair) for n, pair in enumerate(shop.catalogue())])
    stream = shop.events()
    shared.apply([InputRecord("item-stats", 0, n, 0, None, value) for n, value in enumerate(history(stream, known))])
    batches = list(_batches(islice(stream, _WARM_EVENTS + events)))
    begin = _WARM_EVENTS // _BATCH
    for batch in batches[:begin]:
        _process(processor, batch, stores)
    _fill(stores, 0 if shop.file else shop.users)
    samples: Counter[str] = Counter()
    cpu, began, measured = time.process_time(), time.perf_counter(), 0
    with sampling(samples):
        for batch in batches[begin:]:
            measured += _process(processor, batch, stores)
    cpu, seconds = time.process_time() - cpu, time.perf_counter() - began
    total = sum(samples.values())
    return {
        "system": "streamproc",
        "workload": "components",
        "events_per_second": measured / seconds,
        "cpu_seconds_per_1k": 1000 * cpu / measured,
        "rss_mb": peak_mb(),
        "events": measured,
        "items": len(recommender.knowledge.items),
        "users": shop.users,
        "us_per_event": {part: 1e6 * cpu / measured * count / total for part, count in samples.most_common()},
    }


def _batches(events: Iterator[FileEvent]) -> Iterator[tuple[int, list[InputRecord]]]:
    waiting: list[list[InputRecord]] = [[] for _ in range(_PARTITIONS)]
    for offset, (topic, key, value, timestamp_ms) in enumerate(map(message, events)):
        partition = crc32(key) % _PARTITIONS
        waiting[partition].append(InputRecord(topic, partition, offset, timestamp_ms, key, value))
        if len(waiting[partition]) == _BATCH:
            yield partition, waiting[partition]
            waiting[partition] = []


def _process(processor: WorkerProcessor, batch: tuple[int, list[InputRecord]], stores: list[Store]) -> int:
    partition, records = batch
    writes = processor.process(partition, records, stores[partition])
    stores[partition].write(writes.state, records[-1].offset)
    return len(records)


def _fill(stores: list[Store], users: int) -> None:
    """Give every user a state: a copy of one that there is."""
    value = next(value for key, value in stores[0].items() if key != FAST_WEIGHTS_KEY)
    for first in range(0, users, _FILL_ROWS):
        rows: list[dict[bytes, bytes | None]] = [{} for _ in stores]
        for user in range(first, min(users, first + _FILL_ROWS)):
            key = f"user-{user}".encode()
            rows[crc32(key) % _PARTITIONS][key] = bytes(bytearray(value))  # an object of its own, as from Kafka
        for store, part in zip(stores, rows, strict=True):
            store.write(part, 0)


@contextmanager
def sampling(samples: Counter[str]) -> Iterator[None]:
    """Count which component runs, each few milliseconds of CPU time.

    Python handles a signal when the compiled kernel that it falls into returns: it counts for the kernel's caller.
    """

    def sample(_: int, frame: FrameType | None) -> None:
        samples[_component(frame)] += 1

    former = signal.signal(signal.SIGPROF, sample)
    signal.setitimer(signal.ITIMER_PROF, _SAMPLE_SECONDS, _SAMPLE_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, former)


def _component(frame: FrameType | None) -> str:
    while frame is not None:
        file = PurePath(frame.f_code.co_filename).as_posix()
        for part, component in _COMPONENTS.items():
            if part in file:
                return component
        frame = frame.f_back
    return "other"
