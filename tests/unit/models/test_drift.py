"""False alarms and delays of the detectors, seeded."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

import pytest

from models.drift import Alarm, DriftConfig, DriftMonitor, Outcome


def watch(
    seed: int, events: int, rates: Callable[[int], tuple[float, float]], item: Callable[[random.Random, int], int]
) -> list[tuple[int, Alarm]]:
    """Alarms on hits drawn at rates(t) = (model, baseline), a third of them drawn together."""
    rng, monitor, alarms = random.Random(seed), DriftMonitor(), []
    for t in range(events):
        model, baseline = rates(t)
        draw = rng.random()
        other = draw if rng.random() < 1 / 3 else rng.random()
        outcome = Outcome(draw < model, other < baseline, True, rng.random() < 0.02, item(rng, t), rng.expovariate(0.3))
        alarms += [(t, alarm) for alarm in monitor.update(outcome)]
    return alarms


def popular(rng: random.Random, _: int) -> int:
    return int(rng.paretovariate(1.1))


@pytest.mark.slow
def test_no_trigger_in_200_000_stationary_events() -> None:
    assert watch(0, 200_000, lambda _: (0.4, 0.2), popular) == []


def test_a_season_common_to_both_triggers_nothing() -> None:
    def season(t: int) -> tuple[float, float]:
        swing = 0.05 * math.sin(2 * math.pi * t / 20_000)
        return 0.4 + swing, 0.2 + swing

    alarms = watch(1, 60_000, season, popular)
    assert [alarm for _, alarm in alarms if alarm.kind == "trigger"] == []


def test_a_sudden_loss_is_caught_within_a_few_hundred_events() -> None:
    delays = []
    for seed in range(5):
        alarms = watch(seed, 4_000, lambda t: (0.4 if t < 3_000 else 0.25, 0.2), popular)
        (trigger,) = [(t, alarm) for t, alarm in alarms if alarm.kind == "trigger"]
        delays.append(trigger[0] - 3_000)
        assert trigger[1].before < trigger[1].after
        assert trigger[1].window > 0
    assert 0 < sorted(delays)[2] <= 500


def test_a_gain_triggers_nothing() -> None:
    alarms = watch(2, 6_000, lambda t: (0.25 if t < 3_000 else 0.45, 0.2), popular)
    assert [alarm.kind for _, alarm in alarms] == ["evidence"] * len(alarms)
    assert any(alarm.name == "hit_rate" for _, alarm in alarms)


def test_a_trigger_is_not_repeated_within_the_holdoff() -> None:
    monitor, rng, times = DriftMonitor(DriftConfig(holdoff=2_000)), random.Random(3), []
    for t in range(6_000):
        rate = 0.8 if t < 1_000 else 0.4 if t < 1_500 else 0.1  # falls twice within the holdoff
        outcome = Outcome(rng.random() < rate, False, True, False, 1)
        times += [t for alarm in monitor.update(outcome) if alarm.kind == "trigger"]
    assert len(times) == 1


def test_a_changed_catalogue_shows_in_the_popularity_histogram() -> None:
    alarms = watch(4, 8_000, lambda _: (0.4, 0.2), lambda rng, t: popular(rng, t) + (7 if t >= 4_000 else 0))
    names = {(alarm.name, alarm.kind) for _, alarm in alarms}
    assert names == {("popularity", "evidence")}
    assert all(4_000 <= t <= 6_000 for t, _ in alarms)


def test_falling_recall_and_new_items_are_told_apart() -> None:
    rng, monitor, names = random.Random(5), DriftMonitor(), set()
    for t in range(6_000):
        flood = t >= 3_000 and rng.random() < 0.3
        outcome = Outcome(False, False, not flood and rng.random() < 0.8, flood, popular(rng, t), None)
        names |= {alarm.name for alarm in monitor.update(outcome)}
    assert {"new_item_share", "candidate_recall"} <= names
    assert "log_loss" not in names
