"""False alarms and delays of the raw evidence, seeded."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from river.drift import ADWIN

from models.drift import Alarm, DriftConfig, DriftMonitor, Outcome


def evidence(
    seed: int, events: int, rate: Callable[[int], float], item: Callable[[random.Random, int], int]
) -> list[tuple[int, Alarm]]:
    """Alarms on a worker's outcomes, its model's hits drawn at rate(t)."""
    rng, monitor, alarms = random.Random(seed), DriftMonitor(), []
    for t in range(events):
        outcome = Outcome(rng.random() < rate(t), True, rng.random() < 0.02, item(rng, t), rng.expovariate(0.3))
        alarms += [(t, alarm) for alarm in monitor.update(outcome)]
    return alarms


def test_what_an_alarm_tells_is_what_adwin_dropped_and_kept_at_every_cut() -> None:
    rng, monitor, adwin, told = random.Random(5), DriftMonitor(), ADWIN(delta=DriftConfig().delta), []
    for t in range(9_000):
        hit = rng.random() < (0.2, 0.6, 0.3)[t // 3_000]
        total, width = adwin.total + hit, adwin.width + 1
        adwin.update(float(hit))
        alarms = [each for each in monitor.update(Outcome(hit, True, False, 0)) if each.name == "hit_rate"]
        if not adwin.drift_detected:  # at the next event River's ADWIN begins anew: it drops all, and that is no alarm
            assert not alarms
            continue
        ((before, after, window),) = [(each.before, each.after, each.window) for each in alarms]
        assert window == adwin.width
        assert after == pytest.approx(adwin.total / adwin.width)
        assert before == pytest.approx((total - adwin.total) / (width - adwin.width))
        told.append(t)
    assert len(told) > 1, "after an alarm, too"


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
