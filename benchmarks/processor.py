"""The worker's own work without a broker: decode, score, learn, adapt, recommend, encode."""

from __future__ import annotations

import time
from collections.abc import Sequence
from zlib import crc32

from prometheus_client import CollectorRegistry

from benchmarks.world import messages
from models.base import initial_parameters
from models.recommender import Recommender
from streamproc.engine import InputRecord
from streamproc.metrics import WorkerMetrics
from streamproc.recommending import recommender_config
from streamproc.settings import Settings
from streamproc.worker.knowledge import SharedKnowledge
from streamproc.worker.processor import WorkerProcessor

_WARM_UP = 2_000  # events that pay for compilation and first allocations


class _Memory(dict[bytes, bytes]):
    """A state view over a plain dict."""

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        return [self.get(key) for key in keys]


def run(events: int, users: int, items: int, batch: int) -> dict[str, float]:
    """Return figures over `events` events after a warm-up, in micro-batches of `batch` events of one partition."""
    settings = Settings()
    metrics = WorkerMetrics(CollectorRegistry(), settings.k)
    recommender = Recommender(initial_parameters(), recommender_config(settings))
    processor = WorkerProcessor(settings, recommender, metrics, "benchmark", time.time)
    catalogue, interactions = messages(_WARM_UP + events, users, items)
    shared = SharedKnowledge(settings, recommender, metrics, "benchmark")
    shared.apply(
        [InputRecord("items", 0, offset, m.timestamp_ms, m.key, m.value) for offset, m in enumerate(catalogue)]
    )
    partitions: list[list[InputRecord]] = [[] for _ in range(settings.partitions)]
    states = [_Memory() for _ in partitions]
    done, recommendations, began, cpu_began = 0, 0, 0.0, 0.0
    for offset, m in enumerate(interactions):
        partition = crc32(m.key) % len(partitions)
        waiting = partitions[partition]
        waiting.append(InputRecord(m.role, partition, offset, m.timestamp_ms, m.key, m.value))
        if len(waiting) < batch:
            continue
        writes = processor.process(partition, waiting, states[partition])
        states[partition].update({key: value for key, value in writes.state.items() if value is not None})
        if began:
            done += len(waiting)
            recommendations += sum(output.topic == "recommendations" for output in writes.outputs)
        elif offset >= _WARM_UP:
            began, cpu_began = time.perf_counter(), time.process_time()
        waiting.clear()
    seconds, cpu_seconds = time.perf_counter() - began, time.process_time() - cpu_began
    sizes = sorted(len(value) for state in states for value in state.values())
    return {
        "events": done,
        "events_per_second": done / seconds,
        "seconds_per_event": seconds / done,
        "cpu_seconds_per_event": cpu_seconds / done,
        "recommendations": recommendations,
        "hit_rate_at_20": metrics.prequential.total("model").hit_rate,
        "state_bytes_p50": sizes[len(sizes) // 2],
        "state_bytes_p99": sizes[len(sizes) * 99 // 100],
    }
