"""What a good engineer has in an afternoon: the lists that ours must beat, learned online on the same events."""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterable
from heapq import nlargest
from typing import Protocol

from models.interaction import Interaction

_POOL = 400
_PARTNERS = 500


class Baseline(Protocol):
    """Ranks items for a user, then learns what came."""

    def recommend(self, user: int, k: int) -> list[str]:
        """The best k items, best first."""
        ...

    def learn(self, event: Interaction) -> None:
        """Take the event."""
        ...


class Popularity:
    """Decayed counts of all events.

    Parameters
    ----------
    half_life : in events.

    Examples
    --------
    >>> popular = Popularity(half_life=2)
    >>> for item in "aab":
    ...     popular.learn(Interaction(1, item, 0, 0))
    >>> popular.recommend(user=2, k=2)
    ['a', 'b']
    """

    def __init__(self, half_life: float) -> None:
        self._growth = 2.0 ** (1.0 / half_life)
        self._gain = 1.0
        self._score: dict[str, float] = {}
        self._leaders: dict[str, float] = {}

    def learn(self, event: Interaction) -> None:
        """Count the event; forward decay, so only its item changes place."""
        score = self._score[event.item_id] = self._score.get(event.item_id, 0.0) + self._gain
        self._leaders[event.item_id] = score
        if len(self._leaders) > 2 * _POOL:
            self._leaders = dict(nlargest(_POOL, self._leaders.items(), key=lambda entry: entry[1]))
        self._gain *= self._growth
        if self._gain > 1e100:
            self._score = {item: score / self._gain for item, score in self._score.items()}
            self._leaders = {item: score / self._gain for item, score in self._leaders.items()}
            self._gain = 1.0

    def recommend(self, user: int, k: int) -> list[str]:
        """The leaders, the same for everybody."""
        del user
        return [item for item, _ in nlargest(k, self._leaders.items(), key=lambda entry: entry[1])]


class LastItemRules:
    """What came next after the user's last item, most often first; then popularity."""

    def __init__(self, max_items: int = 1_000_000) -> None:
        self._last: dict[int, str] = {}
        self._next: OrderedDict[str, dict[str, float]] = OrderedDict()
        self._max_items = max_items
        self._popular = Popularity(20_000)

    def learn(self, event: Interaction) -> None:
        """Count the succession."""
        last = self._last.get(event.user)
        if last is not None and last != event.item_id:
            partners = self._next.setdefault(last, {})
            partners[event.item_id] = partners.get(event.item_id, 0.0) + 1
            if len(partners) > 2 * _PARTNERS:
                self._next[last] = dict(nlargest(_PARTNERS, partners.items(), key=lambda entry: entry[1]))
            if len(self._next) > self._max_items:
                self._next.popitem(last=False)
        self._last[event.user] = event.item_id
        self._popular.learn(event)

    def recommend(self, user: int, k: int) -> list[str]:
        """Successors of the last item, filled up."""
        partners = self._next.get(self._last.get(user, ""), {})
        return _filled(nlargest(k, partners, key=lambda item: partners[item]), self._popular, user, k)


class Favourites:
    """The user's own items by decayed count, then popularity."""

    def __init__(self, decay: float = 0.95) -> None:
        self._decay = decay
        self._own: defaultdict[int, dict[str, float]] = defaultdict(dict)
        self._popular = Popularity(20_000)

    def learn(self, event: Interaction) -> None:
        """Decay what the user chose before, and count this."""
        own = {item: count * self._decay for item, count in self._own[event.user].items() if count > 0.01}
        own[event.item_id] = own.get(event.item_id, 0.0) + 1
        self._own[event.user] = own
        self._popular.learn(event)

    def recommend(self, user: int, k: int) -> list[str]:
        """Own items first."""
        own = self._own.get(user, {})
        return _filled(nlargest(k, own, key=lambda item: own[item]), self._popular, user, k)


BASELINES: dict[str, Callable[[], Baseline]] = {
    "popularity_20000": lambda: Popularity(20_000),
    "popularity_2000": lambda: Popularity(2_000),
    "last_item_rules": LastItemRules,
    "favourites": Favourites,
}
POPULARITY = ("popularity_20000", "popularity_2000")
"""Those that cost next to nothing."""


def standard_baselines(names: Iterable[str] = tuple(BASELINES)) -> dict[str, Baseline]:
    """Fresh baselines by the names that reports give them."""
    return {name: BASELINES[name]() for name in names}


def _filled(items: list[str], popular: Popularity, user: int, k: int) -> list[str]:
    known = set(items)
    more = (item for item in popular.recommend(user, k + len(items)) if item not in known)
    return [*items, *more][:k]
