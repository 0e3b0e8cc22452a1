"""The raw feature row of every candidate, in the order of `models.features.FEATURES`.

Kernels write a feature of all candidates after the other, so that the logarithms are computed several at a time.
"""

from __future__ import annotations

import numpy as np

from models.jit import kernel, log
from models.knowledge.newcomers import HALF_LIFE, age_class, prospect
from models.retrieval import workspace as ws
from models.retrieval.content import likeness
from models.retrieval.tastes import FADING, LIKES, NEXT, OTHERS, SESSION, TASTE

# How likely each source alone is right, where the user does not repeat an own item.
_MIX_NEXT, _MIX_RECENT, _MIX_HISTORY, _MIX_POPULAR = 0.35, 0.2, 0.1, 0.35
_FLOOR = 1e-6  # share of all events below which popularity is not told apart
_NOWHERE = 0.0183156389  # exp(-4), the share of an unknown category

# Features that are a probability of the workspace, and those that set it against the item's share of all events.
_RULES = np.array(
    [
        (11, ws.NEXT_LAST),
        (13, ws.SLOW_LAST),
        (14, ws.FAST_LAST),
        (15, ws.CROSS_LAST),
        (16, ws.BACK_LAST),
        (17, ws.SLOW_BEFORE),
        (18, ws.SLOW_RECENT),
        (19, ws.FAST_RECENT),
        (21, ws.CROSS_HISTORY),
        (23, ws.SECOND),
        (25, ws.SESSION_KNN),
        (27, ws.USER_KNN),
        (59, ws.BACK_HISTORY),
        (62, ws.CODES),
    ]
)
_LIFTS = np.array(
    [
        (12, ws.NEXT_LAST),
        (20, ws.SLOW_RECENT),
        (22, ws.CROSS_HISTORY),
        (26, ws.SESSION_KNN),
        (28, ws.USER_KNN),
        (63, ws.CODES),
    ]
)


@kernel
def rule(probability):
    """Compress a probability."""
    return log(np.float32(1) + np.float32(50) * probability)


@kernel
def log_shifted(column, shift):
    """Replace each number by the log of its sum with `shift`."""
    for i in range(len(column)):
        column[i] = log(column[i] + np.float32(shift))


@kernel
def log_ratio(above, below, shift, column):
    """Write the log of the quotient of two columns, `shift` added to both."""
    for i in range(len(column)):
        column[i] = log((above[i] + np.float32(shift)) / (below[i] + np.float32(shift)))


@kernel
def lift(probability, share, column):
    """Write how many times more probable than by its share of events, log, 0 without evidence, within -2 and 6."""
    for i in range(len(column)):
        p = probability[i]
        most = log(max(p, np.float32(1e-30)) / (share[i] + np.float32(1e-4)))
        column[i] = min(max(most, np.float32(-2)), np.float32(6)) if p > 0 else np.float32(0)


@kernel
def bits_set(bits):
    """How many of 30 bits are set, without a branch: a loop over them is guessed wrong once for each candidate."""
    bits -= bits >> 1 & 0x15555555
    bits = (bits & 0x33333333) + (bits >> 2 & 0x33333333)
    bits = bits + (bits >> 4) & 0x0F0F0F0F
    return bits * 0x01010101 >> 24 & 0xFF


@kernel
def item_features(
    slots, now_s, event, score, total, category_score, category, price, born_s, last_event, events, purchases,
    repeats, price_mean, catalogue, usual, adopted, stamp, stock, readiness, popular, share, out,
):  # fmt: skip
    """Fill the columns that depend on the item alone.

    An item that nobody has touched is as popular as is expected of a newcomer of its category.

    Parameters
    ----------
    score, total, category_score : of `Popularity`, of one scale each.
    usual, adopted, stamp, stock, readiness : of `Newcomers`.
    popular : float32[n], receives the share of all events that is expected of the item.
    share : float32[n], receives its share of the events so far.
    out : float32[F, n].
    """
    held = max((1 - 2.0 ** (-event / HALF_LIFE)) * HALF_LIFE / 0.6931471805599453, 1.0)  # events remembered
    of_fast, of_mid, of_all = 1 / max(total[0], 1e-9), 1 / max(total[1], 1e-9), 1 / max(total[2], 1e-9)
    of_starts = 1 / max(total[3], 1e-9)
    category_of_prospect, expected = np.int32(-1), 0.0  # newcomers of a category come one after the other
    for i in range(len(slots)):
        slot = slots[i]
        fast = score[slot, 0] * of_fast
        mid = score[slot, 1] * of_mid
        slow = score[slot, 2] * of_all
        start = score[slot, 3] * of_starts
        share[i] = slow
        c = category[slot]
        seen = events[slot]
        if seen == 0:
            if c != category_of_prospect:
                category_of_prospect, expected = c, prospect(c, event, usual, adopted, stamp, stock) / held
            slow = mid = fast = start = expected * readiness[age_class(event - last_event[slot])]
        popular[i] = 0.5 * (slow + mid)
        out[0, i] = slow
        out[1, i] = mid
        out[2, i] = fast
        out[5, i] = start
        of_category = category_score[c] * of_all
        out[6, i] = min(slow / max(of_category, 1e-9), 1.0) + 1e-4 if c > 0 else slow + _FLOOR
        out[7, i] = event - last_event[slot]
        out[8, i] = max(now_s - np.int64(born_s[slot]), 0) / 3_600
        out[9, i] = seen
        out[10, i] = purchases[slot] / (seen + 1)
        out[40, i] = repeats[slot] / (seen + 3)
        out[46, i] = of_category + 1e-4 if c > 0 else _NOWHERE
        out[50, i] = price[slot] - price_mean if price[slot] == price[slot] else 0.0
        out[52, i] = 1.0 / (1.0 + seen)
    log_ratio(out[2], out[1], 2e-4, out[3])
    log_ratio(out[1], out[0], 2e-5, out[4])
    log_shifted(out[0], _FLOOR)
    log_shifted(out[1], _FLOOR)
    log_shifted(out[2], 1e-5)
    log_shifted(out[5], _FLOOR)
    log_shifted(out[6], 0.0)
    log_shifted(out[7], 1.0)
    log_shifted(out[8], 1.0)
    log_shifted(out[9], 1.0)
    log_shifted(out[46], 0.0)
    out[58] = log(1.0 + catalogue)


@kernel
def user_features(
    rows, slots, value, found, now_s, user_event, own, context, in_session, touched, last, count, interval, kinds,
    user_repeats, category, price, place_of, shares, usual_price, all_counts, category_score, asked, events, repeats,
    total, vector, profile, popular, share, repeat_rate, usual_rate, within, out,
):  # fmt: skip
    """Fill the columns that depend on the user.

    Parameters
    ----------
    rows : workspace row of each candidate.
    own, context, in_session : from `locate`.
    user_event : number of the user's next event.
    touched, last, count, interval, kinds : of the user's record, by position.
    place_of, shares, usual_price, all_counts : from `weigh`.
    popular, share : from `item_features`.
    repeat_rate, usual_rate : share of events that repeat an own item, of this user (smoothed) and of all.
    within : share of the repeats that come within the session.
    profile : unit content vector of the user's latest items.
    asked : category of the request, 0 for none.
    out : float32[F, n].
    """
    n_own = len(context)
    last_slot = own[context[0]] if n_own > 0 else 0
    last_category = category[last_slot]
    everything = max(total[2], 1e-9)
    said = np.empty((ws.COLUMNS, len(rows)), np.float32)
    for i in range(len(rows)):
        for column in range(ws.COLUMNS):
            said[column, i] = value[rows[i], column]
    for at in range(len(_RULES)):
        probability = said[_RULES[at, 1]]
        column = out[_RULES[at, 0]]
        for i in range(len(column)):
            column[i] = rule(probability[i])
    for at in range(len(_LIFTS)):
        lift(said[_LIFTS[at, 1]], share, out[_LIFTS[at, 0]])
    out[24] = said[ws.OWN_NEXT]
    out[29:40] = 0
    out[41] = 0
    described = profile.any()
    for i in range(len(rows)):
        slot = slots[i]
        again = np.float32(0)
        position = int(said[ws.OWN, i]) - 1
        if position >= 0:
            strength = count[position] * FADING ** (user_event - touched[position])
            since_s = max(now_s - last[position], 0)
            rank = n_own
            for j in range(n_own):
                if context[j] == position:
                    rank = j
                    break
            out[29, i] = 1.0
            out[30, i] = log(1.0 + strength)
            out[31, i] = strength / all_counts
            out[32, i] = 1.0 / (user_event - touched[position])
            out[33, i] = 1.0 / (1.0 + rank)
            out[34, i] = log(1.0 + since_s / 3600.0)
            out[35, i] = 1.0 if kinds[position] & 4 else 0.0
            out[36, i] = 1.0 if rank < in_session else 0.0
            out[37, i] = 1.0 if rank == 0 else 0.0
            out[38, i] = user_repeats
            out[39, i] = repeats[slot] / (events[slot] + 3.0)
            again = out[31, i] if in_session == 0 else out[31, i] * 2 * (within if rank < in_session else 1 - within)
            again *= (repeats[slot] + 3.0 * usual_rate) / ((events[slot] + 3.0) * usual_rate)
            if interval[position] > 0:
                out[41, i] = min(
                    max((8.0 / 0.6931471805599453 * log(1.0 + since_s) - interval[position]) / 16.0, -3.0), 3.0
                )
        c = category[slot]
        out[42, i] = 1.0 if c > 0 and c == last_category else 0.0
        out[43, i] = 0
        out[44, i] = 0
        out[45, i] = 0
        taste = np.float32(0)
        at = place_of[c] - 1 if c > 0 else -1
        if at >= 0:
            out[43, i] = shares[at, LIKES]
            out[44, i] = shares[at, SESSION]
            out[45, i] = rule(shares[at, NEXT])
            taste = shares[at, TASTE]
        liking = np.float32(1)  # how many times more likely than usual the category is
        out[61, i] = _NOWHERE
        if c > 0:
            general = category_score[c] / everything + 1e-4
            taste += OTHERS * general
            out[61, i] = taste
            liking = taste / general
        out[64, i] = repeat_rate * again + (1 - repeat_rate) * (
            _MIX_NEXT * said[ws.NEXT_LAST, i]
            + _MIX_RECENT * said[ws.SLOW_RECENT, i]
            + _MIX_HISTORY * said[ws.CROSS_HISTORY, i]
            + _MIX_POPULAR * popular[i] * liking
            + said[ws.CODES, i]
        )
        out[47, i] = 1.0 if asked > 0 and c == asked else 0.0
        out[48, i] = 0
        out[49, i] = 0
        if price[slot] == price[slot]:
            if last_slot > 0 and price[last_slot] == price[last_slot]:
                out[48, i] = abs(price[slot] - price[last_slot])
            if not np.isnan(usual_price):
                out[49, i] = abs(price[slot] - usual_price)
        out[51, i] = likeness(profile, vector, slot) if described else np.float32(0)
        out[60, i] = bits_set(found[rows[i]] & ((1 << 30) - 1))
    log_shifted(out[61], 0.0)
    log_shifted(out[64], _FLOOR)


@kernel
def moment_features(session_length, gap_s, user_events, user_repeats, last_bought, out):
    """Fill the columns that are the same for all candidates."""
    out[53] = log(1.0 + session_length)
    out[54] = log(1.0 + gap_s)
    out[55] = log(1.0 + user_events)
    out[56] = user_repeats
    out[57] = last_bought
