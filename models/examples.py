"""What one event teaches the shared base: the compact training example that a worker makes of it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.base import BaseParameters
from models.features import LAYOUT, F
from models.interaction import Interaction
from models.jit import kernel
from models.knowledge.arrays import spread
from models.rank import by_feature
from schemas.training import FEATURE_SCALE, Moments, TrainingExample

Floats = NDArray[np.float32]

NEGATIVES = 16


def example(
    base: BaseParameters, event: Interaction, x: Floats, shares: Floats, row: int, seed: int, source: tuple[int, int]
) -> TrainingExample | None:
    """The compact example of an event: its item and 16 negatives, half uniform, half drawn from the served softmax.

    Negatives are drawn with replacement; the correction -log(m q) makes the sampled softmax an unbiased estimate of
    the whole one (Bengio and Senecal 2008). None where there was nothing to choose from.

    Parameters
    ----------
    x : float32[n, F], standardised.
    shares : float32[n], the served softmax.
    seed : of the draw, a function of the event.
    """
    if len(shares) < 2:
        return None
    correction = np.zeros(NEGATIVES + 1, np.float32)
    features = np.empty((NEGATIVES + 1, F), np.int8)
    draw(by_feature(x), shares, row, np.uint64(seed), correction, features)
    return TrainingExample(
        layout=LAYOUT,
        event_type=int(event.event_type),
        user=event.user,
        timestamp_ms=event.timestamp_ms,
        base_version=base.version,
        partition=source[0],
        offset=source[1],
        correction=correction.astype(np.float16),
        features=features,
    )


@kernel
def draw(x, shares, row, seed, correction, features):
    """Fill `correction` and `features` with the positive and the negatives drawn from x[F, n].

    Draw number i takes the point (i + u_i) / m of the proposal's distribution function: stratified, so that no part of
    the candidates is left out by chance.
    """
    n = len(shares)
    total = np.float64(1e-12)
    for i in range(n):
        if i != row:
            total += shares[i]
    for f in range(len(x)):
        features[0, f] = np.int8(np.rint(x[f, row] * np.float32(FEATURE_SCALE)))
    drawn = len(correction) - 1
    passed = 0.0
    at = -1
    share = 0.0
    for i in range(drawn):
        seed = spread(seed + np.uint64(0x9E3779B97F4A7C15))
        point = (i + np.float64(seed >> np.uint64(11)) / 9007199254740992.0) / drawn
        while at < 0 or (passed < point and at < n - 1):
            at += 1
            share = 0.0 if at == row else 0.5 * shares[at] / total + 0.5 / (n - 1)
            passed += share
        if share == 0.0:  # rounding left the last point behind the positive at the end of the list
            at = n - 2
            share = 0.5 * shares[at] / total + 0.5 / (n - 1)
        correction[i + 1] = -np.log(drawn * share)
        for f in range(len(x)):
            features[i + 1, f] = np.int8(np.rint(x[f, at] * np.float32(FEATURE_SCALE)))


def seed_of(event: Interaction, events: int) -> int:
    """Seed of everything drawn at an event."""
    return int(spread(np.uint64((event.user ^ (event.timestamp_ms * 0x9E3779B97F4A7C15) ^ events) & (2**64 - 1))))


class RunningMoments:
    """Moments of the raw candidate features since they were last taken (Chan, Golub and LeVeque 1979)."""

    def __init__(self) -> None:
        self._count = 0
        self._sum = np.zeros(F)
        self._squares = np.zeros(F)

    def add(self, raw: Floats) -> None:
        """Add rows `[n, F]`."""
        self._count += len(raw)
        add_moments(by_feature(raw), self._sum, self._squares)

    def take(self) -> Moments | None:
        """The moments, which start anew; None where there are none."""
        if self._count == 0:
            return None
        mean = self._sum / self._count
        moments = Moments(LAYOUT, float(self._count), mean, np.maximum(self._squares - self._count * mean**2, 0.0))
        self._count = 0
        self._sum[:] = 0
        self._squares[:] = 0
        return moments


@kernel
def add_moments(raw, total, squares):
    """Add the sums of the rows of raw[F, n], and those of their squares, in float64."""
    for f in range(len(raw)):
        once, twice = 0.0, 0.0
        for i in range(raw.shape[1]):
            value = np.float64(raw[f, i])
            once += value
            twice += value * value
        total[f] += once
        squares[f] += twice
