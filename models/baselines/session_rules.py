"""Session rules: what goes with all of the user's latest items."""

from __future__ import annotations

import numpy as np

from models.baselines.baseline import MAX_ITEMS, MAX_USERS, filled
from models.baselines.popularity import Popularity
from models.baselines.recent import Recent, Slots, slot_of, take_best
from models.interaction import Interaction
from models.jit import kernel

_PARTNERS = 200


class SessionRules:
    """Sequential rules (SR of Ludewig and Jannach 2018) from each of the user's last ten items, then popularity.

    An item d steps back votes with weight 1 / d for what came up to ten steps after it, 1 / distance each; older
    events count less. The last ten items are the session, and reach back beyond it where it is shorter.

    Parameters
    ----------
    half_life : of a rule's weight, events.

    Examples
    --------
    >>> rules = SessionRules()
    >>> for user, item in [(1, "tea"), (1, "milk"), (1, "sugar"), (2, "cake"), (2, "tea"), (2, "fork")]:
    ...     rules.learn(Interaction(user, item, 0, 0))
    >>> rules.recommend(user=2, k=3)
    ['fork', 'milk', 'tea']
    """

    def __init__(
        self, length: int = 10, half_life: float = 50_000.0, max_items: int = MAX_ITEMS, max_users: int = MAX_USERS
    ) -> None:
        self._length = length
        self._growth = 2.0 ** (1.0 / half_life)
        self._gain = 1.0
        self._items: Slots[str] = Slots(max_items)
        self._history: Recent[int, list[int]] = Recent(max_users)  # references, the latest first
        # Pages of zeros: a row takes memory when it is first written.
        self._partner = np.zeros((max_items, _PARTNERS), np.int32)
        self._weight = np.zeros((max_items, _PARTNERS), np.float32)
        self._score = np.zeros(max_items, np.float32)
        self._touched = np.zeros(length * _PARTNERS, np.int32)
        self._popular = Popularity(20_000, max_items)

    def learn(self, event: Interaction) -> None:
        """Strengthen the rules from the user's last items to this one."""
        self._popular.learn(event)
        slot, new = self._items.touch(event.item_id)
        if new:
            self._partner[slot] = 0
        reference = self._items.reference(slot)
        history = self._history.touch(event.user, list)
        strengthen(
            np.array(history, np.int32),
            reference,
            np.float32(self._gain),
            self._items.generation,
            self._partner,
            self._weight,
        )
        if reference in history:
            history.remove(reference)
        history.insert(0, reference)
        del history[self._length :]
        self._gain *= self._growth
        if self._gain > 1e30:
            self._weight /= self._gain
            self._gain = 1.0

    def recommend(self, user: int, k: int) -> list[str]:
        """Items with the most votes, filled up."""
        best = np.empty(k, np.int32)
        n = vote(
            np.array(self._history.get(user, ()), np.int32),
            self._items.generation,
            self._partner,
            self._weight,
            self._score,
            self._touched,
            best,
        )
        names = self._items.names
        return filled([names[slot] for slot in best[:n].tolist()], self._popular.recommend(user, 2 * k), k)


@kernel
def strengthen(history, reference, gain, generation, partner, weight):
    """Add to the weight of `reference` in the row of each item of `history`; a full row gives up its weakest."""
    for back in range(len(history)):
        row = slot_of(history[back], generation)
        if row < 0 or history[back] == reference:
            continue
        weakest = 0
        at = -1
        for i in range(partner.shape[1]):
            if partner[row, i] == 0 or partner[row, i] == reference:
                at = i
                break
            if weight[row, i] < weight[row, weakest]:
                weakest = i
        if at < 0:
            at = weakest
        if partner[row, at] != reference:
            partner[row, at] = reference
            weight[row, at] = 0
        weight[row, at] += gain / np.float32(back + 1)


@kernel
def vote(history, generation, partner, weight, score, touched, best):
    """Sum the votes of all items of `history`; `best` receives the slots with the most. Returns how many."""
    n = 0
    for back in range(len(history)):
        row = slot_of(history[back], generation)
        if row < 0:
            continue
        for i in range(partner.shape[1]):
            if partner[row, i] == 0:
                break
            slot = slot_of(partner[row, i], generation)
            if slot < 0 or weight[row, i] == 0:
                continue
            if score[slot] == 0:
                touched[n] = slot
                n += 1
            score[slot] += weight[row, i] / np.float32(back + 1)
    return take_best(score, touched, n, best)
