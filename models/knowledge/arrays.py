"""The open-addressing hash map that the knowledge tables share, and the search through what is short."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.jit import kernel

_LINE = 64  # bytes


class HashMap:
    """64-bit keys (not 0) to int32 values (> 0) in two flat arrays, linear probing, at most half full.

    Attributes
    ----------
    size : int64[1], number of keys; an array, so that kernels can count what they add.

    Examples
    --------
    >>> table = HashMap()
    >>> table.put(7, 1)
    >>> table.get(7), table.get(8)
    (1, 0)
    >>> table.remove(7)
    >>> table.get(7), len(table)
    (0, 0)
    """

    def __init__(self) -> None:
        self.keys = np.zeros(64, np.uint64)
        self.values = np.zeros(64, np.int32)
        self.size = np.zeros(1, np.int64)

    def __len__(self) -> int:
        return int(self.size[0])

    def get(self, key: int) -> int:
        """Value of `key`, 0 where it is absent."""
        return int(find(np.uint64(key), self.keys, self.values))

    def put(self, key: int, value: int) -> None:
        """Add a key that is absent."""
        self.make_room()
        insert(np.uint64(key), value, self.keys, self.values)
        self.size[0] += 1

    def make_room(self) -> None:
        """Move to larger arrays, if one key more would make these more than half full."""
        if has_room(self.keys, self.size):
            return
        keys, values = self.keys, self.values
        self.keys = np.zeros(2 * len(keys), np.uint64)
        self.values = np.zeros(2 * len(keys), np.int32)
        rehash(keys, values, self.keys, self.values)

    def remove(self, key: int) -> None:
        """Forget a key that is present."""
        erase(np.uint64(key), self.keys, self.values)
        self.size[0] -= 1


def aligned(rows: int, kind: np.dtype[Any]) -> NDArray[Any]:
    """Zeros whose rows, of 64 bytes each, begin where a line of the cache does; unused pages take no memory."""
    room = np.zeros(rows * kind.itemsize + _LINE, np.uint8)
    begin = -room.ctypes.data % _LINE
    return room[begin : begin + rows * kind.itemsize].view(kind)


@kernel
def position(wanted, among):
    """Where `wanted` first occurs in an array, -1 where it does not."""
    for i in range(len(among)):
        if among[i] == wanted:
            return i
    return -1


@kernel
def spread(key):
    """Mix the bits of a key (the finaliser of MurmurHash3)."""
    key = (key ^ (key >> np.uint64(33))) * np.uint64(0xFF51AFD7ED558CCD)
    key = (key ^ (key >> np.uint64(33))) * np.uint64(0xC4CEB9FE1A85EC53)
    return key ^ (key >> np.uint64(33))


@kernel
def find(key, keys, values):
    """Value of `key`, 0 where it is absent."""
    mask = len(keys) - 1
    at = np.int64(spread(key) & np.uint64(mask))
    while keys[at] != 0:
        if keys[at] == key:
            return values[at]
        at = (at + 1) & mask
    return np.int32(0)


@kernel
def has_room(keys, size):
    """Whether one key more leaves the table at most half full."""
    return 2 * (size[0] + 1) <= len(keys)


@kernel
def insert(key, value, keys, values):
    """Put `key` into the first free place of its run."""
    mask = len(keys) - 1
    at = np.int64(spread(key) & np.uint64(mask))
    while keys[at] != 0:
        at = (at + 1) & mask
    keys[at] = key
    values[at] = value


@kernel
def rehash(keys, values, larger_keys, larger_values):
    """Insert everything into the larger arrays."""
    for at in range(len(keys)):
        if keys[at] != 0:
            insert(keys[at], values[at], larger_keys, larger_values)


@kernel
def erase(key, keys, values):
    """Remove `key` and close the gap in its run (backward shift: no tombstones)."""
    mask = len(keys) - 1
    hole = np.int64(spread(key) & np.uint64(mask))
    while keys[hole] != key:
        hole = (hole + 1) & mask
    at = (hole + 1) & mask
    while keys[at] != 0:
        home = np.int64(spread(keys[at]) & np.uint64(mask))
        if ((at - home) & mask) >= ((at - hole) & mask):
            keys[hole] = keys[at]
            values[hole] = values[at]
            hole = at
        at = (at + 1) & mask
    keys[hole] = 0
    values[hole] = 0
