"""Paces keep to their rate, and follow what the readers manage."""

from __future__ import annotations

import pytest

from streamproc.simulator.pacing import FixedRate, FollowBacklog


def test_a_fixed_rate_is_kept_over_uneven_ticks() -> None:
    pace = FixedRate(rate=333)
    now, sent = 0.0, 0
    for tick in range(1_000):
        now += 0.003 if tick % 2 else 0.017
        sent += pace.due(now, waiting=10_000)
    assert sent == pytest.approx(333 * (now - 0.017), abs=2)


def test_a_pause_is_not_made_up_for_in_a_burst() -> None:
    pace = FixedRate(rate=100)
    pace.due(0.0, 0)
    assert pace.due(60.0, 0) == 25


def served(pace: FollowBacklog, capacity: float, seconds: float) -> tuple[float, float, int]:
    """Run a server of a capacity and a service time of 20 ms; return the rate reached and the mean and most waiting."""
    now, waiting, credit, sent, most = 0.0, 0, 0.0, 0, 0
    waits = []
    while now < seconds:
        now += 0.005
        count = pace.due(now, waiting)
        sent += count * (now > seconds / 2)
        waiting += count
        most = max(most, waiting)
        credit = min(credit + capacity * 0.005, capacity * 0.02)
        done = min(int(credit), waiting)
        credit -= done
        waiting -= done
        waits.append(waiting)
    return sent / (seconds / 2), sum(waits[len(waits) // 2 :]) / (len(waits) / 2), most


def test_a_fast_reader_gets_the_ceiling() -> None:
    rate, _, _ = served(FollowBacklog(ceiling=1_500), capacity=10_000, seconds=20)
    assert rate == pytest.approx(1_500, rel=0.05)


@pytest.mark.parametrize("capacity", [60, 300, 900])
def test_a_slow_reader_is_used_well_without_a_queue(capacity: int) -> None:
    rate, waiting, most = served(FollowBacklog(ceiling=2_000), capacity=capacity, seconds=40)
    assert 0.7 * capacity < rate <= 1.01 * capacity
    assert waiting < 0.2 * capacity + 50
    assert most <= 400


def test_a_dead_reader_stops_the_sender() -> None:
    pace = FollowBacklog(ceiling=2_000, limit=50)
    assert sum(pace.due(tick / 100, waiting=50) for tick in range(1_000)) == 0
