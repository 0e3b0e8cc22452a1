"""From everything touched to the candidates: two rounds of quotas over the sources, the rest from slow popularity."""

from __future__ import annotations

import numpy as np

from models.jit import kernel
from models.knowledge.popularity import FAST_LIST, MID_LIST, SLOW_LIST, START_LIST
from models.retrieval import workspace as ws
from models.retrieval.best import enter, order_of, score_of
from models.retrieval.workspace import touch

CANDIDATES = 256
FILL = 160  # leaders that fill up the candidates; all there are where the list is longer than `LONG`
LONG = 100
CATEGORIES = 4  # of the user's latest, whose leaders are proposed

SOURCES: tuple[tuple[str, int, int, int], ...] = (  # name, quotas of the two rounds, workspace column or -1
    ("own", 15, 40, -1),
    ("pop_fast", 20, 70, -1),
    ("pop_mid", 40, 70, -1),
    ("pop_slow", 20, 70, -1),
    ("pop_start", 8, 24, -1),
    ("recent", 8, 24, -1),
    ("category_user", 24, 60, -1),
    ("category_next", 10, 20, -1),
    ("newcomers", 16, 64, -1),
    ("content", 8, 30, -1),
    ("second_order", 12, 12, ws.SECOND),
    ("own_next", 12, 12, ws.OWN_NEXT),
    ("next_last", 20, 40, ws.NEXT_LAST),
    ("slow_recent", 25, 60, ws.SLOW_RECENT),
    ("fast_recent", 15, 40, ws.FAST_RECENT),
    ("cross_history", 25, 60, ws.CROSS_HISTORY),
    ("back_history", 20, 60, ws.BACK_HISTORY),
    ("session_knn", 40, 80, ws.SESSION_KNN),
    ("user_knn", 40, 80, ws.USER_KNN),
    ("codes", 16, 40, ws.CODES),
)
"""The retrievers; at most 30, one bit each."""

QUOTAS = np.array([[first for _, first, _, _ in SOURCES], [second for _, _, second, _ in SOURCES]])
COLUMNS = np.array([column for *_, column in SOURCES])
DEEPEST = int(QUOTAS.max())
OWN, POP_FAST, POP_MID, POP_SLOW, POP_START, RECENT, CATEGORY_USER, CATEGORY_NEXT, NEWCOMERS, CONTENT = range(10)
TAKEN = 1 << 30


@kernel
def propose(
    quotas, own, category, leaders, category_leaders, follower, follower_weight, recent, event, lists, lengths,
):  # fmt: skip
    """Enter what needs no search: the user's items, the leaders and the latest."""
    lengths[OWN] = min(len(own), quotas[OWN])
    lists[OWN, : lengths[OWN]] = own[: lengths[OWN]]
    for source, which in ((POP_FAST, FAST_LIST), (POP_MID, MID_LIST), (POP_SLOW, SLOW_LIST), (POP_START, START_LIST)):
        lengths[source] = quotas[source]
        lists[source, : quotas[source]] = leaders[which, : quotas[source]]
    lengths[RECENT] = min(event, quotas[RECENT])
    for i in range(lengths[RECENT]):
        lists[RECENT, i] = recent[(event - i) % len(recent)]
    kinds = np.zeros(CATEGORIES, np.int32)
    known = 0
    for i in range(len(own)):
        c = category[own[i]]
        if c > 0 and known < CATEGORIES and not (kinds == c).any():
            kinds[known] = c
            known += 1
    lengths[CATEGORY_USER] = known * (quotas[CATEGORY_USER] // max(known, 1))
    for i in range(lengths[CATEGORY_USER]):
        place = i // known
        lists[CATEGORY_USER, i] = category_leaders[kinds[i % known], place] if place < category_leaders.shape[1] else 0
    lengths[CATEGORY_NEXT] = 0
    if known > 0:
        next_category = follower[kinds[0], np.argmax(follower_weight[kinds[0]])]
        if next_category > 0:
            lengths[CATEGORY_NEXT] = quotas[CATEGORY_NEXT]
            lists[CATEGORY_NEXT, : quotas[CATEGORY_NEXT]] = category_leaders[next_category, : quotas[CATEGORY_NEXT]]


@kernel
def best(columns, deepest, slots, value, used, lists, lengths):
    """Enter the slots with the highest positive values of each column, best first; columns of -1 are left alone.

    All columns in one pass: a row of the workspace is one line of the cache, and `bar` lets nearly all of it pass.

    Parameters
    ----------
    columns : int64[sources], a workspace column each.
    deepest : int64[sources], most that are entered of each.
    """
    keys = np.empty((len(columns), DEEPEST), np.uint64)
    bar = np.full(ws.COLUMNS, np.inf, np.float32)  # what a value must exceed to enter
    source_of = np.zeros(ws.COLUMNS, np.int64)
    for source in range(len(columns)):
        if columns[source] >= 0:
            bar[columns[source]] = 0
            source_of[columns[source]] = source
            lengths[source] = 0
    for row in range(used):
        over = False
        for column in range(ws.COLUMNS):
            over |= value[row, column] > bar[column]
        if not over:
            continue
        for column in range(ws.COLUMNS):
            score = value[row, column]
            if score > bar[column]:
                source = source_of[column]
                lengths[source] = enter(score, row, keys[source, : deepest[source]], lengths[source])
                if lengths[source] == deepest[source]:
                    bar[column] = score_of(keys[source, deepest[source] - 1])
    for source in range(len(columns)):
        if columns[source] >= 0:
            for i in range(lengths[source]):
                lists[source, i] = slots[order_of(keys[source, i])]


@kernel
def choose(columns, quotas, leaders, fill, allowed, lists, lengths, place, slots, value, found, used, chosen):
    """Fill `chosen` with workspace rows by two rounds of quotas, the rest by popularity.

    Returns their number, and the rows in use.

    Parameters
    ----------
    columns : int64[sources], the workspace column of a source, -1 where its proposals are in `lists` already.
    quotas : int64[2, sources].
    leaders : int32[LISTS, LEADERS], of `Popularity`; the first `fill` of the slow ones fill up.
    lists, lengths : int32[sources, DEEPEST] slots proposed, best first (0: none), and their numbers.
    found : receives the bits of the sources that proposed each row within their second quota.
    """
    best(columns, quotas[1], slots, value, used, lists, lengths)
    n = 0
    for turn in range(2):
        for source in range(len(columns)):
            bit = 1 << source
            i = quotas[0, source] if turn else 0
            end = min(lengths[source], quotas[turn, source])
            while i < end and n < len(chosen):
                slot = lists[source, i]
                i += 1
                if slot == 0 or not allowed[slot]:
                    continue
                row, used = touch(slot, used, place, slots)
                bits = found[row]
                chosen[n] = row
                n += bits & TAKEN == 0
                found[row] = bits | bit | TAKEN
            while i < end:  # full: who else proposed them still counts; the others' bits go to a row that nobody has
                row = place[lists[source, i]] - 1
                i += 1
                found[row if row >= 0 else used] |= bit
    found[used] = 0
    for i in range(fill):
        slot = leaders[SLOW_LIST, i]
        if n == len(chosen) or slot == 0:
            break
        row, used = touch(slot, used, place, slots)
        if allowed[slot] and found[row] & TAKEN == 0:
            found[row] |= TAKEN
            chosen[n] = row
            n += 1
    return n, used
