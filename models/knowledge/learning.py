"""What one interaction teaches all tables, in one kernel: what Python calls costs as much as a small kernel takes."""

from __future__ import annotations

import numpy as np

from models.jit import kernel
from models.knowledge.arrays import position
from models.knowledge.categories import learn_category
from models.knowledge.codes import learn_codes
from models.knowledge.items import SLOT_BITS
from models.knowledge.neighbours import learn_posting
from models.knowledge.pairs import CONTEXT, learn_pairs
from models.knowledge.popularity import learn_popularity
from models.knowledge.second_order import learn_second
from models.knowledge.users import contains, last_items


@kernel
def learn_event(
    # items, their codes and categories
    generation, events, purchases, repeats, last_event, recent, before, after, followed, tried,
    category, follower, follower_weight, follower_total,
    # popularity
    half_lives, score, leader_place, leaders, origin, total, category_score, category_leaders,
    # pairs, sessions and users
    pair_row, pair_pool, partner, pair_weight, pair_total, pair_stamp,
    session_members, session_size, session_row, session_pool, session_posted, session_count,
    user_members, user_size, user_row, user_pool, user_posted, user_count,
    user_last_ms, user_session, user_session_size,
    # what is replaced by larger arrays as it fills
    context, context_total, successor, successor_weight,
    # the event
    slot, user, event, session, starts, purchase, timestamp_ms, slow, fast,
):  # fmt: skip
    """Learn from an event on item `slot` of user `user`, the slots of both.

    Parameters
    ----------
    half_lives : of the popularity lists; an argument, since compilers divide by constants in their own way.
    context, context_total, successor, successor_weight : of `SecondOrder`.
    event, session : their numbers; starts : whether the event opens the session.
    slow, fast : half lives of the pair weights, events.

    Returns
    -------
    Whether the user had touched the item before, whether in this session, and contexts taken of `SecondOrder`.
    """
    reference = np.int64(generation[slot]) << SLOT_BITS | slot
    if starts:
        session_size[session % len(session_size)] = 0
        user_session[user] = session
        user_session_size[user] = 0
    latest = np.empty(CONTEXT, np.int32)
    found, in_session = last_items(user, user_session_size[user], user_members, user_size, generation, latest)
    latest = latest[:found]
    learn_codes(slot, latest, in_session, before, after, followed, tried)
    learn_pairs(
        reference, latest, in_session, event, slow, fast, pair_row, pair_pool, partner, pair_weight, pair_total,
        pair_stamp,
    )  # fmt: skip
    taken = 0
    if found >= 2:
        taken = learn_second(
            np.int64(latest[1]), np.int64(latest[0]), reference, context, context_total, successor, successor_weight
        )
    if found > 0:
        category_before = category[latest[0] & 0xFFFFFF]
        learn_category(category_before, category[slot], follower, follower_weight, follower_total)
    repeated = contains(user, reference, user_members, user_size)
    learn_posting(user, user, reference, user_members, user_size, user_row, user_pool, user_posted, user_count)
    own = user_session[user]
    if own > session - len(session_size):  # else the ring has moved past an endless session
        learn_posting(
            own % len(session_size), own, reference, session_members, session_size, session_row, session_pool,
            session_posted, session_count,
        )  # fmt: skip
    learn_popularity(
        slot, category[slot], starts, event, half_lives, score, leader_place, leaders, origin, total, category_score,
        category_leaders,
    )  # fmt: skip
    events[slot] += 1
    purchases[slot] += purchase
    repeats[slot] += repeated
    last_event[slot] = event
    user_last_ms[user] = max(user_last_ms[user], timestamp_ms)
    user_session_size[user] += 1
    recent[event % len(recent)] = slot
    return repeated, position(reference, latest[:in_session]) >= 0, taken
