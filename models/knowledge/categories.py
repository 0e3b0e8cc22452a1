"""Categories: from name to number, and which category follows which."""

from __future__ import annotations

import numpy as np

from models.jit import kernel

FOLLOWERS = 32
_DECAY = 0.998  # of a row at each event that touches it


class Categories:
    """Numbers 1, 2, ... for category names (0 is unknown or beyond the bound) and their transitions.

    Attributes
    ----------
    follower : int32[categories, FOLLOWERS], categories of the next item of a user; 0 is free.
    weight : float32[categories, FOLLOWERS].
    total : float32[categories].
    """

    def __init__(self, max_categories: int) -> None:
        self.max_categories = max_categories
        self.numbers: dict[str, int] = {}
        self.names: list[str] = [""]
        self.follower = np.zeros((max_categories + 1, FOLLOWERS), np.int32)
        self.weight = np.zeros((max_categories + 1, FOLLOWERS), np.float32)
        self.total = np.zeros(max_categories + 1, np.float32)

    def known(self, name: str | None) -> int:
        """Number of a category, -1 where `number` would give a new one."""
        if not name:
            return 0
        return self.numbers.get(name, -1 if len(self.names) <= self.max_categories else 0)

    def number(self, name: str | None) -> int:
        """Number of a category, a new one for a new name."""
        if not name:
            return 0
        number = self.numbers.get(name, 0)
        if number == 0 and len(self.names) <= self.max_categories:
            number = self.numbers[name] = len(self.names)
            self.names.append(name)
        return number


@kernel
def learn_category(before, after, follower, weight, total):
    """Count that a user went from category `before` to `after`."""
    if before == 0 or after == 0:
        return
    total[before] = total[before] * _DECAY + 1
    at = -1
    weakest = 0
    for i in range(FOLLOWERS):
        weight[before, i] *= _DECAY
        if follower[before, i] == after:
            at = i
        if weight[before, i] < weight[before, weakest]:
            weakest = i
    if at < 0:
        at = weakest
        follower[before, at] = after
        weight[before, at] = 0
    weight[before, at] += 1
