"""Scratch of one request: every item that some retriever touched, with what each retriever says about it."""

from __future__ import annotations

import numpy as np

from models.jit import kernel

TOUCHED = 12_288
(
    NEXT_LAST,
    SLOW_LAST,
    FAST_LAST,
    CROSS_LAST,
    BACK_LAST,
    SLOW_BEFORE,
    SLOW_RECENT,
    FAST_RECENT,
    CROSS_HISTORY,
    BACK_HISTORY,
    SECOND,
    OWN_NEXT,
    SESSION_KNN,
    USER_KNN,
    CONTENT,
    NEWCOMER,
    OWN,
) = range(17)
COLUMNS = 17


class Workspace:
    """Sparse accumulators over item slots; reused from request to request.

    Parameters
    ----------
    rows : item slots.

    Attributes
    ----------
    place : int32[rows], 1-based row of a slot in the arrays below, 0 where it is untouched.
    slots : int32[TOUCHED], slots touched, in the order of the first touch; further ones are ignored.
    value : float32[TOUCHED, COLUMNS], one column per retriever score.
    found : int32[TOUCHED], bit s set where source s proposed the item.
    size : int64[1], rows in use.
    """

    def __init__(self, rows: int) -> None:
        self.place = np.zeros(rows, np.int32)
        self.slots = np.zeros(TOUCHED, np.int32)
        self.value = np.zeros((TOUCHED, COLUMNS), np.float32)
        self.found = np.zeros(TOUCHED, np.int32)
        self.size = np.zeros(1, np.int64)

    def begin(self) -> None:
        """Forget the former request."""
        reset(self.place, self.slots, self.size)


@kernel
def reset(place, slots, size):
    """Untouch everything."""
    for i in range(size[0]):
        place[slots[i]] = 0
    size[0] = 0


@kernel
def touch(slot, place, slots, value, found, size):
    """Row of a slot, a new one at its first touch; -1 when there is no more room."""
    row = place[slot] - 1
    if row < 0:
        row = size[0]
        if row == len(slots):
            return -1
        size[0] = row + 1
        place[slot] = row + 1
        slots[row] = slot
        found[row] = 0
        for column in range(value.shape[1]):
            value[row, column] = 0
    return row
