"""The workspace: a row for every item that some retriever touched, with what each of them says about it.

It is the arrays `place`, `slots`, `value`, `found` and `size` of `models.retrieval.scratch`.
"""

from __future__ import annotations

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
    OWN,
) = range(15)
COLUMNS = 16
"""One more than there are: 64 bytes, a cache line."""


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
        for column in range(COLUMNS):
            value[row, column] = 0
    return row
