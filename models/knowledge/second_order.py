"""What follows a pair of successive items: a hash table of contexts with up to twelve successors each."""

from __future__ import annotations

import numpy as np

from models.jit import kernel
from models.knowledge.arrays import spread

SUCCESSORS = 12
_FIRST_CONTEXTS = 1024
_PROBES = 4


class SecondOrder:
    """Second-order rules, bounded: a new context displaces the lightest of the four that it may displace.

    Attributes
    ----------
    context : uint64[contexts], hash of the two references, 0 is free.
    total : float32[contexts], times the context was followed.
    successor, weight : [contexts, SUCCESSORS], references and counts.
    """

    def __init__(self, max_contexts: int) -> None:
        self._max_contexts = max_contexts
        self._taken = 0
        self._allocate(min(_FIRST_CONTEXTS, max_contexts))

    def _allocate(self, contexts: int) -> None:
        self.context = np.zeros(contexts, np.uint64)
        self.total = np.zeros(contexts, np.float32)
        self.successor = np.zeros((contexts, SUCCESSORS), np.int32)
        self.weight = np.zeros((contexts, SUCCESSORS), np.float32)

    def discount(self, kept: float) -> None:
        """Keep so much, 0 to 1, of all counts."""
        self.weight *= np.float32(kept)
        self.total *= np.float32(kept)

    @property
    def room(self) -> int:
        """Places that may be taken before the arrays must grow; those of full length never do."""
        if len(self.context) >= self._max_contexts:
            return len(self.context)
        return len(self.context) // 2 - self._taken

    def grow(self, taken: int) -> None:
        """Count places that `learn_second` took, and make room before there is little left."""
        room = self.room
        self._taken += taken
        if taken > room:
            old = (self.context, self.total, self.successor, self.weight)
            self._allocate(2 * len(self.context))
            self._taken = move_second(*old, self.context, self.total, self.successor, self.weight)


@kernel
def second_key(before, last):
    """Key of a context; never 0."""
    return spread((np.uint64(before) << np.uint64(32)) | np.uint64(last)) | np.uint64(1)


@kernel
def find_second(before, last, context):
    """Position of a context, -1 where it is unknown."""
    key = second_key(before, last)
    mask = len(context) - 1
    for probe in range(_PROBES):
        at = np.int64((key >> np.uint64(1)) + np.uint64(probe)) & mask
        if context[at] == key:
            return at
    return -1


@kernel
def claim(key, context, total, successor, weight):
    """Position for a context, clearing the lightest probed one if none is free; second value: a free one was taken."""
    mask = len(context) - 1
    lightest = np.int64(-1)
    for probe in range(_PROBES):
        at = np.int64((key >> np.uint64(1)) + np.uint64(probe)) & mask
        if context[at] == key:
            return at, 0
        if context[at] == 0:
            context[at] = key
            return at, 1
        if lightest < 0 or total[at] < total[lightest]:
            lightest = at
    total[lightest] *= 0.5  # a context in use resists, one that is over gives way
    if total[lightest] >= 1:
        return -1, 0
    context[lightest] = key
    total[lightest] = 0
    successor[lightest] = 0
    weight[lightest] = 0
    return lightest, 0


@kernel
def learn_second(before, last, reference, context, total, successor, weight):
    """Count one succession; returns 1 when a free position was taken."""
    at, taken = claim(second_key(before, last), context, total, successor, weight)
    if at < 0:
        return 0
    total[at] += 1
    weakest = 0
    for i in range(SUCCESSORS):
        if successor[at, i] == reference or successor[at, i] == 0:
            successor[at, i] = reference
            weight[at, i] += 1
            return taken
        if weight[at, i] < weight[at, weakest]:
            weakest = i
    weight[at, weakest] *= 0.5
    if weight[at, weakest] < 1:
        successor[at, weakest] = reference
        weight[at, weakest] = 1
    return taken


@kernel
def move_second(context, total, successor, weight, new_context, new_total, new_successor, new_weight):
    """Re-enter all contexts into larger arrays; returns how many places are taken."""
    taken = 0
    for i in range(len(context)):
        if context[i] != 0:
            at, free = claim(context[i], new_context, new_total, new_successor, new_weight)
            if at >= 0:
                taken += free
                new_total[at] = total[i]
                new_successor[at] = successor[i]
                new_weight[at] = weight[i]
    return taken
