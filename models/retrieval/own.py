"""The user's own items: those of the private record that are known here, and what they chose next the last time."""

from __future__ import annotations

import numpy as np

from models.jit import kernel
from models.knowledge.arrays import find
from models.retrieval.workspace import OWN, OWN_NEXT, touch


@kernel
def locate(items, order, keys, values, own, context):
    """Find the slots of the remembered items.

    Parameters
    ----------
    items : uint64[36] hashes; order : their sequence, bit 7 begins a session.
    own : int32[36], receives the slot of each remembered item (0 is unknown).
    context : int32[36], receives positions in `items` of distinct items, latest first.

    Returns
    -------
    Number of distinct items, and how many of them belong to the latest session.
    """
    for i in range(len(items)):
        own[i] = find(items[i], keys, values) if items[i] != 0 else 0
    n = 0
    in_session = -1
    for back in range(len(order)):
        entry = order[len(order) - 1 - back]
        position = entry & 127
        known = False
        for i in range(n):
            if context[i] == position:
                known = True
                break
        if not known and n < len(context):
            context[n] = position
            n += 1
        if entry >= 128 and in_session < 0:
            in_session = n
    return n, in_session if in_session >= 0 else n


@kernel
def score_own(own, order, place, slots, value, used):
    """Touch the user's own items and what followed the last one in the user's own sequence; returns the rows in use."""
    for i in range(len(own)):
        if own[i] != 0:
            row, used = touch(own[i], used, place, slots)
            value[row, OWN] = i + 1
    if len(order) == 0:
        return used
    last = order[len(order) - 1] & 127
    strength = np.float32(1)
    for back in range(1, len(order)):
        i = len(order) - 1 - back
        if order[i] & 127 == last:
            slot = own[order[i + 1] & 127]
            if slot != 0 and place[slot] != 0:
                value[place[slot] - 1, OWN_NEXT] += strength
                strength *= np.float32(0.7)
    return used
