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

Floats = NDArray[np.float32]

NAMED = 3
_TRIED = 6  # strongest contributions, of which those named are chosen
_ABOUT_THE_MOMENT = {"session_length", "gap", "user_events", "user_repeats", "last_bought", "catalogue", "sources"}
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
    skip, out = _head(base, fast)
    before = x @ base.w1.T + base.b1
    first = np.where(before > 0, np.float32(1), np.float32(LEAK))
    last = (first * before) @ base.w2.T + base.b2
    through_last = np.where(last > 0, np.float32(1), np.float32(LEAK)) * out
    through_first = (through_last @ base.w2) * first
    gradient = skip + through_first @ base.w1
    contributions = (gradient * x).astype(np.float32)
    level = (through_last @ base.b2 + through_first @ base.b1).astype(np.float32)
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
    skip, out = _head(base, fast)
    before = x @ base.w1.T + base.b1
    value = np.take_along_axis(x, features, axis=1)
    without = before[:, None] - value[:, :, None] * base.w1.T[features]
    lost: Floats = value * skip[features] + (_last(base, before) @ out)[:, None] - _last(base, without) @ out
    return lost


def reasons(base: BaseParameters, x: Floats, fast: Floats | None = None) -> list[tuple[tuple[str, float], ...]]:
    """The at most three features that spoke most for each candidate, and what they contributed to its score.

    The first is the one that it would miss most. Features that say something about the moment and not about the item
    are never named.
    """
    contributions, _ = attributions(base, x, fast)
    telling = np.where(_TELLING & (contributions > 0), contributions, 0)
    strongest = np.argsort(-telling, axis=1, kind="stable")[:, :_TRIED]
    order = np.argsort(-losses(base, x, strongest, fast), axis=1, kind="stable")
    named = np.take_along_axis(strongest, order, axis=1)
    return [
        tuple((FEATURES[f].name, float(row[f])) for f in features.tolist() if row[f] > 0)[:NAMED]
        for row, features in zip(telling, named, strict=True)
    ]


def _head(base: BaseParameters, fast: Floats | None) -> tuple[Floats, Floats]:
    """Weights of the skip and of the last hidden layer, for this user."""
    return (base.skip, base.out) if fast is None else (base.skip + fast[:F], base.out + fast[F:])


def _last(base: BaseParameters, before: Floats) -> Floats:
    """Last hidden layer, of the first one's inputs."""
    last = np.maximum(before, LEAK * before) @ base.w2.T + base.b2
    hidden: Floats = np.maximum(last, LEAK * last)
    return hidden
