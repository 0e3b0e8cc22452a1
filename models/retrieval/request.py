"""All of a request in one kernel: what Python calls costs as much as a small kernel takes, and there are a dozen."""

from __future__ import annotations

import numpy as np

from models.features import F
from models.jit import kernel
from models.knowledge.arrays import find
from models.knowledge.items import SLOT_BITS
from models.knowledge.popularity import SLOW_LIST
from models.retrieval import workspace as ws
from models.retrieval.codes import score_codes
from models.retrieval.content import describe, propose_alike
from models.retrieval.neighbours import score_neighbours
from models.retrieval.newcomers import propose_newcomers
from models.retrieval.own import locate, score_own
from models.retrieval.rows import item_features, moment_features, user_features
from models.retrieval.rules import score_rules, score_second
from models.retrieval.select import CANDIDATES, COLUMNS, CONTENT, NEWCOMERS, QUOTAS, choose, propose
from models.retrieval.tastes import weigh
from models.retrieval.workspace import reset, touch

_DEPTH_SESSION, _DEPTH_USER = 6.0, 12.0  # list positions at which a neighbour's vote weighs half
_SESSION_QUERY, _USER_QUERY = 8, 20
_NEARNESS = (1.0 / np.arange(1, _SESSION_QUERY + 1)).astype(np.float32)
_FADING = (0.9 ** np.arange(_USER_QUERY)).astype(np.float32)


@kernel
def answer(
    # scratch
    place, slots, value, found, size, own, order, taste_place, taste_category, shares, profile, lists, lengths, chosen,
    candidates, sources, numbers,
    # items, their codes, categories and content
    generation, price, born_s, last_event, events, purchases, repeats, available, before, after, followed, tried,
    category, follower, follower_weight, follower_total, vector, fresh, recent,
    # popularity and newcomers
    score, total, leaders, category_score, category_leaders,
    newest, announced, stock, adopted, stamp, hot, readiness,
    # pairs, sessions and users
    pair_row, partner, pair_weight, pair_total, pair_stamp,
    session_members, session_size, session_row, session_posted, session_count, session_overlap,
    user_members, user_size, user_row, user_posted, user_count, user_overlap, user_session,
    # what is replaced by larger arrays as it fills
    item_keys, item_values, user_keys, user_values, context, context_total, successor, successor_weight,
    # numbers of the knowledge
    event, session, met, slow, fast, catalogue, price_mean, usual, newcomers, usual_rate, within,
    # the user's record
    remembered, sequence, last, touched, count, interval, kinds, user, user_events, user_repeats, repeat_rate,
    # the request
    now_ms, opens, session_length, gap_s, asked, among, chooses, fill,
):  # fmt: skip
    """Run all sources, choose, and describe what was chosen; returns the number n of candidates.

    A new source is a line here and one in `SOURCES`.

    Parameters
    ----------
    own, order : int32[36], receive what `locate` finds.
    chosen, candidates, sources : int32, receive workspace rows, slots and `found` bits of the candidates.
    numbers : float32, receives the features [F, n] first; room for F + 2 numbers of each candidate.
    context, context_total, successor, successor_weight : of `SecondOrder`.
    usual : from `Newcomers.usual`; newcomers : whether there are any.
    usual_rate, within : share of events that repeat an own item, and of these within the session, of all users.
    remembered, sequence : `items` and `order` of the user's record.
    user_repeats, repeat_rate : share of the user's events that repeat an own item, as it is and smoothed.
    opens : whether an event now would open a session; session_length, gap_s : as of now.
    asked : category of the request, 0 for none.
    among : slots to take instead of choosing, unless `chooses`; fill : as `choose` takes it.
    """
    reset(place, slots, value, found, size)
    n_own, in_session = locate(remembered, sequence, item_keys, item_values, own, order)
    if opens:
        in_session = 0
    positions = order[:n_own]
    latest = own[positions]
    used = score_own(own, sequence, place, slots, value, 0)
    used = score_rules(
        latest, in_session, event, slow, fast, pair_row, partner, pair_weight, pair_total, pair_stamp, generation,
        place, slots, value, used,
    )  # fmt: skip
    if n_own >= 2 and latest[0] != 0 and latest[1] != 0:
        latest_one = np.int64(generation[latest[0]]) << SLOT_BITS | latest[0]
        one_before = np.int64(generation[latest[1]]) << SLOT_BITS | latest[1]
        used = score_second(
            one_before, latest_one, context, context_total, successor, successor_weight, generation,
            place, slots, value, used,
        )  # fmt: skip
    at = find(user, user_keys, user_values)
    used = score_neighbours(
        latest[: max(in_session, min(3, n_own))][:_SESSION_QUERY], _NEARNESS, events, session, user_session[at],
        ws.SESSION_KNN, _DEPTH_SESSION, session_members, session_size, session_row, session_posted, session_count,
        session_overlap, generation, place, slots, value, used,
    )  # fmt: skip
    used = score_neighbours(
        latest[:_USER_QUERY], _FADING, events, len(user_size) - 1, np.int64(at) if at > 0 else -1,
        ws.USER_KNN, _DEPTH_USER, user_members, user_size, user_row, user_posted, user_count,
        user_overlap, generation, place, slots, value, used,
    )  # fmt: skip
    used = score_codes(latest, in_session, before, after, followed, tried, place, slots, value, used)
    n_kinds, usual_price, all_counts = weigh(
        own, positions, in_session, user_events + 1, touched, count, category, price,
        follower, follower_weight, follower_total, taste_place, taste_category, shares,
    )  # fmt: skip
    describe(latest, vector, profile)
    if chooses:
        lengths[CONTENT] = propose_alike(
            profile, fresh, met, generation, events, available, vector, place, slots,
            lists[CONTENT, : QUOTAS[1, CONTENT]],
        )  # fmt: skip
        lengths[NEWCOMERS] = 0
        if newcomers:
            lengths[NEWCOMERS] = propose_newcomers(
                n_kinds, taste_category, shares, taste_place, hot, newest, announced, stock, adopted, stamp, readiness,
                usual, event, category_score, max(total[SLOW_LIST], 1e-9), fresh, met, generation, last_event, events,
                available, category, price, np.float64(usual_price), lists[NEWCOMERS, : QUOTAS[1, NEWCOMERS]],
            )  # fmt: skip
        propose(
            QUOTAS[1], latest, category, leaders, category_leaders, follower, follower_weight, recent, event,
            lists, lengths,
        )  # fmt: skip
        n, used = choose(
            COLUMNS, QUOTAS, leaders, fill, available, lists, lengths, place, slots, value, found, used,
            chosen[:CANDIDATES],
        )  # fmt: skip
    else:
        n = 0
        for slot in among:
            chosen[n], used = touch(slot, used, place, slots)
            n += 1
    size[0] = used
    rows = chosen[:n]
    for i in range(n):
        candidates[i] = slots[rows[i]]
    columns = numbers[: (F + 2) * n].reshape(F + 2, n)
    features, popular, share = columns[:F], columns[F], columns[F + 1]
    item_features(
        candidates[:n], now_ms // 1000, event, score, total, category_score, category, price, born_s, last_event,
        events, purchases, repeats, price_mean, catalogue, usual, adopted, stamp, stock, readiness, popular, share,
        features,
    )  # fmt: skip
    user_features(
        rows, candidates[:n], value, found, now_ms // 1000, user_events + 1, own, positions, in_session, touched, last,
        count, interval, kinds, user_repeats, category, price, taste_place, shares, np.float64(usual_price),
        np.float64(all_counts), category_score, asked, events, repeats, total, vector, profile, popular, share,
        repeat_rate, usual_rate, within, features,
    )  # fmt: skip
    bought = 1.0 if n_own > 0 and kinds[order[0]] & 4 else 0.0
    moment_features(session_length, gap_s, user_events, user_repeats, bought, features)
    for i in range(n):
        sources[i] = found[rows[i]]
    for i in range(n_kinds):
        taste_place[taste_category[i]] = 0
    return n
