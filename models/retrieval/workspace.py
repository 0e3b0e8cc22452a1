"""The workspace: a row for every item that some retriever touched, with what each of them says about it.

It is the arrays `place`, `slots`, `value`, `found` and `size` of `models.retrieval.scratch`, whose rows are zero where
they are not in use. They have room for all that a request can touch, so that no one asks. While a request runs, the
number of rows in use goes from one kernel to the next, as `used`.
"""

from __future__ import annotations

from models.jit import kernel

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
    CODES,
) = range(16)
COLUMNS = 16
"""64 bytes, a line of the cache."""


@kernel
def reset(place, slots, value, found, size):
    """Untouch everything."""
    used = size[0]
    for i in range(used):
        place[slots[i]] = 0
    value[:used] = 0
    found[:used] = 0


@kernel
def touch(slot, used, place, slots):
    """Row of a slot, a new one at its first touch, and the number of rows in use then.

    Without a branch: whether an item is touched already is as good as random, and a wrong guess costs more than this.
    """
    row = place[slot] - 1
    new = row < 0
    row = used if new else row
    place[slot] = row + 1
    slots[row] = slot
    return row, used + new
