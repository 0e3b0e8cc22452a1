"""Why an item was recommended: what each feature adds to its score, exactly.

The net is piecewise linear, so its score is gradient times input plus what the biases of the active pieces add:
contributions and that base level sum to the score (Ancona et al. 2018, "gradient * input").
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.base import LEAK, BaseParameters
from models.features import FEATURES, F
from models.jit import kernel

Floats = NDArray[np.float32]

NAMED = 3
_ROUNDED = 1e4  # four decimals
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
    contributions, level = np.empty(x.shape, np.float32), np.empty(len(x), np.float32)
    _attribute(np.ascontiguousarray(x), base.w1, base.b1, base.w2, base.b2, *_head(base, fast), contributions, level)
    return contributions, level


def reasons(
    base: BaseParameters, inputs: Floats, rows: NDArray[np.int64], fast: Floats | None = None
) -> list[tuple[tuple[str, float], ...]]:
    """The at most three features that spoke most for some of the candidates, and what they contributed to the score.

    Contributions are rounded to four decimals: they are for people, and every list that is written holds sixty.
    Features that say something about the moment and not about the item are never named.

    Parameters
    ----------
    inputs : float32[F or more, n], standardised features first, as in `models.rank.Scored`.
    rows : positions of the candidates.
    fast : [F + H2] fast weights, where they are served.
    """
    named, shares = np.empty((len(rows), NAMED), np.int64), np.empty((len(rows), NAMED))
    _explain(inputs, rows, base.w1, base.b1, base.w2, base.b2, *_head(base, fast), _TELLING, named, shares)
    # Three at a time where there are three: a loop for each item takes three times as long.
    return [
        ((_NAMES[f], first), (_NAMES[g], second), (_NAMES[h], third))
        if h >= 0
        else tuple([(_NAMES[at], share) for at, share in ((f, first), (g, second)) if at >= 0])
        for (f, g, h), (first, second, third) in zip(named.tolist(), shares.tolist(), strict=True)
    ]


def _head(base: BaseParameters, fast: Floats | None) -> tuple[Floats, Floats]:
    """Weights of the skip and of the last hidden layer, for this user."""
    return (base.skip, base.out) if fast is None else (base.skip + fast[:F], base.out + fast[F:])


@kernel
def _explain(inputs, rows, w1, b1, w2, b2, skip, out, telling, named, shares):
    """Fill `named` and `shares`, [rows, NAMED]."""
    x = np.empty((len(rows), len(skip)), np.float32)
    for i in range(len(rows)):
        for f in range(len(skip)):
            x[i, f] = inputs[f, rows[i]]
    contributions = np.empty(x.shape, np.float32)
    _attribute(x, w1, b1, w2, b2, skip, out, contributions, np.empty(len(rows), np.float32))
    _choose(contributions, telling, named, shares)


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
def _choose(contributions, telling, named, shares):
    """The features with the highest positive contributions of each row, rounded, best first, -1 beyond them."""
    named[:] = -1
    shares[:] = 0
    for i in range(len(contributions)):
        for f in range(contributions.shape[1]):
            value = contributions[i, f]
            at = named.shape[1]
            while at > 0 and shares[i, at - 1] < value:
                at -= 1
            if at == named.shape[1] or not telling[f]:
                continue
            for behind in range(named.shape[1] - 1, at, -1):
                named[i, behind] = named[i, behind - 1]
                shares[i, behind] = shares[i, behind - 1]
            named[i, at] = f
            shares[i, at] = value
        for at in range(named.shape[1]):
            shares[i, at] = np.rint(shares[i, at] * _ROUNDED) / _ROUNDED


@kernel
def _leaky(value):
    return max(value, np.float32(LEAK) * value)


@kernel
def _slope(value):
    return np.float32(1) if value > 0 else np.float32(LEAK)
