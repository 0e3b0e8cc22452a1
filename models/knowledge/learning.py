"""What interactions teach all tables, a run of them in one kernel: to call it costs as much as to learn from one."""

from __future__ import annotations

import numpy as np

from models.interaction import EventType
from models.jit import kernel
from models.knowledge.arrays import find, position
from models.knowledge.categories import learn_category
from models.knowledge.codes import learn_codes
from models.knowledge.items import SLOT_BITS
from models.knowledge.neighbours import learn_posting
from models.knowledge.pairs import CONTEXT, learn_pairs
from models.knowledge.popularity import learn_popularity
from models.knowledge.second_order import learn_second
from models.knowledge.users import contains, last_items, user_slot
from models.user_state import HASH_MASK, SESSION_IDLE_MS

_PURCHASE = int(EventType.PURCHASE)


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


@kernel
def learn_price(slot, price, count, mean, item_price):
    """Take the price of an item; returns how many have come, and the mean of the latest of them, as logarithms."""
    logged = np.log1p(price)
    item_price[slot] = logged
    count += 1
    return count, mean + (logged - mean) / min(count, 10_000)


@kernel
def learn_run(
    # items, their codes and categories
    generation, events, purchases, repeats, last_event, recent, price, before, after, followed, tried,
    category, follower, follower_weight, follower_total,
    # popularity
    half_lives, score, leader_place, leaders, origin, total, category_score, category_leaders,
    # pairs, sessions and users
    pair_row, pair_pool, partner, pair_weight, pair_total, pair_stamp,
    session_members, session_size, session_row, session_pool, session_posted, session_count,
    user_members, user_size, user_row, user_pool, user_posted, user_count,
    user_table_size, user_roll, user_hashes, user_last_ms, user_session, user_session_size,
    # what is replaced by larger arrays as it fills
    item_keys, item_slots, user_keys, user_slots, context, context_total, successor, successor_weight,
    # the run
    rows, categories, at, ready, event, session, rescale_after, room, prices, usual_price, slow, fast,
):  # fmt: skip
    """Learn from interactions until one needs what only Python does.

    That is the first event on an item, another category than before, weights of popularity that must be brought back,
    and a table that must grow.

    Parameters
    ----------
    rows, categories : `ROW` of each interaction, and the numbers of the categories, -1 where there is none yet.
    at, ready : the first to learn from, and the one for which Python has done its part.
    event, session : numbers given so far.
    rescale_after : event number beyond which weights must be brought back.
    room : contexts of `SecondOrder` that may be taken before it must grow.
    prices, usual_price : how many have come, and their mean.

    Returns
    -------
    How far it came; session, prices and usual price as of then; events on an item that the user had touched before, and
    in the same session; contexts taken of `SecondOrder`.
    """
    repeated = 0
    repeated_in_session = 0
    taken = 0
    while at < len(rows) and taken <= room:
        row = rows[at]
        key = row.item & np.uint64(HASH_MASK)
        slot = np.int64(find(key if key != 0 else np.uint64(1), item_keys, item_slots))
        if at != ready and (
            slot == 0
            or events[slot] == 0
            or (categories[at] != 0 and categories[at] != category[slot])
            or event >= rescale_after
        ):
            break
        user = user_slot(
            row.user if row.user != 0 else np.uint64(1), user_keys, user_slots, user_table_size, user_roll, user_hashes,
            user_last_ms, user_session, user_session_size, user_size,
        )  # fmt: skip
        if user == 0:
            break
        if not np.isnan(row.price):
            prices, usual_price = learn_price(slot, row.price, prices, usual_price, price)
        starts = user_size[user] == 0 or row.timestamp_ms - user_last_ms[user] > SESSION_IDLE_MS
        event += 1
        session += starts
        again, in_session, contexts = learn_event(
            generation, events, purchases, repeats, last_event, recent, before, after, followed, tried, category,
            follower, follower_weight, follower_total, half_lives, score, leader_place, leaders, origin, total,
            category_score, category_leaders, pair_row, pair_pool, partner, pair_weight, pair_total, pair_stamp,
            session_members, session_size, session_row, session_pool, session_posted, session_count, user_members,
            user_size, user_row, user_pool, user_posted, user_count, user_last_ms, user_session, user_session_size,
            context, context_total, successor, successor_weight, slot, user, event, session, starts,
            row.event_type == _PURCHASE, row.timestamp_ms, slow, fast,
        )  # fmt: skip
        repeated += again
        repeated_in_session += in_session
        taken += contexts
        at += 1
    return at, session, prices, usual_price, repeated, repeated_in_session, taken
