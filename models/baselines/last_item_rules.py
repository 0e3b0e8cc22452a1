"""Sequential rules from the last item."""

from __future__ import annotations

from collections.abc import Callable
from heapq import nlargest

from models.baselines.baseline import MAX_ITEMS, MAX_USERS, filled
from models.baselines.popularity import Popularity
from models.baselines.recent import Recent
from models.interaction import Interaction

_SUCCESSORS = 500


class LastItemRules:
    """What came next after the user's last item, most often first; then popularity.

    Examples
    --------
    >>> rules = LastItemRules()
    >>> for user, item in [(1, "tea"), (1, "milk"), (2, "cake"), (3, "tea")]:
    ...     rules.learn(Interaction(user, item, 0, 0))
    >>> rules.recommend(user=3, k=2)
    ['milk', 'tea']
    """

    def __init__(self, max_items: int = MAX_ITEMS, max_users: int = MAX_USERS) -> None:
        self._last: Recent[int, list[str]] = Recent(max_users)
        self._next: Recent[str, dict[str, float]] = Recent(max_items)
        self._popular = Popularity(20_000, max_items)

    def learn(self, event: Interaction) -> None:
        """Count the succession."""
        self._popular.learn(event)
        last = self._last.touch(event.user, list)
        if last and last[0] != event.item_id:
            successors = self._next.touch(last[0], dict)
            successors[event.item_id] = successors.get(event.item_id, 0.0) + 1
            if len(successors) > 2 * _SUCCESSORS:
                self._next[last[0]] = {item: successors[item] for item in _best(successors, _SUCCESSORS)}
        last[:] = [event.item_id]

    def recommend(self, user: int, k: int) -> list[str]:
        """Successors of the last item, filled up."""
        last = self._last.get(user, [""])
        return filled(_best(self._next.get(last[0], {}), k), self._popular.recommend(user, 2 * k), k)


def _best(scores: dict[str, float], n: int) -> list[str]:
    score: Callable[[str], float] = scores.__getitem__
    return nlargest(n, scores, key=score)
