"""What the user is after, as shares of categories: by history, by session, and by what usually comes next."""

from __future__ import annotations

import numpy as np

from models.jit import kernel
from models.knowledge.categories import FOLLOWERS
from models.user_state import ITEMS

LIKES, SESSION, NEXT, TASTE = range(4)
_BLEND = np.array([0.35, 0.25, 0.25], np.float32)  # of the three shares; the rest is the category's share of all events
OTHERS = float(1 - _BLEND.sum())
KINDS = ITEMS + FOLLOWERS
FADING = 0.97  # of an item's weight at each event of the user


@kernel
def weigh(
    own, context, in_session, user_event, touched, count, item_category, price, follower, weight, total,
    place, category, shares,
):  # fmt: skip
    """Fill the shares.

    Parameters
    ----------
    own, context, in_session : from `locate`.
    user_event : number of the user's next event.
    touched, count : of the user's record, by position.
    follower, weight, total : of `Categories`.
    place : int32[categories], zero; receives the 1-based row of each of the user's categories in the next two.
    category : int32[KINDS].
    shares : float32[KINDS, 4], columns LIKES, SESSION, NEXT, and their blend TASTE.

    Returns
    -------
    Number of rows in use, the user's usual price (nan where it is not known), and the sum of all weights.
    """
    spent = np.float32(0)
    priced = np.float32(0)
    everything = np.float32(1e-9)
    kinds = 0
    shares[:] = 0
    likes = np.float32(1e-9)
    session = np.float32(1e-9)
    for i in range(len(context)):
        position = context[i]
        slot = own[position]
        strength = np.float32(count[position] * FADING ** (user_event - touched[position]))
        everything += strength
        c = item_category[slot]
        if slot > 0 and price[slot] == price[slot]:
            spent += strength * price[slot]
            priced += strength
        if slot == 0 or c == 0:
            continue
        at = place[c] - 1
        if at < 0:
            at = kinds
            kinds += 1
            place[c] = kinds
            category[at] = c
        shares[at, LIKES] += strength
        likes += strength
        if i < in_session:
            shares[at, SESSION] += np.float32(1)
            session += np.float32(1)
    last = item_category[own[context[0]]] if len(context) > 0 else 0
    if last > 0:
        for j in range(follower.shape[1]):
            c = follower[last, j]
            if c == 0:
                continue
            at = place[c] - 1
            if at < 0:
                at = kinds
                kinds += 1
                place[c] = kinds
                category[at] = c
            shares[at, NEXT] = weight[last, j] / (total[last] + np.float32(1))
    for at in range(kinds):
        shares[at, LIKES] /= likes
        shares[at, SESSION] /= session
        for source in range(3):
            shares[at, TASTE] += _BLEND[source] * shares[at, source]
    return kinds, spent / priced if priced > 0.5 else np.float32(np.nan), everything
