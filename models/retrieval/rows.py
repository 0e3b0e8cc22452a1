"""The raw feature row of every candidate, in the order of `models.features.FEATURES`."""

from __future__ import annotations

import numpy as np

from models.jit import kernel, log
from models.knowledge.newcomers import HALF_LIFE, age_class, prospect
from models.retrieval import workspace as ws
from models.retrieval.tastes import FADING, LIKES, NEXT, OTHERS, SESSION, TASTE

# How likely each source alone is right, where the user does not repeat an own item.
_MIX_NEXT, _MIX_RECENT, _MIX_HISTORY, _MIX_POPULAR = 0.35, 0.2, 0.1, 0.35
_FLOOR = 1e-6  # share of all events below which popularity is not told apart


@kernel
def rule(probability):
    """Compress a probability."""
    return log(np.float32(1) + np.float32(50) * probability) if probability > 0 else np.float32(0)


@kernel
def lift(probability, share):
    """How many times more probable than by its share of events, log, 0 without evidence, at most 6."""
    if probability <= 0:
        return np.float32(0)
    return min(max(log(probability / (share + np.float32(1e-4))), np.float32(-2)), np.float32(6))


@kernel
def item_features(
    slots, now_ms, event, score, total, category_score, category, price, born_ms, last_event, events, purchases,
    repeats, price_mean, catalogue, usual, adopted, stamp, stock, readiness, popular, out,
):  # fmt: skip
    """Fill the columns that depend on the item alone.

    An item that nobody has touched is as popular as is expected of a newcomer of its category.

    Parameters
    ----------
    score, total, category_score : of `Popularity`, of one scale each.
    usual, adopted, stamp, stock, readiness : of `Newcomers`.
    popular : float32[n], receives the share of all events that is expected of the item.
    """
    held = max((1 - 2.0 ** (-event / HALF_LIFE)) * HALF_LIFE / 0.6931471805599453, 1.0)  # events remembered
    everything = max(total[2], 1e-9)
    for i in range(len(slots)):
        slot = slots[i]
        fast = score[slot, 0] / max(total[0], 1e-9)
        mid = score[slot, 1] / max(total[1], 1e-9)
        slow = score[slot, 2] / everything
        start = score[slot, 3] / max(total[3], 1e-9)
        c = category[slot]
        seen = events[slot]
        if seen == 0:
            slow = mid = fast = start = (
                prospect(c, event, usual, adopted, stamp, stock) * readiness[age_class(event - last_event[slot])] / held
            )
        popular[i] = 0.5 * (slow + mid)
        row = out[i]
        row[0] = log(slow + _FLOOR)
        row[1] = log(mid + _FLOOR)
        row[2] = log(fast + 1e-5)
        row[3] = log((fast + 2e-4) / (mid + 2e-4))
        row[4] = log((mid + 2e-5) / (slow + 2e-5))
        row[5] = log(start + _FLOOR)
        row[6] = log(min(slow / max(category_score[c] / everything, 1e-9), 1.0) + 1e-4) if c > 0 else row[0]
        row[7] = log(1.0 + event - last_event[slot])
        row[8] = log(1.0 + max(now_ms - born_ms[slot], 0) / 3_600_000)
        row[9] = log(1.0 + seen)
        row[10] = purchases[slot] / (seen + 1)
        row[40] = repeats[slot] / (seen + 3)
        row[46] = log(category_score[c] / everything + 1e-4) if c > 0 else -4.0
        row[50] = price[slot] - price_mean if price[slot] == price[slot] else 0.0
        row[52] = 1.0 / (1.0 + seen)
        row[58] = log(1.0 + catalogue)


@kernel
def user_features(
    rows, slots, value, found, now_s, user_event, own, context, in_session, touched, last, count, interval, kinds,
    user_repeats, category, price, place_of, shares, usual_price, all_counts, category_score, asked, events, repeats,
    score, total, vector, profile, popular, repeat_rate, usual_rate,
    within, out,
):  # fmt: skip
    """Fill the columns that depend on the user.

    Parameters
    ----------
    rows : workspace row of each candidate.
    own, context, in_session : from `locate`.
    user_event : number of the user's next event.
    touched, last, count, interval, kinds : of the user's record, by position.
    place_of, shares, usual_price, all_counts : from `weigh`.
    popular : from `item_features`.
    repeat_rate, usual_rate : share of events that repeat an own item, of this user (smoothed) and of all.
    within : share of the repeats that come within the session.
    profile : unit content vector of the user's latest items.
    asked : category of the request, 0 for none.
    """
    n_own = len(context)
    last_slot = own[context[0]] if n_own > 0 else 0
    last_category = category[last_slot]
    everything = max(total[2], 1e-9)
    for i in range(len(rows)):
        slot = slots[i]
        v = value[rows[i]]
        share = np.float32(score[slot, 2] / everything)
        row = out[i]
        row[11] = rule(v[ws.NEXT_LAST])
        row[12] = lift(v[ws.NEXT_LAST], share)
        row[13] = rule(v[ws.SLOW_LAST])
        row[14] = rule(v[ws.FAST_LAST])
        row[15] = rule(v[ws.CROSS_LAST])
        row[16] = rule(v[ws.BACK_LAST])
        row[17] = rule(v[ws.SLOW_BEFORE])
        row[18] = rule(v[ws.SLOW_RECENT])
        row[19] = rule(v[ws.FAST_RECENT])
        row[20] = lift(v[ws.SLOW_RECENT], share)
        row[21] = rule(v[ws.CROSS_HISTORY])
        row[22] = lift(v[ws.CROSS_HISTORY], share)
        row[23] = rule(v[ws.SECOND])
        row[24] = v[ws.OWN_NEXT]
        row[25] = rule(v[ws.SESSION_KNN])
        row[26] = lift(v[ws.SESSION_KNN], share)
        row[27] = rule(v[ws.USER_KNN])
        row[28] = lift(v[ws.USER_KNN], share)
        row[29:40] = 0
        again = np.float32(0)
        row[41] = 0
        position = int(v[ws.OWN]) - 1
        if position >= 0:
            strength = count[position] * FADING ** (user_event - touched[position])
            since_s = max(now_s - last[position], 0)
            rank = n_own
            for j in range(n_own):
                if context[j] == position:
                    rank = j
                    break
            row[29] = 1.0
            row[30] = log(1.0 + strength)
            row[31] = strength / all_counts
            row[32] = 1.0 / (user_event - touched[position])
            row[33] = 1.0 / (1.0 + rank)
            row[34] = log(1.0 + since_s / 3600.0)
            row[35] = 1.0 if kinds[position] & 4 else 0.0
            row[36] = 1.0 if rank < in_session else 0.0
            row[37] = 1.0 if rank == 0 else 0.0
            row[38] = user_repeats
            row[39] = repeats[slot] / (events[slot] + 3.0)
            again = row[31] if in_session == 0 else row[31] * 2 * (within if rank < in_session else 1 - within)
            again *= (repeats[slot] + 3.0 * usual_rate) / ((events[slot] + 3.0) * usual_rate)
            if interval[position] > 0:
                row[41] = min(
                    max((8.0 / 0.6931471805599453 * log(1.0 + since_s) - interval[position]) / 16.0, -3.0), 3.0
                )
        c = category[slot]
        row[42] = 1.0 if c > 0 and c == last_category else 0.0
        row[43] = 0
        row[44] = 0
        row[45] = 0
        taste = np.float32(0)
        at = place_of[c] - 1 if c > 0 else -1
        if at >= 0:
            row[43] = shares[at, LIKES]
            row[44] = shares[at, SESSION]
            row[45] = rule(shares[at, NEXT])
            taste = shares[at, TASTE]
        liking = np.float32(1)  # how many times more likely than usual the category is
        row[61] = -4
        if c > 0:
            general = category_score[c] / everything + 1e-4
            taste += OTHERS * general
            row[61] = log(taste)
            liking = taste / general
        row[62] = log(
            repeat_rate * again
            + (1 - repeat_rate)
            * (
                _MIX_NEXT * v[ws.NEXT_LAST]
                + _MIX_RECENT * v[ws.SLOW_RECENT]
                + _MIX_HISTORY * v[ws.CROSS_HISTORY]
                + _MIX_POPULAR * popular[i] * liking
            )
            + _FLOOR
        )
        row[47] = 1.0 if asked > 0 and c == asked else 0.0
        row[48] = 0
        row[49] = 0
        if price[slot] == price[slot]:
            if last_slot > 0 and price[last_slot] == price[last_slot]:
                row[48] = abs(price[slot] - price[last_slot])
            if not np.isnan(usual_price):
                row[49] = abs(price[slot] - usual_price)
        similar = np.float32(0)
        for d in range(len(profile)):
            similar += profile[d] * vector[slot, d]
        row[51] = similar
        bits = found[rows[i]] & ((1 << 30) - 1)
        number = 0
        while bits:
            number += 1
            bits &= bits - 1
        row[60] = number
        row[59] = rule(v[ws.BACK_HISTORY])


@kernel
def moment_features(session_length, gap_s, user_events, user_repeats, last_bought, out):
    """Fill the columns that are the same for all candidates."""
    for i in range(len(out)):
        out[i, 53] = log(1.0 + session_length)
        out[i, 54] = log(1.0 + gap_s)
        out[i, 55] = log(1.0 + user_events)
        out[i, 56] = user_repeats
        out[i, 57] = last_bought
