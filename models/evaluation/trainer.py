"""The trainer in line: what its process does with examples, between two events, at its production cadence."""

from __future__ import annotations

from typing import Protocol

from models.base import BaseParameters
from models.recommender import Recommender
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

    def snapshot(self, version: int) -> BaseParameters:
        """The version to publish."""
        ...


class InlineTrainer:
    """Feeds a recommender's examples to a learner and has its versions served when they are due.

    Parameters
    ----------
    meta : make meta-updates, every `META_EVERY` examples.
    """

    def __init__(self, recommender: Recommender, learner: Learner, meta: bool = True) -> None:
        self.versions = 0
        """Published so far."""
        self._recommender = recommender
        self._learner = learner
        self._meta = meta
        self._examples = 0
        self._first = recommender.base.version

    def take(self, example: TrainingExample | None) -> None:
        """Learn from the example of an event; None where it left none."""
        if example is None:
            return
        learner = self._learner
        self._examples += 1
        if self._examples % MOMENTS_EVERY == 0 and (moments := self._recommender.take_moments()):
            learner.merge(moments)
        learner.observe(example)
        if self._meta and self._examples % META_EVERY == 0:
            learner.meta_update()
        if learner.due:
            self.versions += 1
            self._recommender.swap(learner.snapshot(self._first + self.versions))
