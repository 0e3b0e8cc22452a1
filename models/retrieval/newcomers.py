"""Items that nobody has touched yet, by how readily their category is taken up, and by whom."""

from __future__ import annotations

import numpy as np

from models.jit import kernel
from models.knowledge.arrays import position
from models.knowledge.newcomers import NEWEST, age_class, prospect
from models.retrieval.best import enter, order_of
from models.retrieval.tastes import OTHERS, TASTE

_LATEST = 64  # of the items met last, whatever their category
_MOST = 256  # references tried of the categories: four full rings, those of the user's latest categories first
_UNHEARD = 1e-3  # share of all events that an unheard-of category may have


@kernel
def propose_newcomers(
    kinds, category, shares, place_of, hot, newest, count, stock, adopted, stamp, readiness, usual, event,
    category_score, everything, fresh, met, generation, last_event, events, available, category_of, price, usual_price,
    out,
):  # fmt: skip
    """Propose newcomers of the user's categories, of those whose newcomers were adopted last, and the newest of all.

    Parameters
    ----------
    kinds, category, shares, place_of : from `weigh`.
    hot, newest, count, stock, adopted, stamp, readiness : of `Newcomers`; usual : from `Newcomers.usual`.
    category_score, everything : popularity of the categories, and their sum.
    fresh, met : ring of the items met last.
    usual_price : of the user, nan where it is not known.
    out : int32, receives the slots, best first.

    Returns
    -------
    Number of slots in `out`.
    """
    met_slot = np.empty(_MOST + NEWEST + _LATEST, np.int32)
    expected = np.empty(len(met_slot))
    m = 0
    rings = np.empty(kinds + len(hot) + 1, np.int32)  # categories looked through
    seen = 0
    tried = 0
    for k in range(len(rings)):
        c = 0
        if k < kinds:
            c = category[k]
        elif k < kinds + len(hot):
            c = hot[k - kinds]
            if place_of[c] > 0:
                continue
        if stock[c] < 1 or tried >= _MOST:
            continue
        tried += min(count[c], NEWEST)
        if position(c, rings[:seen]) >= 0:
            continue
        rings[seen] = c
        seen += 1
        promised = demand(c, shares, place_of, stock, adopted, stamp, usual, event, category_score, everything)
        for back in range(min(count[c], NEWEST)):
            reference = newest[c, (count[c] - 1 - back) % NEWEST]
            slot = reference & 0xFFFFFF
            if generation[slot] == reference >> 24 and category_of[slot] == c:
                met_slot[m] = slot
                expected[m] = promised
                m += 1
    for back in range(min(met, _LATEST)):
        reference = fresh[(met - 1 - back) % len(fresh)]
        slot = reference & 0xFFFFFF
        c = category_of[slot]
        if generation[slot] == reference >> 24 and events[slot] == 0 and position(c, rings[:seen]) < 0:
            met_slot[m] = slot
            expected[m] = demand(c, shares, place_of, stock, adopted, stamp, usual, event, category_score, everything)
            m += 1
    keys = np.empty(len(out), np.uint64)
    n = 0
    for i in range(m):
        slot = met_slot[i]
        if events[slot] > 0 or not available[slot]:
            continue
        promised = expected[i]
        distance = abs(price[slot] - usual_price)
        if not np.isnan(distance):
            promised /= 1 + distance
        score = np.float32(promised * readiness[age_class(event - last_event[slot])])
        if score > 0:
            n = enter(score, i, keys, n)
    for i in range(n):
        out[i] = met_slot[order_of(keys[i])]
    return n


@kernel
def demand(c, shares, place_of, stock, adopted, stamp, usual, event, category_score, everything):
    """Adoptions that the next event promises one untouched item of category `c`, whatever its price and age."""
    expected = prospect(c, event, usual, adopted, stamp, stock)
    if c > 0:
        general = category_score[c] / everything
        taste = shares[place_of[c] - 1, TASTE] if place_of[c] > 0 else np.float32(0)
        expected *= (taste + OTHERS * (general + _UNHEARD)) / (general + _UNHEARD)
    return expected
