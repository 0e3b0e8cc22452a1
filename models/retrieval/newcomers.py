"""Items that nobody has touched yet, by how readily their category is taken up, and by whom."""

from __future__ import annotations

import numpy as np

from models.jit import kernel
from models.knowledge.newcomers import NEWEST, age_class, prospect
from models.retrieval.tastes import OTHERS, TASTE
from models.retrieval.workspace import NEWCOMER, touch

_LATEST = 64  # of the items met last, whatever their category
_MOST = 256  # references tried of the categories: four full rings, those of the user's latest categories first
_UNHEARD = 1e-3  # share of all events that an unheard-of category may have


@kernel
def score_newcomers(
    kinds, category, shares, place_of, hot, newest, count, stock, adopted, stamp, readiness, usual, event,
    category_score, everything, fresh, met, generation, last_event, events, available, category_of, price, usual_price,
    place, slots, value, found, size,
):  # fmt: skip
    """Add the newcomers of the user's categories, of those whose newcomers were adopted last, and the newest of all.

    Parameters
    ----------
    kinds, category, shares, place_of : from `weigh`.
    hot, newest, count, stock, adopted, stamp, readiness : of `Newcomers`; usual : from `Newcomers.usual`.
    category_score, everything : popularity of the categories, and their sum.
    fresh, met : ring of the items met last.
    usual_price : of the user, nan where it is not known.
    """
    tried = 0
    for n in range(kinds + len(hot) + 1):
        c = 0
        if n < kinds:
            c = category[n]
        elif n < kinds + len(hot):
            c = hot[n - kinds]
            if place_of[c] > 0:
                continue
        if stock[c] < 1 or tried >= _MOST:
            continue
        tried += min(count[c], NEWEST)
        expected = demand(c, shares, place_of, stock, adopted, stamp, usual, event, category_score, everything)
        for back in range(min(count[c], NEWEST)):
            reference = newest[c, (count[c] - 1 - back) % NEWEST]
            slot = reference & 0xFFFFFF
            if generation[slot] == reference >> 24 and category_of[slot] == c:
                enter(
                    slot, expected, readiness, event, last_event, events, available, price, usual_price, place, slots,
                    value, found, size,
                )  # fmt: skip
    for back in range(min(met, _LATEST)):
        reference = fresh[(met - 1 - back) % len(fresh)]
        slot = reference & 0xFFFFFF
        if generation[slot] == reference >> 24 and events[slot] == 0:
            c = category_of[slot]
            expected = demand(c, shares, place_of, stock, adopted, stamp, usual, event, category_score, everything)
            enter(
                slot, expected, readiness, event, last_event, events, available, price, usual_price, place, slots,
                value, found, size,
            )  # fmt: skip


@kernel
def demand(c, shares, place_of, stock, adopted, stamp, usual, event, category_score, everything):
    """Adoptions that the next event promises one untouched item of category `c`, whatever its price and age."""
    expected = prospect(c, event, usual, adopted, stamp, stock)
    if c > 0:
        general = category_score[c] / everything
        taste = shares[place_of[c] - 1, TASTE] if place_of[c] > 0 else np.float32(0)
        expected *= (taste + OTHERS * (general + _UNHEARD)) / (general + _UNHEARD)
    return expected


@kernel
def enter(
    slot, expected, readiness, event, last_event, events, available, price, usual_price, place, slots, value, found,
    size,
):  # fmt: skip
    """Score one item, if it is an available newcomer."""
    if events[slot] > 0 or not available[slot]:
        return
    row = touch(slot, place, slots, value, found, size)
    if row < 0 or value[row, NEWCOMER] > 0:
        return
    distance = abs(price[slot] - usual_price)
    if not np.isnan(distance):
        expected /= 1 + distance
    value[row, NEWCOMER] = expected * readiness[age_class(event - last_event[slot])]
