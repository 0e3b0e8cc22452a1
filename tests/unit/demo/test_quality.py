"""Hit rates come from the counters that a worker really exposes."""

from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from models.interaction import EventType
from streamproc.demo.quality import ARMS, Course, Reading, read_meta_updates, read_worker
from streamproc.metrics import TrainerMetrics, WorkerMetrics


def test_the_worker_metrics_are_understood() -> None:
    registry = CollectorRegistry()
    metrics = WorkerMetrics(registry)
    for _ in range(3):
        metrics._events[EventType.CLICK.name.lower()] += 1
    metrics.prequential.score("model", 2)
    metrics.prequential.score("model", None)
    metrics.prequential.score("popularity", None)
    metrics.duplicate()
    metrics.dead_letter("not_json")
    metrics.dead_letter("invalid")
    metrics.serving(7)
    metrics.watch(lag=lambda: {("clicks", 0): 4, ("clicks", 1): 1})
    reading = read_worker(generate_latest(registry).decode())
    assert (reading.processed, reading.lag, reading.version) == (6, 5, 7)
    assert (reading.hit_rate("model"), reading.mrr("model")) == (0.5, 0.25)
    assert (reading.hit_rate("popularity"), reading.hit_rate("unadapted")) == (0.0, None)


def test_the_trainer_metrics_are_understood() -> None:
    registry = CollectorRegistry()
    metrics = TrainerMetrics(registry)
    metrics.meta_update(0.5)
    metrics.meta_update(0.7)
    assert read_meta_updates(generate_latest(registry).decode()) == 2


def reading(processed: int, hits: float) -> Reading:
    def arms(value: float) -> dict[str, float]:
        return dict.fromkeys(ARMS, value)

    return Reading(processed, 0, arms(processed), arms(hits), arms(0), 1)  # type: ignore[arg-type]


def test_hit_rates_of_stretches() -> None:
    course = Course()
    assert course.last is None
    assert course.hit_rate("model", 0, 100) is None
    for processed, hits in ((100, 50.0), (100, 50.0), (200, 60.0), (300, 160.0)):
        course.add(reading(processed, hits))
    assert course.hit_rate("model", 0, 100) == pytest.approx(0.5)
    assert course.hit_rate("model", 100, 200) == pytest.approx(0.1)
    assert course.hit_rate("model", 150, 250) == pytest.approx(0.55)
    assert course.hit_rate("model", 200, 300) == pytest.approx(1.0)
    assert course.hit_rate("model", 300, 300) is None
