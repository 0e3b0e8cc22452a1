"""Second stage: the ranker as numba kernels, for about 250 candidates at a time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.base import BaseParameters, F
from models.features import FEATURES
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
    shares: Floats = np.exp(scores - scores.max())
    shares /= shares.sum()
    return shares


def top(scores: Floats, k: int) -> NDArray[np.int64]:
    """Positions of the k highest scores, best first; of equal scores the earlier position."""
    return np.argsort(-scores, kind="stable")[:k]


@kernel
def scale(raw, mean, inverse, x):
    """Standardise and clip."""
    for i in range(raw.shape[0]):
        for f in range(raw.shape[1]):
            value = (raw[i, f] - mean[f]) * inverse[f]
            x[i, f] = min(max(value, np.float32(-6.0)), np.float32(6.0))


@kernel
def forward(x, w1, b1, w2, b2, skip, out, inputs, scores):
    """The net on rows `x`; `w1` is [F, H1] and `w2` [H1, H2], so that the inner loops run over contiguous units."""
    features = x.shape[1]
    h1 = np.empty(len(b1), np.float32)
    h2 = np.empty(len(b2), np.float32)
    for i in range(x.shape[0]):
        for h in range(len(b1)):
            h1[h] = b1[h]
        score = np.float32(0)
        for f in range(features):
            value = x[i, f]
            inputs[i, f] = value
            score += value * skip[f]
            for h in range(len(b1)):
                h1[h] += value * w1[f, h]
        for h in range(len(b2)):
            h2[h] = b2[h]
        for h in range(len(b1)):
            value = h1[h] if h1[h] > 0 else np.float32(0.01) * h1[h]
            for g in range(len(b2)):
                h2[g] += value * w2[h, g]
        for g in range(len(b2)):
            value = h2[g] if h2[g] > 0 else np.float32(0.01) * h2[g]
            inputs[i, features + g] = value
            score += value * out[g]
        scores[i] = score
