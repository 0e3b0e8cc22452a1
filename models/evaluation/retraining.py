"""What most shops do instead of learning online: train a new model on what is kept, every so often."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from models.base import BaseParameters
from models.learner import BaseLearner
from schemas.training import Moments, TrainingExample

EVERY = 10_000
KEPT = 40_000


class RetrainedLearner:
    """Full periodic retraining: forgets its model and learns the examples kept from the start, in their order.

    The first models come after `every` / 16, / 8, / 4 and / 2 examples, so that a short stream is not lost to waiting.

    Parameters
    ----------
    fresh : makes the learner that is trained.
    every : examples between two models.
    kept : newest examples that a model is trained on.
    """

    def __init__(self, fresh: Callable[[], BaseLearner], every: int = EVERY, kept: int = KEPT) -> None:
        self._fresh = fresh
        self._every = every
        self._next = max(every // 16, 1)
        self._seen = 0
        self._examples: deque[TrainingExample] = deque(maxlen=kept)
        self._moments: list[Moments] = []
        self._served: list[BaseParameters] = []

    @property
    def due(self) -> bool:
        """Whether it is time for a new model."""
        return self._seen >= self._next

    def observe(self, example: TrainingExample) -> bool:
        """Keep an example."""
        self._seen += 1
        self._examples.append(example)
        return True

    def merge(self, moments: Moments) -> bool:
        """Keep moments of the raw features."""
        self._moments.append(moments)
        return True

    def meta_update(self) -> None:
        """Nothing: a retrained model has no inner loop to tune."""

    def hasten(self) -> None:
        """Nothing: it is trained when its time has come."""

    def snapshot(self, version: int) -> BaseParameters:
        """Train a new model."""
        learner = self._fresh()
        for parameters in self._served:
            learner.know(parameters)  # their examples are to be read in their scalers
        for moments in self._moments:
            learner.merge(moments)
        for example in self._examples:
            learner.observe(example)
        trained = learner.snapshot(version)
        self._served.append(trained)
        self._next += min(self._next, self._every)
        return trained
