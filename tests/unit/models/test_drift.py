"""False alarms and delays of the detectors, seeded."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

import pytest

from models.drift import Alarm, DriftMonitor, Outcome, Trigger


def hits(rng: random.Random, model: float, baseline: float) -> tuple[bool, bool]:
    """Hits of the model and the baseline at these rates, a third of them drawn together."""
    draw = rng.random()
    return draw < model, (draw if rng.random() < 1 / 3 else rng.random()) < baseline


def triggers(
    seed: int, events: int, rates: Callable[[int], tuple[float, float]], holdoff: int = 500
) -> list[tuple[int, Alarm]]:
    """Alarms on hits drawn at rates(t) = (model, baseline)."""
    rng, trigger = random.Random(seed), Trigger(holdoff=holdoff)
    raised = ((t, trigger.update(*hits(rng, *rates(t)))) for t in range(events))
    return [(t, alarm) for t, alarm in raised if alarm]


def evidence(
    seed: int, events: int, rate: Callable[[int], float], item: Callable[[random.Random, int], int]
) -> list[tuple[int, Alarm]]:
    """Alarms on a worker's outcomes, its model's hits drawn at rate(t)."""
    rng, monitor, alarms = random.Random(seed), DriftMonitor(), []
    for t in range(events):
        outcome = Outcome(rng.random() < rate(t), True, rng.random() < 0.02, item(rng, t), rng.expovariate(0.3))
        alarms += [(t, alarm) for alarm in monitor.update(outcome)]
    return alarms


def popular(rng: random.Random, _: int) -> int:
    return int(rng.paretovariate(1.1))


@pytest.mark.slow
def test_no_alarm_in_200_000_stationary_events() -> None:
    assert triggers(0, 200_000, lambda _: (0.4, 0.2)) == []
    assert evidence(0, 200_000, lambda _: 0.4, popular) == []


def test_a_season_common_to_both_triggers_nothing() -> None:
    def season(t: int) -> tuple[float, float]:
        swing = 0.05 * math.sin(2 * math.pi * t / 20_000)
        return 0.4 + swing, 0.2 + swing

    assert triggers(1, 60_000, season) == []


def test_a_sudden_loss_is_caught_within_a_few_hundred_events() -> None:
    delays = []
    for seed in range(5):
        ((at, alarm),) = triggers(seed, 4_000, lambda t: (0.4 if t < 3_000 else 0.25, 0.2))
        delays.append(at - 3_000)
        assert alarm.before < alarm.after
        assert alarm.window > 0
    assert 0 < sorted(delays)[2] <= 500


def test_a_gain_triggers_nothing_and_shows_as_evidence() -> None:
    assert triggers(2, 6_000, lambda t: (0.25 if t < 3_000 else 0.45, 0.2)) == []
    alarms = evidence(2, 6_000, lambda t: 0.25 if t < 3_000 else 0.45, popular)
    assert {(alarm.name, alarm.kind) for _, alarm in alarms} == {("hit_rate", "evidence")}


def test_a_trigger_is_not_repeated_within_the_holdoff() -> None:
    falls = triggers(3, 6_000, lambda t: (0.8 if t < 1_000 else 0.4 if t < 1_500 else 0.1, 0.0), holdoff=2_000)
    assert len(falls) == 1


def test_a_changed_catalogue_shows_in_the_popularity_histogram() -> None:
    alarms = evidence(4, 8_000, lambda _: 0.4, lambda rng, t: popular(rng, t) + (7 if t >= 4_000 else 0))
    names = {(alarm.name, alarm.kind) for _, alarm in alarms}
    assert names == {("popularity", "evidence")}
    assert all(4_000 <= t <= 6_000 for t, _ in alarms)


def test_falling_recall_and_new_items_are_told_apart() -> None:
    rng, monitor, names = random.Random(5), DriftMonitor(), set()
    for t in range(6_000):
        flood = t >= 3_000 and rng.random() < 0.3
        outcome = Outcome(False, not flood and rng.random() < 0.8, flood, popular(rng, t), None)
        names |= {alarm.name for alarm in monitor.update(outcome)}
    assert {"new_item_share", "candidate_recall"} <= names
    assert "log_loss" not in names
