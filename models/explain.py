"""Why an item was recommended: what each feature adds to its score, exactly.

The net is piecewise linear, so its score is gradient times input plus what the biases of the active pieces add:
contributions and that base level sum to the score (Ancona et al. 2018, "gradient * input").
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.base import LEAK, BaseParameters
from models.features import FEATURES, F

Floats = NDArray[np.float32]

NAMED = 3
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
    skip = base.skip if fast is None else base.skip + fast[:F]
    out = base.out if fast is None else base.out + fast[F:]
    before = x @ base.w1.T + base.b1
    first = np.where(before > 0, np.float32(1), np.float32(LEAK))
    last = (first * before) @ base.w2.T + base.b2
    through_last = np.where(last > 0, np.float32(1), np.float32(LEAK)) * out
    through_first = (through_last @ base.w2) * first
    gradient = skip + through_first @ base.w1
    contributions = (gradient * x).astype(np.float32)
    level = (through_last @ base.b2 + through_first @ base.b1).astype(np.float32)
    return contributions, level


def reasons(contributions: Floats) -> list[tuple[tuple[str, float], ...]]:
    """The at most three features that spoke most for each candidate, the strongest first.

    Features that say something about the moment and not about the item are never named.
    """
    telling = np.where(_TELLING & (contributions > 0), contributions, 0)
    strongest = np.argsort(-telling, axis=1, kind="stable")[:, :NAMED]
    return [
        tuple((FEATURES[f].name, float(row[f])) for f in order.tolist() if row[f] > 0)
        for row, order in zip(telling, strongest, strict=True)
    ]
