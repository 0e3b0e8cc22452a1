"""What the trainer concludes from the evidence of workers, on an injected clock."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from schemas.evidence import Evidence, outcome
from streamproc.settings import Settings
from streamproc.trainer.live import SILENT_SECONDS, LiveEvidence
from streamproc.trainer.proof import Probation, Proof, Verdict

RNG = np.random.default_rng(0)


def evidence(shadow: int = 2, serving: int = 1, gain: float | None = None, count: int = 10) -> Evidence:
    compared = 0 if gain is None else count
    return Evidence(
        timestamp_ms=1_700_000_000_000,
        new_items=0,
        new_users=0,
        items=RNG.integers(0, 2**32, 20, dtype=np.uint32),
        outcomes=np.zeros(20, np.uint8),
        shadow=np.full(compared, shadow, np.uint32),
        serving=np.full(compared, serving, np.uint32),
        gain=np.full(compared, gain or 0.0, np.float32),
    )


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def decide(gain: float, spread: float, *, better: bool, most: int = 400) -> tuple[int, Verdict]:
    rng = np.random.default_rng(1)
    proof = Proof(2, 1, Settings(promotion_comparisons=most), better=better)
    for count in range(10, most + 10, 10):
        if verdict := proof.add(rng.normal(gain, spread, 10).clip(-0.5, 0.5).astype(np.float32)):
            return count, verdict
    raise AssertionError("no verdict")


def test_a_refresh_is_promoted_when_not_worse_and_rejected_when_worse_or_unproven() -> None:
    count, verdict = decide(0.005, 0.1, better=False)
    assert (verdict.accepted, verdict.reason.split(" on ")[0]) == (True, "not worse")
    assert count <= 350
    assert verdict.metrics["evidence_not_worse"] >= 20
    count, verdict = decide(-0.1, 0.1, better=False)
    assert (verdict.accepted, verdict.harm) == (False, True)
    assert count < 100
    count, verdict = decide(-0.005, 0.3, better=False)
    assert (count, verdict.accepted, verdict.harm) == (400, False, False)


def test_a_meta_update_is_promoted_when_better_and_after_half_the_time_when_not_worse() -> None:
    count, verdict = decide(0.1, 0.1, better=True)
    assert (verdict.accepted, verdict.reason.split(" on ")[0]) == (True, "better")
    assert count < 100
    count, verdict = decide(0.01, 0.1, better=True)
    assert (count, verdict.accepted, verdict.reason.split(" on ")[0]) == (200, True, "not worse")


def test_a_promoted_version_loses_to_a_better_parent_only() -> None:
    rng = np.random.default_rng(2)

    def ended(gain: float) -> tuple[int, Verdict]:
        probation = Probation(3, 2, Settings(probation_comparisons=500))
        for count in range(10, 510, 10):
            if verdict := probation.add(rng.normal(gain, 0.2, 10).clip(-0.5, 0.5).astype(np.float32)):
                return count, verdict
        raise AssertionError("no verdict")

    count, verdict = ended(0.4)
    assert not verdict.accepted
    assert count <= 40
    assert "parent 2 did better by 0." in verdict.reason
    margin = Settings().promotion_margin_nats  # the hardest case: one in a hundred may lose its place, at most
    assert sum(not ended(margin)[1].accepted for _ in range(100)) <= 3


def test_only_comparisons_of_the_two_versions_count() -> None:
    live = LiveEvidence(Settings(), Clock())
    live.prove(2, 1, better=False)
    for other in (evidence(3, 1, 0.5), evidence(2, 0, 0.5), evidence()):
        assert not live.add(other)
    assert live.proof is not None
    assert live.proof.metrics["comparisons"] == 0
    while not live.add(evidence(2, 1, 0.3)):
        pass
    assert live.verdict is not None
    assert live.verdict.accepted
    live.withdraw()
    assert not live.add(evidence(2, 1, 0.3))


def test_a_probation_runs_beside_a_proof() -> None:
    live = LiveEvidence(Settings(), Clock())
    live.on_probation(1, 0)
    live.prove(2, 1, better=False)
    while not live.add(evidence(0, 1, 0.3)):
        pass
    assert live.lost is not None
    assert (live.verdict, live.kept) == (None, None)
    live.on_probation(0, None)
    assert live.proof is not None
    assert not live.add(evidence(0, 1, 0.3))


def test_a_stream_that_falls_silent_is_told_once_until_it_flows_again() -> None:
    clock = Clock()
    live = LiveEvidence(Settings(), clock)
    assert live.take_alarms() == []
    for _ in range(50):
        clock.now += 0.5
        live.add(evidence())
    clock.now += SILENT_SECONDS - 1
    assert live.take_alarms() == []
    clock.now += 2
    ((alarm, _),) = live.take_alarms()
    assert (alarm.name, alarm.kind) == ("stopped_producer", "evidence")
    assert alarm.after == pytest.approx(SILENT_SECONDS + 1)
    clock.now += 100
    assert live.take_alarms() == []
    live.add(evidence())
    clock.now += 10_000
    assert len(live.take_alarms()) == 1


def test_without_live_traffic_a_verdict_becomes_overdue_and_with_one_it_does_not() -> None:
    clock = Clock()
    live = LiveEvidence(Settings(promotion_timeout_seconds=60), clock)
    assert not live.overdue
    live.prove(2, 1, better=False)
    clock.now += 59
    assert not live.overdue
    clock.now += 1
    assert live.overdue
    while not live.add(evidence(2, 1, 0.3)):
        pass
    assert not live.overdue
    live.withdraw()
    clock.now += 1_000
    assert not live.overdue


def test_a_flood_is_told_with_the_time_of_its_event_and_named_while_it_lasts() -> None:
    live = LiveEvidence(Settings(), Clock())
    for number in range(120):
        live.add(replace(evidence(), new_users=15 if number >= 100 else 0, timestamp_ms=number))
    ((alarm, timestamp_ms),) = live.take_alarms()
    assert (alarm.name, alarm.kind) == ("new_users", "evidence")
    assert 100 < timestamp_ms < 120
    assert live.floods == ("new_users",)


def test_drift_is_noticed_in_the_stream_of_all_workers_together() -> None:
    live, rng = LiveEvidence(Settings(), Clock()), np.random.default_rng(2)
    for number in range(400):
        hits = (rng.random(20) < (0.8 if number < 300 else 0.4)).tolist()
        outcomes = np.array([outcome(0.8, hit, rng.random() < 0.2) for hit in hits], np.uint8)
        if live.add(replace(evidence(), outcomes=outcomes, timestamp_ms=number)):
            break
    ((alarm, timestamp_ms),) = live.take_alarms()
    assert alarm.kind == "trigger"
    assert alarm.after < alarm.before
    assert timestamp_ms == number
    assert 300 < number < 320


def test_a_promotion_waits_while_the_parent_of_what_serves_does_better() -> None:
    clock = Clock()
    live = LiveEvidence(Settings(promotion_timeout_seconds=60), clock)
    live.on_probation(1, 0)
    live.prove(2, 1, better=False)
    live.add(evidence(0, 1, 0.05, count=4))
    for _ in range(10):
        live.add(evidence(2, 1, 0.4))
    assert (live.verdict, live.overdue) == (None, False)
    live.add(evidence(0, 1, -0.05, count=4))
    assert live.verdict is not None
    live.add(evidence(0, 1, 0.1, count=8))
    assert live.verdict is None
    clock.now += 60
    assert live.verdict is not None
    live.prove(2, 1, better=False)
    for _ in range(10):
        live.add(evidence(2, 1, -0.4))
    assert live.verdict is not None
    assert live.verdict.harm
