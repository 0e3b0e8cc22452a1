"""Rules read from the pair table and the second-order table, for the last item, the session and the history.

A probability is weight / (total + prior): what was seen once is not certain. Decay cancels but in the evidence.
"""

from __future__ import annotations

import numpy as np

from models.jit import kernel
from models.knowledge.pairs import BACK, CROSS, FAST, NEXT, SLOW
from models.knowledge.second_order import SUCCESSORS, find_second
from models.retrieval.workspace import (
    BACK_HISTORY,
    BACK_LAST,
    CROSS_HISTORY,
    CROSS_LAST,
    FAST_LAST,
    FAST_RECENT,
    NEXT_LAST,
    SECOND,
    SLOW_BEFORE,
    SLOW_LAST,
    SLOW_RECENT,
    touch,
)

PRIOR = 1.0
_HARMONIC = np.array(  # 1 + 1/2 + ... + 1/n, of none to ten terms, to the last bit as the first releases summed them
    [1e-9, 1.0, 1.5, 1.8333334, 2.0833335, 2.2833335, 2.4500003, 2.5928574, 2.7178571, 2.8289683, 2.9289682], np.float32
)
RULE_ITEMS = len(_HARMONIC) - 1


@kernel
def score_rules(
    context,
    in_session,
    event,
    slow,
    fast,
    rows,
    partner,
    weight,
    total,
    stamp,
    generation,
    place,
    slots,
    value,
    used,
):
    """Add the rules of up to ten items; returns the rows in use.

    Parameters
    ----------
    context : int32, the user's distinct items, latest first (slots; 0 is unknown here).
    in_session : how many of them belong to the session.
    """
    n = min(len(context), RULE_ITEMS)
    norm_history = _HARMONIC[n]
    norm_session = np.float32(1e-9)
    for i in range(n):
        if i < in_session:
            norm_session += np.float32(1.0 / (i + 1))
    for i in range(n):
        slot = context[i]
        if slot == 0 or total[slot, CROSS] + total[slot, BACK] == 0:
            continue
        elapsed = event - stamp[slot]
        kept_slow = np.float32(2.0 ** (-elapsed / slow))
        kept_fast = np.float32(2.0 ** (-elapsed / fast))
        prior = np.float32(PRIOR)
        next_scale = kept_slow / (total[slot, NEXT] * kept_slow + prior)
        slow_scale = kept_slow / (total[slot, SLOW] * kept_slow + prior)
        fast_scale = kept_fast / (total[slot, FAST] * kept_fast + prior)
        cross_scale = kept_slow / (total[slot, CROSS] * kept_slow + prior)
        back_scale = kept_slow / (total[slot, BACK] * kept_slow + prior)
        history = np.float32(1.0 / (i + 1)) / norm_history
        session = np.float32(1.0 / (i + 1)) / norm_session if i < in_session else np.float32(0)
        start, width = rows[slot, 0], rows[slot, 1]
        for cell in range(start, start + width):
            reference = partner[cell]
            if reference == 0:
                break
            target = reference & 0xFFFFFF
            if generation[target] != reference >> 24:
                continue
            at, used = touch(target, used, place, slots)
            p_next = weight[cell, NEXT] * next_scale
            p_slow = weight[cell, SLOW] * slow_scale
            p_fast = weight[cell, FAST] * fast_scale
            p_cross = weight[cell, CROSS] * cross_scale
            p_back = weight[cell, BACK] * back_scale
            if i == 0:
                value[at, NEXT_LAST] = p_next
                value[at, SLOW_LAST] = p_slow
                value[at, FAST_LAST] = p_fast
                value[at, CROSS_LAST] = p_cross
                value[at, BACK_LAST] = p_back
            if i == 1:
                value[at, SLOW_BEFORE] = p_slow if i < in_session else p_cross
            if i < in_session:
                value[at, SLOW_RECENT] += p_slow * session
                value[at, FAST_RECENT] += p_fast * session
            value[at, CROSS_HISTORY] += p_cross * history
            value[at, BACK_HISTORY] += p_back * history
    return used


@kernel
def score_second(before, last, context, total, successor, weight, generation, place, slots, value, used):
    """Add what followed the last two items; `before` and `last` are references. Returns the rows in use."""
    at = find_second(before, last, context)
    if at < 0:
        return used
    for i in range(SUCCESSORS):
        reference = successor[at, i]
        if reference == 0:
            break
        slot = reference & 0xFFFFFF
        if generation[slot] != reference >> 24:
            continue
        row, used = touch(slot, used, place, slots)
        value[row, SECOND] = weight[at, i] / (total[at] + np.float32(PRIOR))
    return used
