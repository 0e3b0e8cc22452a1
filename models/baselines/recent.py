"""Bounded memory: what was touched longest ago gives way."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

import numpy as np

from models.jit import kernel

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

SLOT_BITS = 24


class Recent(OrderedDict[K, V]):
    """A dictionary of the `capacity` keys touched last.

    >>> rows = Recent[str, list[int]](capacity=2)
    >>> for key in "abac":
    ...     rows.touch(key, list).append(1)
    >>> dict(rows)
    {'a': [1, 1], 'c': [1]}
    """

    def __init__(self, capacity: int) -> None:
        super().__init__()
        self._capacity = capacity

    def touch(self, key: K, default: Callable[[], V]) -> V:
        """The value of `key`, made at its first touch; it is now the latest."""
        if key in self:
            self.move_to_end(key)
            return self[key]
        self[key] = value = default()
        if len(self) > self._capacity:
            self.popitem(last=False)
        return value


class Slots(Generic[K]):
    """Keys as small numbers, places in arrays; at the capacity the key touched longest ago gives its slot away.

    A reference is `generation << 24 | slot + 1`, never 0: an array may keep one after the slot has gone to another key,
    and see by the generation that it is stale.

    Attributes
    ----------
    names : key of each slot in use.
    generation : int32[capacity].
    """

    def __init__(self, capacity: int) -> None:
        if not 0 < capacity < 1 << SLOT_BITS:
            raise ValueError(f"capacity must be between 1 and {(1 << SLOT_BITS) - 1}")
        self.names: list[K] = []
        self.generation = np.zeros(capacity, np.int32)
        self._slot: OrderedDict[K, int] = OrderedDict()

    def __len__(self) -> int:
        return len(self.names)

    def get(self, key: K) -> int:
        """Slot of `key`, -1 where it is unknown."""
        return self._slot.get(key, -1)

    def touch(self, key: K) -> tuple[int, bool]:
        """Slot of `key`, which is now the latest, and whether the slot is new to it."""
        slot = self._slot.get(key, -1)
        if slot >= 0:
            self._slot.move_to_end(key)
            return slot, False
        if len(self.names) < len(self.generation):
            slot = len(self.names)
            self.names.append(key)
        else:
            _, slot = self._slot.popitem(last=False)
            self.names[slot] = key
            self.generation[slot] = (self.generation[slot] + 1) & 127
        self._slot[key] = slot
        return slot, True

    def reference(self, slot: int) -> int:
        """What arrays keep of a slot."""
        return int(self.generation[slot]) << SLOT_BITS | slot + 1


@kernel
def slot_of(reference, generation):
    """Slot of a reference, -1 where its key is gone or there was none."""
    slot = (reference & 0xFFFFFF) - 1
    return slot if slot >= 0 and generation[slot] == reference >> 24 else -1


@kernel
def take_best(score, touched, n, best):
    """Fill `best` with the touched slots of highest score, best first, zero their scores; returns how many.

    Parameters
    ----------
    score : float32[slots], positive for the first `n` slots in `touched`.
    """
    k = 0
    keys = np.empty(len(best), np.float32)
    for i in range(n):
        slot = touched[i]
        value = score[slot]
        score[slot] = 0
        if k == len(best) and value <= keys[k - 1]:
            continue
        at = min(k, len(best) - 1)
        while at > 0 and keys[at - 1] < value:
            keys[at] = keys[at - 1]
            best[at] = best[at - 1]
            at -= 1
        keys[at] = value
        best[at] = slot
        k = min(k + 1, len(best))
    return k
