"""Reciprocal rank fusion."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from heapq import nlargest

from models.baselines.baseline import Baseline
from models.interaction import Interaction

_DAMPING = 60
_DEPTH = 20  # of the lists that are fused


class ReciprocalRankFusion:
    """One list from many: an item scores 1 / (60 + rank) in each list that holds it (Cormack et al. 2009).

    Parameters
    ----------
    parts : baselines of its own, which it teaches.
    """

    def __init__(self, parts: Sequence[Baseline]) -> None:
        self._parts = parts

    def learn(self, event: Interaction) -> None:
        """Teach the parts."""
        for part in self._parts:
            part.learn(event)

    def recommend(self, user: int, k: int) -> list[str]:
        """The items that most parts rank highest."""
        return fuse((part.recommend(user, max(k, _DEPTH)) for part in self._parts), k)


def fuse(lists: Iterable[Sequence[str]], k: int) -> list[str]:
    """The first k of the fused list; of equal scores the item met first.

    >>> fuse([["a", "b"], ["b", "c"], ["b"]], k=2)
    ['b', 'a']
    """
    scores: dict[str, float] = {}
    for items in lists:
        for rank, item in enumerate(items, 1):
            scores[item] = scores.get(item, 0.0) + 1 / (_DAMPING + rank)
    return nlargest(k, scores, key=scores.__getitem__)
