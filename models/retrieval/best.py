"""The best of many, by insertion into a short row of keys: most fail at the first comparison.

A key is one number, the bits of a positive score above those of the order: of equal scores the one entered with the
lower order is the better.
"""

from __future__ import annotations

import numpy as np

from models.jit import kernel

_LOW = np.uint64(0xFFFFFFFF)


@kernel
def enter(score, order, keys, n):
    """Enter a positive float32 score into keys[:n], best first, the worst of which gives way; returns their number."""
    key = np.uint64(np.float32(score).view(np.uint32)) << np.uint64(32) | _LOW - np.uint64(order)
    if n < len(keys):
        at = n
        n += 1
    elif key > keys[n - 1]:
        at = n - 1
    else:
        return n
    while at > 0 and keys[at - 1] < key:
        keys[at] = keys[at - 1]
        at -= 1
    keys[at] = key
    return n


@kernel
def order_of(key):
    """With which order a key was entered."""
    return np.int64(_LOW - (key & _LOW))


@kernel
def score_of(key):
    """With which score a key was entered."""
    return np.uint32(key >> np.uint64(32)).view(np.float32)
