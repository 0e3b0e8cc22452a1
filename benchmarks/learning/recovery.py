"""A simulated shop whose world changes at one event: how soon lists are as good as a model of the new world makes them.

What can be attained is measured on the same events by a shop of its own, items, users and base, that has learned as
many events of the new world as the others of the old one: another course of it, which ends when that of the others
changes. What a base alone can do is measured by an arm that takes over that base, and nothing else, at the change.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.learning.swaps import Shop, as_interaction
from models.base import BaseParameters, initial_parameters
from models.drift import Alarm
from models.evaluation.trainer import InlineTrainer
from models.interaction import Interaction
from models.learner import BaseLearner
from models.recommender import Recommender, RecommenderConfig
from models.trigger import kept
from streamproc.simulator.config import DriftKind, WorldConfig
from streamproc.simulator.world import World

USERS = 200
CHANGE_AT, AFTER = 8_000, 5_000  # events
BLOCK = 500  # events
BACK = 0.9  # of what can be attained
SEEDS, QUICK_SEEDS = 5, 2
WHOLE, NEW_BASE, ATTAINABLE = "whole system", "base of the new world", "attainable"

_ELSEWHERE = 1_000_000  # version number that no arm gives

Hits = NDArray[np.bool_]


class _NoMetaUpdates(BaseLearner):
    """Hastens its refreshes at an alarm, and makes no meta-updates."""

    def meta_update(self, *_: object) -> None:  # type: ignore[override]
        """Nothing."""


_NOT_ADAPTED = RecommenderConfig(fast_weights=False, worker_delta=False)
ARMS: dict[str, tuple[type[BaseLearner], RecommenderConfig | None]] = {
    WHOLE: (BaseLearner, None),
    "no meta-update": (_NoMetaUpdates, None),
    "no fast weights": (BaseLearner, _NOT_ADAPTED),
    "neither": (_NoMetaUpdates, _NOT_ADAPTED),
    NEW_BASE: (BaseLearner, None),
}


class _Arm:
    """A shop with its trainer in line, and what became of its lists."""

    def __init__(self, learner: type[BaseLearner], config: RecommenderConfig | None, like: Recommender | None) -> None:
        base = initial_parameters()
        self._shop = Shop(base, like, config)
        self._learner = learner(base)
        self._trainer = InlineTrainer(self._shop.recommender, self._learner)
        self.recommender = self._shop.recommender
        self.hits: list[bool] = []
        self.alarms: list[int] = []
        self.versions: list[int] = []

    def adopt(self, base: BaseParameters) -> None:
        """Serve a base that was learned elsewhere, and go on from it."""
        base = replace(base, version=_ELSEWHERE)
        self._learner.adopt(base)
        self.recommender.swap(base)

    def test(self, event: Interaction) -> Alarm | None:
        """Score the list of 20 before the event, then learn, but for the item knowledge; returns the alarm, if any."""
        learned = self._shop.learn(event)
        number, published = len(self.hits), self._trainer.versions
        if alarm := self._trainer.take(learned):
            self.alarms.append(number)
        if self._trainer.versions > published:
            self.versions.append(number)
        self.hits.append(learned.rank is not None)
        return alarm


@dataclass(frozen=True)
class Course:
    """What an arm did after the change; events count from there.

    Attributes
    ----------
    before : hit rate over the block before the change.
    hits : of each event.
    alarm, served : the first alarm, and the first version served from then on.
    """

    before: float
    hits: Hits
    alarm: int | None
    served: int | None

    @classmethod
    def of(cls, arm: _Arm) -> Course:
        """The course of an arm that has seen the change."""
        alarm = next((at for at in arm.alarms if at >= CHANGE_AT), None)
        served = None if alarm is None else next((at for at in arm.versions if at >= alarm), None)
        hits = np.array(arm.hits)
        after = (None if at is None else at - CHANGE_AT for at in (alarm, served))
        return cls(float(hits[CHANGE_AT - BLOCK : CHANGE_AT].mean()), hits[CHANGE_AT:], *after)


def recovery(hits: Hits, attainable: Hits, since: int | None) -> int | None:
    """Events from `since` to the end of the first block that has 90 % of the hits that can be attained in it.

    >>> lost, all_hit = np.arange(2_000) >= 1_200, np.ones(2_000, bool)
    >>> recovery(lost, all_hit, since=200), recovery(lost, all_hit, since=250), recovery(~all_hit, all_hit, since=0)
    (1500, 1500, None)
    """
    if since is None:
        return None
    for end in range(since + BLOCK, len(hits) + 1, BLOCK):
        block = slice(end - BLOCK, end)
        if hits[block].sum() >= BACK * attainable[block].sum():
            return end - since
    return None


def run(seed: int) -> tuple[dict[str, Course], Hits]:
    """Every arm's course in one world, and the hits that can be attained in it."""
    config = WorldConfig(
        users=USERS,
        drift=DriftKind.SUDDEN,
        drift_at=CHANGE_AT,
        feedback_share=0.0,
        new_items_per_1000=0.0,
        new_users_per_1000=0.0,
    )
    world = World(config, seed)
    events = [as_interaction(world.step()) for _ in range(CHANGE_AT + 1)]  # the world changes with the last of them
    other = world.fork(seed=seed + 1_000)
    events += [as_interaction(world.step()) for _ in range(AFTER - 1)]
    old, new = events[:CHANGE_AT], events[CHANGE_AT:]

    attainable = _Arm(BaseLearner, None, like=None)
    _learn([attainable], _ending([as_interaction(other.step()) for _ in old], new[0].timestamp_ms))
    learned = attainable.recommender.base
    _learn([attainable], new)

    whole = _Arm(*ARMS[WHOLE], like=None)
    arms = {name: whole if name == WHOLE else _Arm(*kind, like=whole.recommender) for name, kind in ARMS.items()}
    _learn(list(arms.values()), old)
    arms[NEW_BASE].adopt(learned)
    _learn(list(arms.values()), new)
    return {name: Course.of(arm) for name, arm in arms.items()}, np.array(attainable.hits[CHANGE_AT:])


def _ending(events: Sequence[Interaction], at_ms: int) -> list[Interaction]:
    """The same events, moved in time, so that the last one comes then."""
    earlier = events[-1].timestamp_ms - at_ms
    return [replace(event, timestamp_ms=event.timestamp_ms - earlier) for event in events]


def _learn(arms: Sequence[_Arm], events: Sequence[Interaction]) -> None:
    for event in events:
        alarm, *_ = [arm.test(event) for arm in arms]
        arms[0].recommender.observe(event)
        if alarm:  # raised on the lists of the arm whose knowledge all share
            arms[0].recommender.discount(kept(alarm.before, alarm.after))


def measure(quick: bool) -> dict[str, Any]:
    """Medians over the seeds, with the lowest and the highest; hit rates are over blocks of 500 events."""
    runs = [run(seed) for seed in range(1, 1 + (QUICK_SEEDS if quick else SEEDS))]
    arms = {name: _figures(name, runs) for name in ARMS}
    return {
        "recovery_events": {name: arm["recovery_events"]["median"] for name, arm in arms.items()},
        "recovery_events_of_the_base": {
            name: arm["recovery_events_of_the_base"]["median"] for name, arm in arms.items()
        },
        "recovery": {
            "seeds": len(runs),
            "block_events": BLOCK,
            "arms": arms,
            ATTAINABLE: _curve([attainable for _, attainable in runs]),
        },
    }


def _figures(name: str, runs: Sequence[tuple[dict[str, Course], Hits]]) -> dict[str, Any]:
    courses = [arms[name] for arms, _ in runs]
    served = [course.served for course in courses]
    hits = [course.hits for course in courses]
    whole, base = [attainable for _, attainable in runs], [arms[NEW_BASE].hits for arms, _ in runs]
    return {
        "before": median(course.before for course in courses),
        "curve": _curve(hits),
        "alarm_event": _spread([course.alarm for course in courses]),
        "served_event": _spread(served),
        "recovery_events": _spread(list(map(recovery, hits, whole, served))),
        "recovery_events_of_the_base": _spread(list(map(recovery, hits, base, served))),
    }


def _curve(runs: Sequence[Hits]) -> list[dict[str, float]]:
    rates = np.array(runs).reshape(len(runs), -1, BLOCK).mean(axis=2)
    return [
        {"median": float(np.median(block)), "lowest": float(block.min()), "highest": float(block.max())}
        for block in rates.T
    ]


def _spread(events: Sequence[int | None]) -> dict[str, float | None]:
    """Median, lowest and highest of numbers of events, where None is never."""
    known = [np.inf if each is None else each for each in events]
    found = {"median": median(known), "lowest": min(known), "highest": max(known)}
    return {name: None if value == np.inf else float(value) for name, value in found.items()}
