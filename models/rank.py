"""Second stage: the ranker as numba kernels, for about 250 candidates at a time."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.base import LEAK, BaseParameters, D
from models.features import FEATURES, F
from models.jit import kernel

Floats = NDArray[np.float32]
_SHARED = np.array([at for at, feature in enumerate(FEATURES) if not feature.personal])
_NONE = np.zeros(D, np.float32)


class Scored(NamedTuple):
    """What a version makes of n candidates.

    Attributes
    ----------
    inputs : float32[F + H2, n], the head's: standardised features, and the last hidden layer.
    plain, scores : float32[n], without and with fast weights.
    shares : float32[n], softmax of `scores`.
    best : int64[k], positions of the highest scores, best first; of equal ones the earlier.
    """

    inputs: Floats
    plain: Floats
    scores: Floats
    shares: Floats
    best: NDArray[np.int64]


class Ranker:
    """Scores raw feature rows with one version of the base.

    Attributes
    ----------
    base : the parameters served.
    """

    def __init__(self, base: BaseParameters) -> None:
        self.base = base
        self._inverse = (1.0 / base.std).astype(np.float32)
        # Personal features at their mean, which is zero, add nothing: their part of the net is left out.
        self._shared = np.ascontiguousarray(base.w1[:, _SHARED]), base.skip[_SHARED]

    def score(self, x: Floats) -> tuple[Floats, Floats]:
        """Scores of standardised features `[n, F]` without fast weights, and the head's inputs.

        The head's inputs `[n, F + H2]` are x and the last hidden layer.
        """
        base, inputs, scores = self.base, *self._room(len(x))
        inputs[:F] = by_feature(x)
        forward(base.w1, base.b1, base.w2, base.b2, base.skip, base.out, inputs, scores)
        return scores, inputs.T

    def rank(self, raw: Floats) -> tuple[Floats, Floats]:
        """The same of raw features `[n, F]`, which are standardised and clipped to +-6."""
        base, inputs, scores = self.base, *self._room(len(raw))
        rank(
            by_feature(raw), base.mean, self._inverse, base.w1, base.b1, base.w2, base.b2, base.skip, base.out, inputs,
            scores,
        )  # fmt: skip
        return scores, inputs.T

    def assess(self, raw: Floats, fast: Floats | None, k: int) -> Scored:
        """All of a request's second stage, in one kernel: what Python calls costs as much as a small kernel takes.

        Parameters
        ----------
        raw : float32[n, F].
        fast : [F + H2], added to the head's weights; None: nothing is.
        """
        base, n = self.base, len(raw)
        room, best = np.empty((D + 3, n), np.float32), np.empty(min(k, n), np.int64)
        assess(
            by_feature(raw), base.mean, self._inverse, base.w1, base.b1, base.w2, base.b2, base.skip, base.out,
            fast is not None, _NONE if fast is None else fast, room, best,
        )  # fmt: skip
        return Scored(room[:D], room[D], room[D + 1], room[D + 2], best)

    def _room(self, n: int) -> tuple[Floats, Floats]:
        return np.empty((D, n), np.float32), np.empty(n, np.float32)

    def score_unadapted(self, inputs: Floats) -> Floats:
        """Scores `[n]` to somebody of whom nothing is known; `inputs` of the candidates as in `Scored`."""
        base, (w1, skip) = self.base, self._shared
        scores = np.empty(inputs.shape[1], np.float32)
        score_part(_SHARED, w1, base.b1, base.w2, base.b2, skip, base.out, inputs, scores)
        return scores


def by_feature(rows: Floats) -> Floats:
    """`[n, F]` as `[F, n]`, a contiguous row per feature: what the kernels take; rows made that way are not copied."""
    return np.ascontiguousarray(rows.T)


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
    """Fill `shares` with the softmax of `scores`.

    The sum has a loop of its own: beside the exponentials it would be compiled twice, and the order of its terms, and
    so its last digit, would depend on whether the two arrays happen to be neighbours in memory.
    """
    most = np.float32(-np.inf)
    for score in scores:
        most = max(most, score)
    for i in range(len(scores)):
        shares[i] = np.exp(scores[i] - most)
    total = np.float32(0)
    for share in shares:
        total += share
    for i in range(len(shares)):
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
    """Standardise and clip the rows of raw[F, n], a feature each."""
    for f in range(raw.shape[0]):
        for i in range(raw.shape[1]):
            value = (raw[f, i] - mean[f]) * inverse[f]
            x[f, i] = min(max(value, np.float32(-6.0)), np.float32(6.0))


@kernel
def rank(raw, mean, inverse, w1, b1, w2, b2, skip, out, inputs, scores):
    """Standardise raw[F, n] into the first rows of inputs[F + H2, n], and score it."""
    scale(raw, mean, inverse, inputs)
    forward(w1, b1, w2, b2, skip, out, inputs, scores)


@kernel
def assess(raw, mean, inverse, w1, b1, w2, b2, skip, out, adapted, fast, room, best):
    """Fill room[F + H2 + 3, n], what `Scored` is made of, and `best`."""
    width = len(fast)
    inputs, plain, scores = room[:width], room[width], room[width + 1]
    rank(raw, mean, inverse, w1, b1, w2, b2, skip, out, inputs, plain)
    scores[:] = plain
    if adapted:
        add_weighted(inputs, fast, scores)
    exponentiate(scores, room[width + 2])
    highest(scores, best)


@kernel
def score_part(features, w1, b1, w2, b2, skip, out, inputs, scores):
    """Score by some of the features of inputs[F + H2, n]; w1[H1, len(features)] and skip are those features' alone."""
    part = np.empty((len(features) + len(out), inputs.shape[1]), np.float32)
    for f in range(len(features)):
        part[f] = inputs[features[f]]
    forward(w1, b1, w2, b2, skip, out, part, scores)


@kernel
def forward(w1, b1, w2, b2, skip, out, inputs, scores):
    """The net on x, the first F rows of inputs[F + H2, n]; fills the others and scores[n]."""
    features, n = len(skip), inputs.shape[1]
    x, hidden = inputs[:features], np.empty((len(b1), n), np.float32)
    layer(x, w1, b1, hidden)
    layer(hidden, w2, b2, inputs[features:])
    scores[:] = 0
    add_weighted(x, skip, scores)
    add_weighted(inputs[features:], out, scores)


@kernel
def add_weighted(rows, weights, total):
    """Add the weighted sum of the rows to `total`; BLAS would wake its threads for it."""
    for f in range(len(rows)):
        for i in range(len(total)):
            total[i] += weights[f] * rows[f, i]


@kernel
def layer(x, weights, bias, y):
    """Fill y[H, n] with the leaky ReLU of weights[H, F] x[F, n] + bias[H]; H is a multiple of four.

    Four rows of y take from four of x in one pass over the candidates, so that a number that was read is used four
    times. At this size BLAS takes twice as long, and may wake other threads.
    """
    features, n = x.shape
    for h in range(0, len(y), 4):
        y0, y1, y2, y3 = y[h], y[h + 1], y[h + 2], y[h + 3]
        w0, w1, w2, w3 = weights[h], weights[h + 1], weights[h + 2], weights[h + 3]
        for i in range(n):
            y0[i], y1[i], y2[i], y3[i] = bias[h], bias[h + 1], bias[h + 2], bias[h + 3]
        whole = features - features % 4
        for f in range(0, whole, 4):
            a0, a1, a2, a3 = w0[f], w0[f + 1], w0[f + 2], w0[f + 3]
            b0, b1, b2, b3 = w1[f], w1[f + 1], w1[f + 2], w1[f + 3]
            c0, c1, c2, c3 = w2[f], w2[f + 1], w2[f + 2], w2[f + 3]
            d0, d1, d2, d3 = w3[f], w3[f + 1], w3[f + 2], w3[f + 3]
            x0, x1, x2, x3 = x[f], x[f + 1], x[f + 2], x[f + 3]
            for i in range(n):
                u0, u1, u2, u3 = x0[i], x1[i], x2[i], x3[i]
                y0[i] += a0 * u0 + a1 * u1 + a2 * u2 + a3 * u3
                y1[i] += b0 * u0 + b1 * u1 + b2 * u2 + b3 * u3
                y2[i] += c0 * u0 + c1 * u1 + c2 * u2 + c3 * u3
                y3[i] += d0 * u0 + d1 * u1 + d2 * u2 + d3 * u3
        for f in range(whole, features):
            a0, b0, c0, d0, x0 = w0[f], w1[f], w2[f], w3[f], x[f]
            for i in range(n):
                u0 = x0[i]
                y0[i] += a0 * u0
                y1[i] += b0 * u0
                y2[i] += c0 * u0
                y3[i] += d0 * u0
        for row in (y0, y1, y2, y3):
            for i in range(n):
                row[i] = max(row[i], np.float32(LEAK) * row[i])
