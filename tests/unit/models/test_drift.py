"""False alarms and delays of the raw evidence, seeded."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from models.drift import Alarm, DriftMonitor, Outcome


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
    assert evidence(0, 200_000, lambda _: 0.4, popular) == []


@pytest.mark.parametrize(("before", "after"), [(0.25, 0.45), (0.45, 0.25)])
def test_a_gain_and_a_loss_of_hits_are_told(before: float, after: float) -> None:
    ((at, alarm), *_) = evidence(2, 6_000, lambda t: before if t < 3_000 else after, popular)
    assert (alarm.name, alarm.kind) == ("hit_rate", "evidence")
    assert 3_000 < at < 4_000
    assert (alarm.before < alarm.after) == (before < after)


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
