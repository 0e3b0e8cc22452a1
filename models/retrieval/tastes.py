"""What the user is after, as shares of categories: by history, by session, and by what usually comes next."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.jit import kernel
from models.knowledge import Knowledge
from models.knowledge.categories import FOLLOWERS
from models.user_state import ITEMS, UserState

LIKES, SESSION, NEXT, TASTE = range(4)
_BLEND = np.array([0.35, 0.25, 0.25], np.float32)  # of the three shares; the rest is the category's share of all events
OTHERS = float(1 - _BLEND.sum())
KINDS = ITEMS + FOLLOWERS
FADING = 0.97  # of an item's weight at each event of the user


class Tastes:
    """Scratch of one request.

    Attributes
    ----------
    place : int32[categories], 1-based row of a category below, 0 where the user has nothing to do with it.
    category : int32[KINDS].
    shares : float32[KINDS, 4], columns LIKES, SESSION, NEXT, and their blend TASTE.
    kinds : rows in use.
    usual_price : mean log price of what the user chose, nan where it is not known.
    all_counts : sum of the weights of the user's items.
    """

    def __init__(self, categories: int) -> None:
        self.place = np.zeros(categories, np.int32)
        self.category = np.zeros(KINDS, np.int32)
        self.shares = np.zeros((KINDS, 4), np.float32)
        self.kinds = 0
        self.usual_price = np.float32(np.nan)
        self.all_counts = np.float32(0)

    def take(
        self,
        knowledge: Knowledge,
        state: UserState,
        own: NDArray[np.int32],
        context: NDArray[np.int32],
        in_session: int,
    ) -> None:
        """Weigh what the user did; the former request is forgotten."""
        items, categories = knowledge.items, knowledge.categories
        self.place[self.category[: self.kinds]] = 0
        self.kinds, self.usual_price, self.all_counts = weigh(
            own,
            context,
            in_session,
            state.events + 1,
            state.touched,
            state.count,
            items.category,
            items.price,
            categories.follower,
            categories.weight,
            categories.total,
            self.place,
            self.category,
            self.shares,
        )


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

    Returns
    -------
    Number of categories, the user's usual price (nan where it is not known), and the sum of all weights.
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
