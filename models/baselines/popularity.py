"""Popularity that forgets."""

from __future__ import annotations

from bisect import bisect_left, insort

from models.baselines.baseline import MAX_ITEMS
from models.baselines.recent import Recent
from models.interaction import Interaction

_LEADERS = 400


class Popularity:
    """Decayed counts of all events; the same list for everybody.

    Forward decay (Cormode et al. 2009): a later event weighs more, so that an event moves its own item alone.

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

    def __init__(self, half_life: float, max_items: int = MAX_ITEMS) -> None:
        self._growth = 2.0 ** (1.0 / half_life)
        self._gain = 1.0
        self._score: Recent[str, float] = Recent(max_items)
        self._leaders: list[tuple[float, str]] = []  # (-score, item), ascending

    def learn(self, event: Interaction) -> None:
        """Count the event."""
        item, leaders = event.item_id, self._leaders
        before = self._score.touch(item, float)
        at = bisect_left(leaders, (-before, item))
        if at < len(leaders) and leaders[at][1] == item:
            del leaders[at]
        self._score[item] = before + self._gain
        insort(leaders, (-before - self._gain, item))
        del leaders[_LEADERS:]
        self._gain *= self._growth
        if self._gain > 1e100:
            self._rescale()

    def _rescale(self) -> None:
        for item in self._score:
            self._score[item] /= self._gain
        self._leaders = [(score / self._gain, item) for score, item in self._leaders]
        self._gain = 1.0

    def recommend(self, user: int, k: int) -> list[str]:
        """The leaders."""
        del user
        return [item for _, item in self._leaders[:k]]
