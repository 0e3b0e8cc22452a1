"""False alarms and delays of the drift trigger, seeded."""

from __future__ import annotations

import math
from collections.abc import Callable
from statistics import median

import numpy as np
import pytest

from models.drift import Alarm
from models.trigger import WARM_UP, Trigger

Course = Callable[[np.ndarray], np.ndarray]  # of event numbers


def steady(t: np.ndarray) -> np.ndarray:
    return np.zeros(len(t))


def watch(
    events: int,
    seed: int = 0,
    kept: Course = lambda t: np.full(len(t), 0.95),
    season: Course = steady,
    promised: tuple[float, float] = (7.0, 2.0),
    overstated: float = 1.0,
) -> list[tuple[int, Alarm]]:
    """Alarms where promises, Beta(*promised)-distributed and then overstated, are kept with probability kept(t).

    A season is added to the hit rates of model and baseline.
    """
    rng, t, trigger = np.random.default_rng(seed), np.arange(events), Trigger()
    promises = rng.beta(*promised, events)
    model = rng.random(events) < promises * kept(t) + season(t)
    baseline = rng.random(events) < 0.17 + season(t)
    told = (np.minimum(promises * overstated, 1.0)).tolist()
    raised = map(trigger.update, told, model.tolist(), baseline.tolist())
    return [(at, alarm) for at, alarm in enumerate(raised) if alarm]


def falls(at: int, to: float) -> Course:
    return lambda t: np.where(t < at, 0.95, 0.95 * to)


def swings(period: int) -> Course:
    return lambda t: 0.05 * np.sin(2 * math.pi * t / period)


@pytest.mark.slow
@pytest.mark.parametrize("season", [steady, swings(100_000), swings(5_000)], ids=["calm", "slow", "fast"])
def test_false_alarms_are_rarer_than_one_in_200_000_events_whatever_the_season(season: Course) -> None:
    assert len(watch(400_000, season=season)) <= 1


@pytest.mark.parametrize("overstated", [1.0, 1.3])
def test_a_tenth_of_the_hits_is_noticed_within_600_events_where_promises_are_strong(overstated: float) -> None:
    delays = []
    for seed in range(7):
        alarms = watch(23_000, seed, kept=falls(20_000, 0.9), overstated=overstated)
        ((at, alarm), *_) = ((at, alarm) for at, alarm in alarms if at >= 20_000)
        delays.append(at - 20_000)
        assert 0 < alarm.window < 3_000
        assert alarm.after < alarm.before
    assert median(delays) <= 600


def test_a_tenth_that_goes_over_20_000_events_is_mostly_noticed_before_half_of_it_has_gone() -> None:
    def goes(t: np.ndarray) -> np.ndarray:
        return 0.95 * (1 - 0.1 * np.clip((t - 20_000) / 20_000, 0, 1))

    raised = [watch(29_200, seed, kept=goes) for seed in range(8)]
    assert not [at for alarms in raised for at, _ in alarms if at < 20_000]
    assert sum(map(bool, raised)) >= 6
    assert {alarm.name for alarms in raised for _, alarm in alarms} >= {"kept_promises_slowly"}


def test_the_alarm_tells_what_was_expected_and_what_was_got() -> None:
    ((_, alarm),) = watch(13_000, kept=falls(12_000, 0.6))
    expected = 7 / 9 * 0.95
    assert alarm.before == pytest.approx(expected, abs=0.06)
    assert alarm.after == pytest.approx(expected * 0.6, abs=0.12)


def test_a_gain_triggers_nothing() -> None:
    assert watch(12_000, kept=falls(8_000, 1.05)) == []


def test_a_model_that_is_less_sure_since_it_lost_hits_is_noticed() -> None:
    rng, trigger = np.random.default_rng(3), Trigger()
    alarms = []
    for t in range(10_000):
        promise = rng.beta(*((7, 2) if t < 8_000 else (6, 4)))
        if alarm := trigger.update(promise, bool(rng.random() < promise), bool(rng.random() < 0.2)):
            alarms.append((t, alarm))
    ((at, alarm),) = alarms
    assert 8_000 < at < 8_500
    assert alarm.name == "relative_hit_rate"


def test_hits_that_the_baseline_loses_on_the_same_events_are_not_missed() -> None:
    rng, trigger = np.random.default_rng(4), Trigger()
    for t in range(16_000):
        lost = rng.random() < (0.05 if t % 4_000 > 2_000 else 0.0)
        promise = rng.beta(7, 2)
        hits = bool(rng.random() < promise) and not lost, bool(rng.random() < 0.5) and not lost
        assert trigger.update(promise, *hits) is None


def test_after_an_alarm_the_new_world_is_learned_before_the_next() -> None:
    alarms = watch(20_000, kept=lambda t: np.select([t < 8_000, t < 8_500, t < 14_000], [0.95, 0.6, 0.4], 0.2))
    (first, second) = (at for at, _ in alarms)
    assert 8_000 < first < 8_200
    assert 14_000 < second < 14_500
    assert second - first > WARM_UP


def test_lists_that_promise_nothing_and_keep_it_are_no_news() -> None:
    trigger = Trigger()
    assert [trigger.update(0.0, False, False) for _ in range(30_000)] == [None] * 30_000
