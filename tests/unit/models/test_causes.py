"""Floods are told by name, once, and ordinary traffic raises nothing."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from models.causes import EVENTS, Floods, Traffic
from models.drift import Alarm

ALWAYS = 60_000
FLOOD, END = 10_000, 14_000


def none(_: int) -> float:
    return 0.02


def watch(
    new_items: Callable[[int], float] = none,
    new_users: Callable[[int], float] = none,
    spike: Callable[[int], float] = lambda _: 0.0,
    events: int = END,
) -> list[tuple[int, Alarm]]:
    """Alarms on events in twenties, drawn at these shares."""
    rng, floods, alarms = np.random.default_rng(1), Floods(), []
    for t in range(0, events, 20):
        items = np.where(rng.random(20) < spike(t), 7, rng.zipf(1.3, 20) % 5_000)
        traffic = Traffic(
            tuple(items.tolist()), int(rng.binomial(20, new_items(t))), int(rng.binomial(20, new_users(t)))
        )
        alarms += [(t, alarm) for alarm in floods.update(traffic)]
    return alarms


def flood(t: int) -> float:
    return 0.4 if FLOOD <= t < FLOOD + 2_000 else 0.02


def test_ordinary_traffic_and_a_fresh_start_raise_nothing() -> None:
    assert watch(new_items=lambda t: max(0.02, 1 - t / 3_000), new_users=lambda t: 300 / (300 + t), events=ALWAYS) == []


def test_nothing_is_named_before_it_is_known_what_is_usual() -> None:
    assert watch(new_items=lambda t: 0.6 if t >= 520 else 0.0, events=EVENTS + 400) == []


def test_each_flood_is_named_once_with_its_share() -> None:
    for name, alarms in (
        ("new_items", watch(new_items=flood)),
        ("new_users", watch(new_users=flood)),
        ("item_spike", watch(spike=flood)),
    ):
        ((at, alarm),) = alarms
        assert FLOOD < at < FLOOD + 500
        assert (alarm.name, alarm.kind) == (name, "evidence")
        assert alarm.before < 0.1 < alarm.after


def test_a_second_flood_is_named_again() -> None:
    alarms = watch(new_items=lambda t: 0.4 if t // 3_000 in (2, 4) else 0.02, events=18_000)
    assert [(name, at // 3_000) for at, name in [(at, alarm.name) for at, alarm in alarms]] == [
        ("new_items", 2),
        ("new_items", 4),
    ]


def test_what_stands_out_is_named_as_long_as_it_does() -> None:
    floods = Floods()
    for t in range(0, 4_000, 20):
        floods.update(Traffic(tuple(range(20)), 10 if t >= 3_000 else 0, 0))
    assert floods.names == ("new_items",)
