"""The trainer's decisions without Kafka, on an injected clock."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from prometheus_client import CollectorRegistry

from models.base import F, initial_parameters
from schemas.outputs import DriftSignal
from schemas.record import encode
from schemas.training import Moments, TrainingExample, encode_example, encode_moments
from streamproc.metrics import TrainerMetrics
from streamproc.settings import Settings
from streamproc.trainer.training import MAX_REJECTIONS, Candidate, Training, judge

BASE = initial_parameters()


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


class Setup:
    def __init__(self, **settings: float) -> None:
        self.clock, self.registry = Clock(), CollectorRegistry()
        self.rng = np.random.default_rng(0)
        self.count = 0
        self.training = Training(Settings(**settings), BASE, TrainerMetrics(self.registry), self.clock)

    def examples(self, count: int) -> list[bytes]:
        made = []
        for _ in range(count):
            self.count += 1
            features = self.rng.integers(-40, 40, (17, F)).astype(np.int8)
            features[0, 0] = 90  # what was chosen is popular
            example = TrainingExample(
                BASE.layout,
                0,
                self.count % 30,
                1_700_000_000_000 + self.count,
                0,
                0,
                self.count,
                np.zeros(17, "f2"),
                features,
            )
            made.append(encode_example(example))
        return made

    def learn(self, count: int) -> None:
        values = self.examples(count)
        while values:
            values = values[self.training.take(values) :]
            self.publish_if("refresh")

    def publish_if(self, kind: str) -> Candidate | None:
        if self.training.wanted() != kind:
            return None
        candidate = self.training.candidate(kind, self.training.serving + 1)  # type: ignore[arg-type]
        self.training.decided(candidate)
        return candidate

    def metric(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(name, labels)


def drift_signal(kind: str) -> bytes:
    return encode(
        DriftSignal(
            name="relative_hit_rate",
            timestamp_ms=1_700_000_000_000,
            detector="ADWIN",
            worker="w1",
            kind=kind,  # type: ignore[arg-type]
            before=0.1,
            after=0.2,
            window=300,
        )
    )


def test_stops_taking_where_a_version_is_due_and_counts_what_it_took() -> None:
    setup = Setup()
    moments = encode_moments(Moments(BASE.layout, 10.0, np.zeros(F), np.ones(F)))
    values = [moments, b"damaged", None, *setup.examples(150)]
    taken = setup.training.take(values)
    assert taken < len(values)
    assert setup.training.wanted() == "refresh"
    assert setup.training.unpublished == 100
    assert setup.metric("streamproc_trainer_examples_total", result="damaged") == 2
    assert setup.metric("streamproc_trainer_examples_total", result="learned") == 100
    candidate = setup.training.candidate("refresh", 1)
    setup.training.decided(candidate)
    assert (candidate.promoted, candidate.parameters.version, candidate.parameters.parent) == (True, 1, 0)
    assert (setup.training.unpublished, setup.training.serving, setup.training.wanted()) == (0, 1, None)
    assert setup.training.take(values[taken:]) == len(values) - taken


def test_a_quiet_stream_publishes_what_was_learned() -> None:
    setup = Setup()
    setup.training.take(setup.examples(80))
    assert setup.training.wanted() is None
    setup.clock.now += 6
    assert setup.training.wanted() == "refresh"


def test_a_signal_asks_for_a_meta_update_after_the_cooldown_and_a_command_at_once() -> None:
    setup = Setup(meta_cooldown_seconds=30)
    setup.learn(450)
    setup.training.signal(drift_signal("evidence"))
    setup.training.signal(b"nonsense")
    assert setup.training.wanted() is None
    setup.training.signal(drift_signal("trigger"))
    candidate = setup.publish_if("meta")
    assert candidate is not None
    assert candidate.reason.startswith("trigger relative_hit_rate (0.100 -> 0.200) from w1: ")
    assert candidate.metrics["meta_users"] == 30
    setup.training.signal(drift_signal("trigger"))
    assert setup.training.wanted() is None
    setup.training.signal(drift_signal("command"))
    assert setup.publish_if("meta") is not None
    setup.training.signal(drift_signal("trigger"))
    setup.clock.now += 29
    assert setup.training.wanted() is None
    setup.clock.now += 1
    assert setup.publish_if("meta") is not None
    assert setup.metric("streamproc_drift_signals_received_total", kind="trigger") == 3
    assert setup.metric("streamproc_meta_update_seconds_count") == 3


def test_the_timer_meta_updates_only_when_something_was_learned_since() -> None:
    setup = Setup(meta_interval_seconds=100)
    setup.learn(100)
    setup.clock.now += 101
    setup.training.take(setup.examples(20))
    candidate = setup.publish_if("meta")
    assert candidate is not None
    assert candidate.reason.startswith("timer: ")
    setup.clock.now += 101
    assert setup.training.wanted() is None


def test_a_candidate_worse_than_what_serves_is_rejected() -> None:
    rng = np.random.default_rng(0)
    losses = rng.exponential(size=400).astype(np.float32)
    noise = rng.normal(0, 0.1, 400).astype(np.float32)
    assert judge(losses + noise - np.float32(0.05), losses)[0]
    assert not judge(losses + noise + np.float32(0.05), losses)[0]
    promoted, reason, metrics = judge(losses + 1, losses)
    assert not promoted
    assert "on 400 examples" in reason
    assert metrics["held_out_loss_after"] - metrics["held_out_loss_before"] == pytest.approx(1, abs=1e-4)
    assert not judge(losses * np.float32(np.nan), losses)[0]


def test_after_rejections_in_a_row_learning_goes_back_to_what_serves() -> None:
    setup = Setup()
    setup.learn(100)
    good = setup.training.candidate("refresh", 2).parameters
    bad = Candidate(replace(good, skip=-good.skip), "refresh", False, "worse", {})
    setup.training.adopt(replace(good, skip=good.skip + 1))
    for _ in range(MAX_REJECTIONS - 1):
        setup.training.decided(bad)
    setup.training.take(setup.examples(40))
    np.testing.assert_array_less(good.skip, setup.training.candidate("refresh", 3).parameters.skip)
    setup.training.adopt(good)
    for _ in range(MAX_REJECTIONS):
        setup.training.decided(bad)
    np.testing.assert_array_equal(setup.training.candidate("refresh", 4).parameters.skip, good.skip)


def test_parameters_that_are_not_finite_are_rejected_and_left_behind() -> None:
    setup = Setup()
    setup.learn(100)
    serving = setup.training.serving
    setup.training._learner._adam.theta.fill(float("nan"))
    setup.training.take(setup.examples(50))
    candidate = setup.training.candidate("refresh", 5)
    setup.training.decided(candidate)
    assert not candidate.promoted
    assert "not finite" in candidate.reason
    assert setup.training.serving == serving
    assert np.isfinite(setup.training.candidate("refresh", 6).parameters.w1).all()
