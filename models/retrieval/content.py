"""Items that hardly anybody has touched yet, found by how much their content is like what the user chose."""

from __future__ import annotations

import numpy as np

from models.jit import kernel
from models.retrieval.workspace import CONTENT, touch

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
def score_fresh(profile, fresh, met, generation, events, available, vector, place, slots, value, found, size):
    """Add the likeness of the items met last that few have touched, where it is positive."""
    if not profile.any():
        return
    for i in range(min(met, len(fresh))):
        reference = fresh[i]
        slot = reference & 0xFFFFFF
        if generation[slot] != reference >> 24 or events[slot] > FEW or not available[slot]:
            continue
        similar = np.float32(0)
        for d in range(len(profile)):
            similar += profile[d] * vector[slot, d]
        if similar > 0.1:
            row = touch(slot, place, slots, value, found, size)
            if row >= 0:
                value[row, CONTENT] = similar
