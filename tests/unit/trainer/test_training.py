"""The trainer's decisions without Kafka, on an injected clock."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from prometheus_client import CollectorRegistry

from models.base import F, initial_parameters
from schemas.evidence import Evidence, encode_evidence
from schemas.knowledge import PrivacySpent
from schemas.outputs import DriftSignal
from schemas.record import encode
from schemas.training import Moments, TrainingExample, encode_example, encode_moments
from streamproc.metrics import TrainerMetrics
from streamproc.settings import Settings
from streamproc.trainer.proof import Verdict
from streamproc.trainer.training import HASTE_EXAMPLES, MAX_REJECTIONS, Candidate, Training

BASE = initial_parameters()
GOOD, WORSE = Verdict(True, "better", {}), Verdict(False, "worse", {}, harm=True)
UNPROVEN = Verdict(False, "nothing proven", {})


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


class Setup:
    def __init__(self, spent: PrivacySpent | None = None, **settings: float) -> None:
        self.clock, self.registry = Clock(), CollectorRegistry()
        self.rng = np.random.default_rng(0)
        self.count = 0
        self.training = Training(Settings(**settings), BASE, TrainerMetrics(self.registry), self.clock, spent)

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
        self.prove(candidate, GOOD)
        return candidate

    def prove(self, candidate: Candidate, verdict: Verdict) -> None:
        self.training.prove(candidate)
        self.training.decided(verdict)

    def metric(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(name, labels)


def drift_signal(kind: str, before: float = 0.1, after: float = 0.2) -> bytes:
    return encode(
        DriftSignal(
            name="relative_hit_rate",
            timestamp_ms=1_700_000_000_000,
            detector="ADWIN",
            worker="w1",
            kind=kind,  # type: ignore[arg-type]
            before=before,
            after=after,
            window=300,
        )
    )


def test_after_a_trigger_alone_old_evidence_is_to_weigh_less_the_more_the_lists_have_lost() -> None:
    training = Setup().training
    lost = {after: training.signal(drift_signal("trigger", 0.6, after)) for after in (0.0, 0.15, 0.351, 0.4, 0.7)}
    assert lost == pytest.approx({0.0: 0.05, 0.15: 0.05, 0.351: 0.9**6, 0.4: 1.0, 0.7: 1.0})
    for said in (drift_signal("evidence", 0.6, 0.3), drift_signal("command", 0.6, 0.3), b"nonsense", None):
        assert training.signal(said) == 1


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
    assert (candidate.version, candidate.parameters.parent) == (1, 0)
    setup.training.prove(candidate)
    assert (setup.training.pending, setup.training.wanted()) == (candidate, None)
    assert (setup.training.unpublished, setup.training.serving) == (100, 0)
    setup.training.decided(GOOD)
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


def test_after_versions_that_were_worse_in_a_row_learning_goes_back_to_what_serves() -> None:
    setup = Setup()
    setup.learn(100)
    good = setup.training.candidate("refresh", 2).parameters
    bad = Candidate(replace(good, skip=-good.skip), "refresh", "test", {"examples": 0.0})
    setup.training.adopt(replace(good, skip=good.skip + 1))
    for verdict in [WORSE] * (MAX_REJECTIONS - 1) + [UNPROVEN] * 3:
        setup.prove(bad, verdict)
    setup.training.take(setup.examples(40))
    np.testing.assert_array_less(good.skip, setup.training.candidate("refresh", 3).parameters.skip)
    setup.training.adopt(good)
    for _ in range(MAX_REJECTIONS):
        setup.prove(bad, WORSE)
    np.testing.assert_array_equal(setup.training.candidate("refresh", 4).parameters.skip, good.skip)


def test_parameters_that_are_not_finite_are_never_proposed_and_left_behind() -> None:
    setup = Setup()
    setup.learn(100)
    serving = setup.training.serving
    setup.training._learner._adam.theta.fill(float("nan"))
    setup.training.take(setup.examples(50))
    with pytest.raises(ValueError, match="not finite"):
        setup.training.candidate("refresh", 5)
    assert setup.training.serving == serving
    assert np.isfinite(setup.training.candidate("refresh", 6).parameters.w1).all()


def test_a_meta_update_does_not_wait_for_the_verdict_on_a_refresh_but_a_refresh_waits_for_it() -> None:
    setup = Setup(meta_cooldown_seconds=0)
    setup.training.take(setup.examples(200))
    setup.training.prove(setup.training.candidate("refresh", 1))
    setup.training.take(setup.examples(200))
    assert setup.training.wanted() is None
    setup.training.signal(drift_signal("trigger"))
    assert setup.training.wanted() == "meta"
    setup.training.decided(UNPROVEN)
    setup.training.prove(setup.training.candidate("meta", 2))
    setup.training.signal(drift_signal("trigger"))
    assert setup.training.wanted() is None


def test_after_a_trigger_candidates_follow_faster_than_the_cadence() -> None:
    setup = Setup(meta_cooldown_seconds=0, publish_every=100_000)
    setup.learn(1_000)
    setup.training.signal(drift_signal("trigger"))
    assert setup.publish_if("meta") is not None
    serving = setup.training.serving
    setup.learn(400)
    setup.publish_if("refresh")
    assert setup.training.serving == serving + 2


def test_without_a_verdict_from_live_traffic_held_out_examples_decide() -> None:
    setup = Setup(promotion_timeout_seconds=60)
    setup.learn(1_000)
    refresh = setup.training.candidate("refresh", 90)
    setup.training.prove(refresh)
    verdict = setup.training.judge()
    assert verdict.accepted
    assert verdict.reason.startswith("0 live events in 60 s; held-out loss ")
    assert verdict.metrics["comparisons"] == 0
    assert verdict.metrics["held_out_loss_after"] <= verdict.metrics["held_out_loss_before"] + 0.1
    negated = replace(refresh.parameters, version=91, skip=-refresh.parameters.skip, out=-refresh.parameters.out)
    setup.training.prove(replace(refresh, parameters=negated))
    assert (setup.training.judge().accepted, setup.training.judge().harm) == (False, True)


def test_a_trigger_beside_a_flood_says_so_and_leaves_old_evidence_its_weight() -> None:
    setup = Setup(meta_cooldown_seconds=0)
    for number in range(120):
        flood = 15 if number >= 100 else 0
        nothing = np.zeros(0, np.uint32)
        items = np.arange(20, dtype=np.uint32)
        seen = Evidence(
            1_700_000_000_000, flood, 0, items, np.zeros(20, np.uint8), nothing, nothing, nothing.astype(np.float32)
        )
        setup.training.take([encode_evidence(seen)])
    assert setup.training.signal(drift_signal("trigger", 0.6, 0.3)) == 1  # the lists are as good as they were
    assert ("from w1, beside new_items:") in setup.training.candidate("meta", 1).reason


def test_after_a_rejection_the_next_candidate_comes_before_the_cadence() -> None:
    setup = Setup()
    serving = replace(BASE, version=7)  # no early ramp
    setup.training = Training(Settings(), serving, TrainerMetrics(CollectorRegistry()), setup.clock)
    setup.training.know(BASE)
    setup.training.take(setup.examples(300))
    assert setup.training.wanted() is None
    setup.prove(setup.training.candidate("refresh", 8), UNPROVEN)
    proposed = setup.training.unpublished
    while setup.training.wanted() is None:
        setup.training.take(setup.examples(1))
    assert setup.training.unpublished - proposed == HASTE_EXAMPLES
    setup.prove(setup.training.candidate("refresh", 9), GOOD)
    setup.training.take(setup.examples(HASTE_EXAMPLES + 50))
    assert setup.training.wanted() is None


def test_every_version_says_what_meta_updates_have_spent_rejected_ones_too() -> None:
    setup = Setup(meta_cooldown_seconds=0, privacy_noise_multiplier=1.0)
    setup.learn(1_200)
    assert setup.metric("streamproc_privacy_epsilon") == 0.0
    spent = []
    for verdict in (WORSE, GOOD):
        setup.training.signal(drift_signal("trigger"))
        candidate = setup.training.candidate("meta", setup.training.serving + 1)
        setup.prove(candidate, verdict)
        assert candidate.privacy
        assert setup.metric("streamproc_privacy_epsilon") == candidate.privacy.epsilon
        spent.append(candidate.privacy)
    assert 0 < spent[0].epsilon < spent[1].epsilon
    assert [steps.steps for steps in spent[1].steps] == [160]
    refresh = setup.training.candidate("refresh", setup.training.serving + 1)
    assert refresh.privacy == spent[1]
    again = Setup(spent=refresh.privacy, privacy_noise_multiplier=1.0)
    assert again.metric("streamproc_privacy_epsilon") == spent[1].epsilon


def test_noise_is_another_in_every_process_and_none_without_the_setting() -> None:
    heads = []
    for noise in (1.0, 1.0, 0.0, 0.0):
        setup = Setup(meta_cooldown_seconds=0, privacy_noise_multiplier=noise)
        setup.learn(1_200)
        setup.training.signal(drift_signal("trigger"))
        candidate = setup.training.candidate("meta", setup.training.serving + 1)
        heads.append(candidate.parameters.skip.tolist())
        assert (candidate.privacy is not None) == bool(noise)
    assert heads[0] != heads[1]
    assert heads[2] == heads[3]
