"""Metrics: what is counted ends in the registry under the documented names."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from models.interaction import EventType
from streamproc.metrics import TrainerMetrics, WorkerMetrics
from streamproc.prequential import ARMS, Prequential


def learned(**changes: Any) -> Any:
    """Return a stand-in for the recommender's answer with nothing hit."""
    ranks = {"rank": None, "popularity_rank": None, "unadapted_rank": None, "shown_rank": None, "had_shown": False}
    return SimpleNamespace(**(ranks | changes))


def test_totals_are_the_textbook_means() -> None:
    live = Prequential(k=20)
    ranks = [1, 3, None, 20, 21]
    for rank in ranks:
        live.score("shown", rank)
    score = live.total("shown")
    assert score.events == 5
    assert score.hit_rate == pytest.approx(3 / 5)
    assert score.mrr == pytest.approx((1 + 1 / 3 + 1 / 20) / 5)
    assert score.ndcg == pytest.approx((1 + 1 / math.log2(4) + 1 / math.log2(21)) / 5)
    assert live.total("model").events == 0


def test_decayed_means_forget_with_the_half_life() -> None:
    live = Prequential(k=20, half_life=100)
    for _ in range(2_000):
        live.score("model", 1)
    for _ in range(100):
        live.score("model", None)
    assert live.recent("model").hit_rate == pytest.approx(0.5, abs=1e-3)
    assert live.total("model").hit_rate == pytest.approx(2_000 / 2_100)


def test_no_half_life_or_length_of_zero() -> None:
    with pytest.raises(ValueError, match="positive"):
        Prequential(k=0)
    with pytest.raises(ValueError, match="positive"):
        Prequential(half_life=0)


def test_worker_events_are_counted_and_scored_by_arm() -> None:
    registry = CollectorRegistry()
    metrics = WorkerMetrics(registry, k=10)
    metrics.learned(EventType.CLICK, learned(rank=2))
    metrics.learned(
        EventType.PURCHASE, learned(rank=2, popularity_rank=10, shown_rank=1, had_shown=True, unadapted_rank=11)
    )
    value = registry.get_sample_value
    assert value("streamproc_events_total", {"type": "click"}) == 1
    assert value("streamproc_events_total", {"type": "purchase"}) == 1
    assert value("streamproc_events_total", {"type": "cart"}) == 0
    hits = {arm: value("streamproc_prequential_hits_total", {"arm": arm}) for arm in ARMS}
    assert hits == {"shown": 1, "model": 1, "popularity": 1, "unadapted": 0}
    # Where no list had been shown there is nothing to score, for any arm: all are means over the same events.
    assert {value("streamproc_prequential_predictions_total", {"arm": arm}) for arm in ARMS} == {1}
    assert value("streamproc_prequential_mrr", {"arm": "model"}) == pytest.approx(0.5, abs=1e-3)


def test_worker_gauges_are_read_at_each_scrape() -> None:
    registry = CollectorRegistry()
    metrics = WorkerMetrics(registry)
    lag = {("clicks", 3): 7}
    metrics.watch(lag=lambda: lag, users=lambda: 5)
    key = {"topic": "clicks", "partition": "3"}
    assert registry.get_sample_value("streamproc_consumer_lag_records", key) == 7
    lag["clicks", 3] = 0
    assert registry.get_sample_value("streamproc_consumer_lag_records", key) == 0
    assert registry.get_sample_value("streamproc_users") == 5
    assert registry.get_sample_value("streamproc_items") is None


def test_latency_is_never_negative() -> None:
    registry = CollectorRegistry()
    metrics = WorkerMetrics(registry)
    metrics.recommended(-3.0)  # a producer's clock ahead of ours
    metrics.recommended(0.03)
    assert registry.get_sample_value("streamproc_recommendations_total") == 2
    assert registry.get_sample_value("streamproc_event_to_recommendation_seconds_sum") == pytest.approx(0.03)


def test_swaps_move_the_version() -> None:
    registry = CollectorRegistry()
    metrics = WorkerMetrics(registry)
    metrics.serving(4)
    assert registry.get_sample_value("streamproc_base_swaps_total") == 0
    metrics.swapped(5)
    assert registry.get_sample_value("streamproc_base_swaps_total") == 1
    assert registry.get_sample_value("streamproc_base_version") == 5


def test_trainer_metrics() -> None:
    registry = CollectorRegistry()
    metrics = TrainerMetrics(registry)
    metrics.examples(8)
    metrics.examples(2, "skipped")
    metrics.stepped(3, 2.5)
    metrics.proposed(0.01)
    metrics.decided("meta", "rejected", {"gain_nats": -0.1})
    metrics.alarm("model_drift", "trigger")
    metrics.serving(9)
    metrics.signal("trigger")
    metrics.meta_update(0.4)
    value = registry.get_sample_value
    assert value("streamproc_trainer_examples_total", {"result": "learned"}) == 8
    assert value("streamproc_trainer_examples_total", {"result": "skipped"}) == 2
    assert value("streamproc_trainer_steps_total") == 3
    assert value("streamproc_proof", {"number": "gain_nats"}) == -0.1
    assert value("streamproc_publish_seconds_count") == 1
    assert value("streamproc_drift_alarms_total", {"name": "model_drift", "kind": "trigger"}) == 1
    assert value("streamproc_versions_total", {"kind": "meta", "verdict": "rejected"}) == 1
    assert value("streamproc_published_version") == 9
    assert value("streamproc_drift_signals_received_total", {"kind": "trigger"}) == 1
    assert value("streamproc_meta_update_seconds_count") == 1


def test_names_are_prefixed_and_in_base_units() -> None:
    for bundle in (WorkerMetrics, TrainerMetrics):
        registry = CollectorRegistry()
        bundle(registry)
        for family in registry.collect():
            assert family.name.startswith(("streamproc_", "process_", "python_")), family.name
            assert not family.name.endswith(("_ms", "_millis", "_kb", "_percent")), family.name
        assert b"# HELP streamproc_" in generate_latest(registry)
