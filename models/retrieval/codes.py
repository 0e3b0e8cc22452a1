"""What lies beside the user's latest items in the order of the ids."""

from __future__ import annotations

from models.jit import kernel
from models.knowledge.codes import LATEST, REACH, chance
from models.retrieval.workspace import CODES, touch

TOUCHED = LATEST * 2 * REACH
"""Items, at most."""


@kernel
def score_codes(latest, in_session, before, after, followed, tried, place, slots, value, used):
    """Add the chances of the neighbours; returns the rows in use.

    Parameters
    ----------
    latest : int32, the user's distinct items, latest first (slots; 0 is unknown here).
    in_session : how many of them belong to the session.
    before, after, followed, tried : of `Codes`.
    """
    for i in range(min(len(latest), LATEST)):
        within = 1 if i < in_session else 0
        left = right = latest[i]
        for step in range(REACH):
            left, right = before[left], after[right]
            if left > 0:
                row, used = touch(left, used, place, slots)
                value[row, CODES] += chance(within, i, 2 * step, followed, tried)
            if right > 0:
                row, used = touch(right, used, place, slots)
                value[row, CODES] += chance(within, i, 2 * step + 1, followed, tried)
    return used
