"""How good ranked lists are, from the ranks of the items that came."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Scores:
    """Means over `rows` predictions, each in [0, 1].

    Attributes
    ----------
    hr : hit rate, share of predictions that held the item.
    mrr : mean reciprocal rank, 0 for a miss.
    ndcg : mean 1 / log2(1 + rank), 0 for a miss (one relevant item per list).
    """

    rows: int
    hr: float
    mrr: float
    ndcg: float


def scores_of(ranks: NDArray[np.integer], k: int) -> Scores:
    """Scores at k of 1-based ranks `[n]`, 0 for a miss; all 0 for no prediction.

    Examples
    --------
    >>> scores_of(np.array([1, 0, 2, 9]), k=5)
    Scores(rows=4, hr=0.5, mrr=0.375, ndcg=0.4077324383928644)
    """
    n = len(ranks)
    if n == 0:
        return Scores(0, 0.0, 0.0, 0.0)
    hits = ranks[(ranks > 0) & (ranks <= k)].astype(np.float64)
    return Scores(n, len(hits) / n, float((1 / hits).sum() / n), float((1 / np.log2(1 + hits)).sum() / n))


def hits(ranks: NDArray[np.integer], k: int) -> NDArray[np.float64]:
    """1 where the item was among the first k, float64[n].

    >>> hits(np.array([1, 0, 9]), k=5).tolist()
    [1.0, 0.0, 0.0]
    """
    return ((ranks > 0) & (ranks <= k)).astype(np.float64)


def reciprocal_ranks(ranks: NDArray[np.integer], k: int) -> NDArray[np.float64]:
    """1 / rank where the item was among the first k, else 0, float64[n].

    >>> reciprocal_ranks(np.array([1, 0, 2, 9]), k=5).tolist()
    [1.0, 0.0, 0.5, 0.0]
    """
    gains: NDArray[np.float64] = hits(ranks, k) / np.maximum(ranks, 1)
    return gains
