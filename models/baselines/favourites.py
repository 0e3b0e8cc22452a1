"""Personal favourites."""

from __future__ import annotations

from heapq import nlargest

from models.baselines.baseline import MAX_ITEMS, MAX_USERS, filled
from models.baselines.popularity import Popularity
from models.baselines.recent import Recent
from models.interaction import Interaction

_OWN = 100


class Favourites:
    """The user's own items by decayed count, then popularity.

    Parameters
    ----------
    decay : of a count at each event of the user.

    Examples
    --------
    >>> own = Favourites()
    >>> for user, item in [(1, "tea"), (1, "tea"), (1, "milk"), (2, "cake"), (2, "cake"), (2, "cake")]:
    ...     own.learn(Interaction(user, item, 0, 0))
    >>> own.recommend(user=1, k=3)
    ['tea', 'milk', 'cake']
    """

    def __init__(self, decay: float = 0.95, max_items: int = MAX_ITEMS, max_users: int = MAX_USERS) -> None:
        self._growth = 1 / decay
        self._own: Recent[int, _Counts] = Recent(max_users)
        self._popular = Popularity(20_000, max_items)

    def learn(self, event: Interaction) -> None:
        """Count the item."""
        self._popular.learn(event)
        self._own.touch(event.user, _Counts).add(event.item_id, self._growth)

    def recommend(self, user: int, k: int) -> list[str]:
        """Own items first."""
        own = self._own.get(user)
        return filled(own.best(k) if own else [], self._popular.recommend(user, 2 * k), k)


class _Counts:
    """One user's counts; a later event weighs more, which orders them as decaying the earlier ones would."""

    __slots__ = ("_count", "_gain")

    def __init__(self) -> None:
        self._count: dict[str, float] = {}
        self._gain = 1.0

    def add(self, item: str, growth: float) -> None:
        self._count[item] = self._count.get(item, 0.0) + self._gain
        self._gain *= growth
        if len(self._count) > 2 * _OWN or self._gain > 1e100:
            self._count = {item: self._count[item] / self._gain for item in self.best(_OWN)}
            self._gain = 1.0

    def best(self, n: int) -> list[str]:
        return nlargest(n, self._count, key=self._count.__getitem__)
