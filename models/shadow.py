"""Versions that run in the shadow of the one that serves: the same candidates of the same users, scored beside it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.base import BaseParameters
from models.rank import Ranker, softmax

Floats = NDArray[np.float32]

BOUND = 0.5
"""Log losses differ by at most so many nats in a comparison: tests of bounded means need a bound, and versions that
follow each other differ by far less."""
EVERY = 2  # events between two comparisons
EAGER = 2_000  # events at first of which each is compared: an untrained ranker must not serve long


class Comparison(NamedTuple):
    """One event on which two versions were compared.

    Attributes
    ----------
    shadow, serving : their numbers.
    gain : by how many nats the shadow foretold the event better, clipped to +-`BOUND`.
    """

    shadow: int
    serving: int
    gain: float


class Shadows:
    """The versions in the shadow, and which events they are compared on."""

    def __init__(self) -> None:
        self._rankers: list[Ranker] = []
        self._events = 0

    def replace(self, bases: Sequence[BaseParameters]) -> None:
        """Put these versions into the shadow, in place of all others."""
        known = {ranker.base.version: ranker for ranker in self._rankers}
        self._rankers = [known.get(base.version) or Ranker(base) for base in bases]

    @property
    def versions(self) -> list[int]:
        """Their numbers."""
        return [ranker.base.version for ranker in self._rankers]

    def compare(self, raw: Floats, row: int, plain: Floats, serving: int) -> tuple[Comparison, ...]:
        """Compare on one event, if its turn has come: the bases alone, since fast weights are fitted to the one served.

        Parameters
        ----------
        raw : features `[n, F]` of the candidates, not standardised.
        row : the candidate that was chosen.
        plain : scores of the version that serves, `serving`, without fast weights.
        """
        self._events += 1
        if not self._rankers or (self._events > EAGER and self._events % EVERY):
            return ()
        served = _log_loss(plain, row)
        compared = []
        for ranker in self._rankers:
            scores, _ = ranker.rank(raw)
            gain = min(max(served - _log_loss(scores, row), -BOUND), BOUND)
            compared.append(Comparison(ranker.base.version, serving, gain))
        return tuple(compared)


def _log_loss(scores: Floats, row: int) -> float:
    return -float(np.log(max(softmax(scores)[row], 1e-12)))
