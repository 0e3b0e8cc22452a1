"""kNN over recent sessions and over users: lists that share items with the query vote for their other items.

VMIS-kNN (Kersbergen et al. 2022): postings are cut to the most recent lists, then the most similar of them vote.
"""

from __future__ import annotations

import numpy as np

from models.jit import kernel
from models.retrieval.workspace import touch

NEIGHBOURS = 80
_CANDIDATES = 4096


@kernel
def score_neighbours(
    query,
    weight,
    events,
    newest,
    own,
    column,
    half_depth,
    members,
    list_size,
    row,
    posted,
    count,
    overlap,
    generation,
    place,
    slots,
    value,
    used,
):
    """Let the 80 lists nearest to the query vote; returns the rows in use.

    Parameters
    ----------
    query : int32, slots of the query's items.
    weight : float32, of each; the rarer the item, the more it says.
    events : float32, of all items, ever.
    newest : number of the newest list; older ones than fit the ring are gone.
    own : number of the asker's own list, which does not vote.
    half_depth : position from a list's end at which its votes weigh half.
    overlap : float32[lists], zero; zero again on return.
    """
    lists = len(list_size)
    length = members.shape[1]
    candidates = np.empty(_CANDIDATES, np.int32)
    n = 0
    turn = newest - newest % lists  # number of the list at the ring's start
    for i in range(len(query)):
        slot = query[i]
        if slot == 0:
            continue
        strength = weight[i] / np.log(np.float32(2) + events[slot])
        start, width = row[slot, 0], row[slot, 1]
        cell = count[slot] % width if width > 0 else 0
        for _ in range(min(count[slot], width)):
            cell = (cell if cell > 0 else width) - 1
            number = posted[start + cell]
            if number == own or number <= newest - lists:
                continue
            at = number - turn
            if at < 0:
                at += lists
            if overlap[at] == 0:
                if n == _CANDIDATES:
                    continue
                candidates[n] = at
                n += 1
            overlap[at] += strength
    kept = min(n, NEIGHBOURS)
    # a heap of the best: its root is the weakest kept (ties: the one met first, that is the most recent, stays)
    heap = np.empty(NEIGHBOURS, np.int32)
    filled = 0
    for i in range(n):
        at = candidates[i]
        if filled < kept:
            j = filled
            filled += 1
            while j > 0 and overlap[heap[(j - 1) >> 1]] > overlap[at]:
                heap[j] = heap[(j - 1) >> 1]
                j = (j - 1) >> 1
            heap[j] = at
        elif overlap[at] > overlap[heap[0]]:
            j = 0
            while True:
                child = 2 * j + 1
                if child >= kept:
                    break
                if child + 1 < kept and overlap[heap[child + 1]] < overlap[heap[child]]:
                    child += 1
                if overlap[heap[child]] >= overlap[at]:
                    break
                heap[j] = heap[child]
                j = child
            heap[j] = at
    fading = np.empty(length, np.float32)
    for back in range(length):
        fading[back] = half_depth / (half_depth + back)
    norm = np.float32(1e-9)
    for i in range(kept):
        norm += overlap[heap[i]]
    for i in range(kept):
        at = heap[i]
        vote = overlap[at] / norm
        cell = list_size[at] % length
        for back in range(min(list_size[at], length)):
            cell = (cell if cell > 0 else length) - 1
            reference = members[at, cell]
            slot = reference & 0xFFFFFF
            if slot == 0 or generation[slot] != reference >> 24:
                continue
            voted, used = touch(slot, used, place, slots)
            value[voted, column] += vote * fading[back]
    for i in range(n):
        overlap[candidates[i]] = 0
    return used
