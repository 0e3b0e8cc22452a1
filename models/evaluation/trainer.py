"""The trainer in line: what its process does with examples, between two events, at its production cadence."""

from __future__ import annotations

from typing import Protocol

from models.base import BaseParameters
from models.drift import Alarm
from models.lists import Learned
from models.recommender import Recommender
from models.trigger import Trigger
from schemas.training import Moments, TrainingExample

META_EVERY = 10_000
"""Examples between meta-updates: ten minutes, the trainer's timer, of a shop with 17 events a second."""

MOMENTS_EVERY = 500
"""Examples between two reports of moments, as in the worker."""


class Learner(Protocol):
    """What the evaluation needs of the base learner."""

    @property
    def due(self) -> bool:
        """Whether a version should be published."""
        ...

    def observe(self, example: TrainingExample) -> bool:
        """Learn from an example."""
        ...

    def merge(self, moments: Moments) -> bool:
        """Take moments of the raw features."""
        ...

    def meta_update(self) -> object:
        """Learn where users start and how fast they adapt."""
        ...

    def hasten(self) -> None:
        """Have versions follow each other quickly for a while."""
        ...

    def snapshot(self, version: int) -> BaseParameters:
        """The version to publish."""
        ...


class InlineTrainer:
    """Feeds a recommender's examples to a learner and has its versions served when they are due.

    Parameters
    ----------
    meta : make meta-updates, every `META_EVERY` examples and when the drift trigger is raised.
    """

    def __init__(self, recommender: Recommender, learner: Learner, meta: bool = True) -> None:
        self.versions = 0
        """Published so far."""
        self._recommender = recommender
        self._learner = learner
        self._meta = meta
        self._trigger = Trigger()
        self._examples = 0
        self._first = recommender.base.version

    def take(self, learned: Learned) -> Alarm | None:
        """Take what an event told: watch for drift, and learn from its example where it left one.

        Returns the alarm, if one was raised: whoever teaches the item knowledge discounts it.
        """
        alarm = self._trigger.update(learned.promise, learned.rank is not None, learned.popularity_rank is not None)
        drifted = self._meta and alarm is not None
        if learned.example is not None:
            self._learn(learned.example)
        if drifted:
            self._learner.hasten()
        if drifted or (self._meta and learned.example is not None and self._examples % META_EVERY == 0):
            self._learner.meta_update()
        if drifted or self._learner.due:
            self.versions += 1
            self._recommender.swap(self._learner.snapshot(self._first + self.versions))
        return alarm

    def _learn(self, example: TrainingExample) -> None:
        self._examples += 1
        if self._examples % MOMENTS_EVERY == 0 and (moments := self._recommender.take_moments()):
            self._learner.merge(moments)
        self._learner.observe(example)
