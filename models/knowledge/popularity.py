"""Popularity that forgets: three half lives, session openings, and categories, each with its leaders kept sorted.

Forward decay (Cormode et al. 2009): an event at time t adds 2^(t / half life), so the order of all other items stays as
it is and a leader list is mended by moving one item up. Time is the number of events.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.jit import kernel

LISTS = 4
FAST_LIST, MID_LIST, SLOW_LIST, START_LIST = range(LISTS)
HALF_LIVES = np.array([200.0, 2_000.0, 20_000.0, 20_000.0])
LEADERS = 256
CATEGORY_LEADERS = 40
_RESCALE = 400.0  # half lives after which the growing weights are brought back to 1


class Popularity:
    """Decayed counts of items and categories.

    Parameters
    ----------
    score : float64[rows, LISTS], zeros; in units of 2^((t - origin) / half life).
    categories : category numbers.

    Attributes
    ----------
    leaders : int32[LISTS, LEADERS], slots of the highest scores, 0 beyond them.
    place : int16[rows, LISTS], 1-based position among the leaders, 0 where it is none.
    origin : float64[LISTS], event number at which an event weighed 1.
    rescale_after : number of the last event before weights must be brought back to 1.
    category_score : float64[categories], scale of SLOW_LIST.
    category_leaders : int32[categories, CATEGORY_LEADERS], by the slow score.
    """

    def __init__(self, score: NDArray[np.float64], categories: int) -> None:
        self.score = score
        self.place = np.zeros(score.shape, np.int16)
        self.leaders = np.zeros((LISTS, LEADERS), np.int32)
        self.origin = np.zeros(LISTS)
        self.total = np.zeros(LISTS)
        self.category_score = np.zeros(categories)
        self.category_leaders = np.zeros((categories, CATEGORY_LEADERS), np.int32)
        self.rescale_after = 0.0

    def rescale(self, event: int, used: int) -> None:
        """Bring the growing weights of the first `used` slots back to 1 before they overflow."""
        if event <= self.rescale_after:
            return
        for which in range(LISTS):
            elapsed = event - self.origin[which]
            if elapsed > _RESCALE * HALF_LIVES[which]:
                factor = 2.0 ** (-elapsed / HALF_LIVES[which])
                self.score[:used, which] *= factor
                self.total[which] *= factor
                self.origin[which] = event
                if which == SLOW_LIST:
                    self.category_score *= factor
        self.rescale_after = float((self.origin + _RESCALE * HALF_LIVES).min())

    def clear(self, slot: int, category: int) -> None:
        """Forget an item whose slot goes to another; the leader lists close up."""
        for which in range(LISTS):
            at = int(self.place[slot, which])
            if at:
                row = self.leaders[which]
                row[at - 1 : -1] = row[at:]
                row[-1] = 0
                moved = row[at - 1 :]
                self.place[moved[moved > 0], which] -= 1
        self.score[slot] = 0
        self.place[slot] = 0
        row = self.category_leaders[category]
        self.category_leaders[category] = np.r_[row[row != slot], np.zeros((row == slot).sum(), np.int32)]


@kernel
def climb(slot, which, score, place, row):
    """Move `slot`, whose score has grown, to its place among the leaders."""
    at = place[slot, which] - 1
    value = score[slot, which]
    if at < 0:
        last = len(row) - 1
        if row[last] != 0:
            if score[row[last], which] >= value:
                return
            place[row[last], which] = 0
        at = last
        row[at] = 0
    while at > 0 and (row[at - 1] == 0 or score[row[at - 1], which] < value):
        row[at] = row[at - 1]
        if row[at] != 0:
            place[row[at], which] = at + 1
        at -= 1
    row[at] = slot
    place[slot, which] = at + 1


@kernel
def climb_category(slot, score, row):
    """The same for the short list of a category, where positions are searched."""
    value = score[slot, SLOW_LIST]
    at = len(row) - 1
    for i in range(len(row)):
        if row[i] == slot or row[i] == 0:
            at = i
            break
    if row[at] != slot and row[at] != 0 and score[row[at], SLOW_LIST] >= value:
        return
    while at > 0 and score[row[at - 1], SLOW_LIST] < value:
        row[at] = row[at - 1]
        at -= 1
    row[at] = slot


@kernel
def learn_popularity(
    slot, category, starts, event, half_lives, score, place, leaders, origin, total, category_score, category_leaders
):
    """Count one event of `slot`; `starts` says that it opened a session."""
    for which in range(LISTS):
        if which == START_LIST and not starts:
            continue
        gain = 2.0 ** ((event - origin[which]) / half_lives[which])
        score[slot, which] += gain
        total[which] += gain
        climb(slot, which, score, place, leaders[which])
        if which == SLOW_LIST and category > 0:
            category_score[category] += gain
            climb_category(slot, score, category_leaders[category])
