"""How good ranked lists are, from the ranks of the items that came."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Scores:
    """Means over predictions, each in [0, 1].

    Attributes
    ----------
    hr : hit rate, share of predictions that held the item.
    mrr : mean reciprocal rank, 0 for a miss.
    ndcg : mean 1 / log2(1 + rank), 0 for a miss (one relevant item per list).
    coverage : share of the items known at the end that were in any list.
    """

    hr: float
    mrr: float
    ndcg: float
    coverage: float = 0.0


def scores_of(ranks: NDArray[np.integer], coverage: float = 0.0) -> Scores:
    """Scores of 1-based ranks `[n]`, 0 for a miss; all 0 for no prediction.

    Examples
    --------
    >>> scores_of(np.array([1, 0, 2, 0]))
    Scores(hr=0.5, mrr=0.375, ndcg=0.4077324383928644, coverage=0.0)
    """
    if len(ranks) == 0:
        return Scores(0.0, 0.0, 0.0, coverage)
    hits = ranks[ranks > 0].astype(np.float64)
    n = len(ranks)
    return Scores(len(hits) / n, float((1 / hits).sum() / n), float((1 / np.log2(1 + hits)).sum() / n), coverage)
