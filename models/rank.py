"""Second stage: the ranker as numba kernels, for about 250 candidates at a time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.base import BaseParameters
from models.features import FEATURES, F
from models.jit import kernel

Floats = NDArray[np.float32]
PERSONAL = np.array([feature.personal for feature in FEATURES])


class Ranker:
    """Scores raw feature rows with one version of the base.

    Attributes
    ----------
    base : the parameters served.
    """

    def __init__(self, base: BaseParameters) -> None:
        self.base = base
        self._inverse = (1.0 / base.std).astype(np.float32)
        self._w1 = np.ascontiguousarray(base.w1.T)
        self._w2 = np.ascontiguousarray(base.w2.T)

    def standardise(self, raw: Floats) -> Floats:
        """Raw features `[n, F]` as the net takes them: standardised and clipped to +-6."""
        x: Floats = np.empty_like(raw)
        scale(raw, self.base.mean, self._inverse, x)
        return x

    def score(self, x: Floats) -> tuple[Floats, Floats]:
        """Scores `[n]` without fast weights, and the head's inputs `[n, F + H2]`: x and the last hidden layer."""
        base = self.base
        inputs = np.empty((len(x), F + len(base.out)), np.float32)
        scores = np.empty(len(x), np.float32)
        forward(x, self._w1, base.b1, self._w2, base.b2, base.skip, base.out, inputs, scores)
        return scores, inputs

    def score_unadapted(self, x: Floats) -> Floats:
        """Scores `[n]` of the same candidates to somebody of whom nothing is known."""
        return self.score(np.where(PERSONAL, np.float32(0), x))[0]


def softmax(scores: Floats) -> Floats:
    """Probabilities `[n]` of scores `[n]`."""
    shares: Floats = np.empty(len(scores), np.float32)
    exponentiate(scores, shares)
    return shares


def top(scores: Floats, k: int) -> NDArray[np.int64]:
    """Positions of the k highest scores, best first; of equal scores the earlier position."""
    best: NDArray[np.int64] = np.empty(min(k, len(scores)), np.int64)
    highest(scores, best)
    return best


@kernel
def exponentiate(scores, shares):
    """Fill `shares` with the softmax of `scores`."""
    most = np.float32(-np.inf)
    for score in scores:
        most = max(most, score)
    total = np.float32(0)
    for i in range(len(scores)):
        shares[i] = np.exp(scores[i] - most)
        total += shares[i]
    for i in range(len(scores)):
        shares[i] /= total


@kernel
def highest(scores, best):
    """Fill `best` by insertion: most candidates fail at the first comparison."""
    k = len(best)
    for i in range(len(scores)):
        if i >= k and scores[i] <= scores[best[k - 1]]:
            continue
        at = min(i, k - 1)
        while at > 0 and scores[best[at - 1]] < scores[i]:
            best[at] = best[at - 1]
            at -= 1
        best[at] = i


@kernel
def scale(raw, mean, inverse, x):
    """Standardise and clip."""
    for i in range(raw.shape[0]):
        for f in range(raw.shape[1]):
            value = (raw[i, f] - mean[f]) * inverse[f]
            x[i, f] = min(max(value, np.float32(-6.0)), np.float32(6.0))


@kernel
def forward(x, w1, b1, w2, b2, skip, out, inputs, scores):
    """The net on rows `x`; `w1` is [F, H1] and `w2` [H1, H2].

    Blocks of 128 rows: below the size from which BLAS wakes other threads, whose start costs more than they save.
    """
    features = x.shape[1]
    for start in range(0, x.shape[0], 128):
        block = x[start : start + 128]
        h1 = np.dot(block, w1)
        for i in range(h1.shape[0]):
            for h in range(h1.shape[1]):
                value = h1[i, h] + b1[h]
                h1[i, h] = max(value, np.float32(0.01) * value)
        h2 = np.dot(h1, w2)
        linear = np.dot(block, skip)
        for i in range(h2.shape[0]):
            score = linear[i]
            row = inputs[start + i]
            for f in range(features):
                row[f] = block[i, f]
            for h in range(h2.shape[1]):
                value = h2[i, h] + b2[h]
                value = max(value, np.float32(0.01) * value)
                row[features + h] = value
                score += value * out[h]
            scores[start + i] = score
