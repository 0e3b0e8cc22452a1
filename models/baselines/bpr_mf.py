"""BPR-MF: matrix factorisation for rankings, learned online."""

from __future__ import annotations

import numpy as np

from models.baselines.baseline import MAX_USERS
from models.baselines.recent import Slots
from models.interaction import Interaction
from models.jit import kernel

_INITIAL = 0.1  # standard deviation of the items' first factors


class BprMf:
    """Bayesian personalised ranking (Rendle et al. 2009), one stochastic step per event and sampled other item.

    Every item known is scored, so the items remembered are fewer than elsewhere.

    Parameters
    ----------
    factors : of users and items.
    rate : of the descent; `pull` towards zero.
    others : items drawn evenly, which the event's item is to beat.

    Examples
    --------
    >>> bpr = BprMf()
    >>> for _ in range(20):
    ...     for user, item in [(1, "tea"), (1, "milk"), (2, "cake"), (2, "fork")]:
    ...         bpr.learn(Interaction(user, item, 0, 0))
    >>> sorted(bpr.recommend(user=1, k=2))
    ['milk', 'tea']
    """

    def __init__(
        self,
        factors: int = 32,
        rate: float = 0.05,
        pull: float = 0.002,
        others: int = 8,
        max_items: int = 32_768,
        max_users: int = MAX_USERS,
        seed: int = 0,
    ) -> None:
        self._rate, self._pull, self._others = np.float32(rate), np.float32(pull), others
        self._items: Slots[str] = Slots(max_items)
        self._users: Slots[int] = Slots(max_users)
        self._rng = np.random.default_rng(seed)
        self._user = np.zeros((max_users, factors), np.float32)
        self._item = np.zeros((max_items, factors), np.float32)
        self._bias = np.zeros(max_items, np.float32)

    def learn(self, event: Interaction) -> None:
        """Descend on the event's item against others."""
        item, new_item = self._items.touch(event.item_id)
        user, new_user = self._users.touch(event.user)
        if new_item:
            self._item[item] = self._rng.normal(0, _INITIAL, self._item.shape[1])
            self._bias[item] = 0
        if new_user:
            self._user[user] = 0
        others = self._rng.integers(0, len(self._items), self._others)
        descend(self._user[user], self._item, self._bias, item, others, self._rate, self._pull)

    def recommend(self, user: int, k: int) -> list[str]:
        """The items of the highest scores."""
        known = len(self._items)
        slot = self._users.get(user)
        best = np.empty(min(k, known), np.int64)
        rank(self._user[slot] if slot >= 0 else np.zeros_like(self._user[0]), self._item[:known], self._bias, best)
        return [self._items.names[item] for item in best.tolist()]


@kernel
def descend(user, items, bias, item, others, rate, pull):
    """One step of -log sigmoid(score of `item` - score of the other), for each of `others`."""
    mine = items[item]
    for other in others:
        if other == item:
            continue
        theirs = items[other]
        margin = bias[item] - bias[other]
        for f in range(len(user)):
            margin += user[f] * (mine[f] - theirs[f])
        slope = rate / (np.float32(1) + np.exp(margin))
        bias[item] += slope - rate * pull * bias[item]
        bias[other] -= slope + rate * pull * bias[other]
        for f in range(len(user)):
            u = user[f]
            user[f] += slope * (mine[f] - theirs[f]) - rate * pull * u
            mine[f] += slope * u - rate * pull * mine[f]
            theirs[f] -= slope * u + rate * pull * theirs[f]


@kernel
def rank(user, items, bias, best):
    """Fill `best` with the slots of the highest scores, best first."""
    k = len(best)
    keys = np.empty(k, np.float32)
    n = 0
    for i in range(len(items)):
        value = bias[i]
        for f in range(len(user)):
            value += user[f] * items[i, f]
        if n == k and value <= keys[n - 1]:
            continue
        at = min(n, k - 1)
        while at > 0 and keys[at - 1] < value:
            keys[at] = keys[at - 1]
            best[at] = best[at - 1]
            at -= 1
        keys[at] = value
        best[at] = i
        n = min(n + 1, k)
