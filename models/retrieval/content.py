"""Items that hardly anybody has touched yet, found by how much their content is like what the user chose."""

from __future__ import annotations

import numpy as np

from models.jit import kernel
from models.knowledge.content import DIMENSIONS, SCALE
from models.retrieval.best import enter, order_of

FEW = 5
"""Events up to which an item needs its content to be found; after that the rules know it."""
PROFILE_ITEMS = 5


@kernel
def describe(own, vector, profile):
    """Write the unit content vector of the user's latest items into `profile`, zero where nothing is known."""
    profile[:] = 0
    for i in range(min(len(own), PROFILE_ITEMS)):
        for d in range(len(profile)):
            profile[d] += vector[own[i], d] / (i + 1)
    norm = np.float32(0)
    for d in range(len(profile)):
        norm += profile[d] * profile[d]
    if norm > 0:
        profile /= np.sqrt(norm)


@kernel
def likeness(profile, vector, slot):
    """Inner product of a unit vector and that of an item."""
    product = np.float32(0)
    for d in range(DIMENSIONS):
        product += profile[d] * np.float32(vector[slot, d])
    return product * np.float32(1 / SCALE)


@kernel
def propose_alike(profile, fresh, met, generation, events, available, vector, place, slots, out):
    """Fill `out` with the most alike, best first, of the items met last that few have touched; returns their number.

    Of equally alike ones those come first that other sources have touched, in the order of the workspace.
    """
    if not profile.any():
        return 0
    keys = np.empty(len(out), np.uint64)
    n = 0
    for i in range(min(met, len(fresh))):
        reference = fresh[i]
        slot = reference & 0xFFFFFF
        if generation[slot] != reference >> 24 or events[slot] > FEW or not available[slot]:
            continue
        similar = likeness(profile, vector, slot)
        if similar > 0.1:
            row = place[slot] - 1
            n = enter(similar, row if row >= 0 else len(slots) + i, keys, n)
    for i in range(n):
        order = order_of(keys[i])
        out[i] = slots[order] if order < len(slots) else fresh[order - len(slots)] & 0xFFFFFF
    return n
