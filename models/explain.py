"""Why an item was recommended: what each feature adds to its score, exactly, and which of them it would miss most.

The net is piecewise linear, so its score is gradient times input plus what the biases of the active pieces add:
contributions and that base level sum to the score (Ancona et al. 2018, "gradient * input"). Features that say the same
stand in for each other: of the strongest contributions those are named without which the score would fall most.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.base import LEAK, BaseParameters
from models.features import FEATURES, F
from models.jit import kernel

Floats = NDArray[np.float32]

NAMED = 3
_TRIED = 6  # strongest contributions, of which those named are chosen
_ABOUT_THE_MOMENT = {"session_length", "gap", "user_events", "user_repeats", "last_bought", "catalogue", "sources"}
_NAMES = [feature.name for feature in FEATURES]
_TELLING = np.array([feature.name not in _ABOUT_THE_MOMENT for feature in FEATURES])


def attributions(base: BaseParameters, x: Floats, fast: Floats | None = None) -> tuple[Floats, Floats]:
    """Contribution of every feature to the scores of some candidates.

    Parameters
    ----------
    x : [n, F], standardised and clipped.
    fast : [F + H2] fast weights, where they are served.

    Returns
    -------
    Contributions [n, F] and base levels [n]; a row's sum and its base level are the score, within 1e-4.

    Examples
    --------
    >>> from models.base import initial_parameters
    >>> base = initial_parameters()
    >>> parts, level = attributions(base, np.ones((1, F), np.float32))
    >>> bool(abs(parts.sum() + level[0] - base.skip.sum()) < 1e-4)
    True
    """
    contributions, level = np.empty_like(x), np.empty(len(x), np.float32)
    _attribute(x, base.w1, base.b1, base.w2, base.b2, *_head(base, fast), contributions, level)
    return contributions, level


def losses(base: BaseParameters, x: Floats, features: NDArray[np.int64], fast: Floats | None = None) -> Floats:
    """By how much each score falls when one feature is set to its mean.

    Parameters
    ----------
    x : [n, F], standardised and clipped.
    features : [n, m], those tried, one at a time.

    Returns
    -------
    Array [n, m].
    """
    lost = np.empty(features.shape, np.float32)
    _lose(x, features, base.w1, base.b1, base.w2, base.b2, *_head(base, fast), lost)
    return lost


def reasons(base: BaseParameters, x: Floats, fast: Floats | None = None) -> list[tuple[tuple[str, float], ...]]:
    """The at most three features that spoke most for each candidate, and what they contributed to its score.

    The first is the one that it would miss most. Features that say something about the moment and not about the item
    are never named.
    """
    contributions, _ = attributions(base, x, fast)
    strongest = np.empty((len(x), _TRIED), np.int64)
    _choose(contributions, _TELLING, strongest)
    lost = losses(base, x, np.maximum(strongest, 0), fast)
    named, shares = np.empty((len(x), NAMED), np.int64), np.empty((len(x), NAMED), np.float32)
    _order(contributions, strongest, lost, named, shares)
    return [
        tuple((_NAMES[f], share) for f, share in zip(features, row, strict=True) if f >= 0)
        for features, row in zip(named.tolist(), shares.tolist(), strict=True)
    ]


def _head(base: BaseParameters, fast: Floats | None) -> tuple[Floats, Floats]:
    """Weights of the skip and of the last hidden layer, for this user."""
    return (base.skip, base.out) if fast is None else (base.skip + fast[:F], base.out + fast[F:])


@kernel
def _attribute(x, w1, b1, w2, b2, skip, out, contributions, level):
    """Fill both, a row at a time: forward, then the gradient back through the active pieces."""
    n, features = x.shape
    first = np.empty(len(b1), np.float32)
    back = np.empty(len(b1), np.float32)
    gradient = np.empty(features, np.float32)
    for i in range(n):
        for h in range(len(b1)):
            value = b1[h]
            for f in range(features):
                value += w1[h, f] * x[i, f]
            first[h] = value
            back[h] = 0
        base = np.float32(0)
        for j in range(len(b2)):
            value = b2[j]
            for h in range(len(b1)):
                value += w2[j, h] * _leaky(first[h])
            through = _slope(value) * out[j]
            base += through * b2[j]
            for h in range(len(b1)):
                back[h] += through * w2[j, h]
        gradient[:] = skip
        for h in range(len(b1)):
            through = back[h] * _slope(first[h])
            base += through * b1[h]
            for f in range(features):
                gradient[f] += through * w1[h, f]
        for f in range(features):
            contributions[i, f] = gradient[f] * x[i, f]
        level[i] = base


@kernel
def _lose(x, tried, w1, b1, w2, b2, skip, out, lost):
    """Fill `lost`: the score of the net as it is, less that without one feature."""
    first = np.empty(len(b1), np.float32)
    without = np.empty(len(b1), np.float32)
    for i in range(len(x)):
        for h in range(len(b1)):
            value = b1[h]
            for f in range(x.shape[1]):
                value += w1[h, f] * x[i, f]
            first[h] = value
        whole = _net(first, w2, b2, out)
        for m in range(tried.shape[1]):
            f = tried[i, m]
            for h in range(len(b1)):
                without[h] = first[h] - w1[h, f] * x[i, f]
            lost[i, m] = x[i, f] * skip[f] + whole - _net(without, w2, b2, out)


@kernel
def _choose(contributions, telling, strongest):
    """The features with the highest positive contributions of each row, best first, -1 beyond them."""
    strongest[:] = -1
    for i in range(len(contributions)):
        row = strongest[i]
        for f in range(contributions.shape[1]):
            value = contributions[i, f]
            if value <= 0 or not telling[f]:
                continue
            at = len(row) - 1
            if row[at] >= 0 and contributions[i, row[at]] >= value:
                continue
            while at > 0 and (row[at - 1] < 0 or contributions[i, row[at - 1]] < value):
                row[at] = row[at - 1]
                at -= 1
            row[at] = f


@kernel
def _order(contributions, strongest, lost, named, shares):
    """Those of the strongest without which the score would fall most, best first, -1 beyond them; earlier on a tie."""
    named[:] = -1
    shares[:] = 0
    for i in range(len(strongest)):
        for place in range(named.shape[1]):
            best = -1
            for m in range(strongest.shape[1]):
                if strongest[i, m] >= 0 and (best < 0 or lost[i, m] > lost[i, best]):
                    best = m
            if best < 0:
                break
            named[i, place] = strongest[i, best]
            shares[i, place] = contributions[i, strongest[i, best]]
            strongest[i, best] = -1


@kernel
def _net(first, w2, b2, out):
    """What the net adds to the skip, of the first layer's inputs."""
    score = np.float32(0)
    for j in range(len(b2)):
        value = b2[j]
        for h in range(len(first)):
            value += w2[j, h] * _leaky(first[h])
        score += _leaky(value) * out[j]
    return score


@kernel
def _leaky(value):
    return max(value, np.float32(LEAK) * value)


@kernel
def _slope(value):
    return np.float32(1) if value > 0 else np.float32(LEAK)
