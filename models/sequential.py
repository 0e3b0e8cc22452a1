"""Anytime-valid tests of a bounded mean by betting (Waudby-Smith and Ramdas 2024, "Estimating means of bounded random
variables by betting").

A gambler bets against the null hypothesis; under it his capital is a nonnegative supermartingale, so the chance that it
ever reaches 1 / alpha is at most alpha (Ville 1939), however often somebody looks. He spreads his stake over a fixed
grid of bets ("diversified Kelly"), which needs no variance and makes the order within a batch of observations matter
only between two looks.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

_GRID = 6


class BettingTest:
    """Evidence that the mean of observations in [-bound, bound] is above `null`.

    Parameters
    ----------
    null : the mean to disprove; above -bound.
    bound : of the observations' size.

    Examples
    --------
    >>> test = BettingTest(null=0.0, bound=0.5)
    >>> test.add([0.1, 0.2, -0.1, 0.2] * 20)
    >>> test.evidence > 20
    True
    >>> test.count
    80
    """

    def __init__(self, null: float, bound: float) -> None:
        if not -bound < null < bound:
            raise ValueError(f"null must lie within +-{bound}, got {null}")
        self._null = null
        self._bets: NDArray[np.float64] = 0.9 / (bound + null) * np.geomspace(0.05, 1.0, _GRID)
        self._capital = np.zeros(_GRID)  # logarithms
        self.count = 0
        self.evidence = 1.0
        """Largest capital at any look so far; 1 / alpha disproves the null at level alpha."""

    def add(self, observations: ArrayLike) -> None:
        """Take observations, then look once."""
        values = np.asarray(observations, np.float64).ravel() - self._null
        self._capital += np.log1p(np.multiply.outer(values, self._bets)).sum(axis=0)
        self.count += len(values)
        highest = self._capital.max()
        capital = float(np.exp(min(highest + np.log(np.exp(self._capital - highest).mean()), 700.0)))
        self.evidence = max(self.evidence, capital)
