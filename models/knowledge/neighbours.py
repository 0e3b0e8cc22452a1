"""Recent sessions and users, and for each item the last 128 of them that it occurs in: what the two kNNs read.

VMIS-kNN (Kersbergen et al. 2022), incremental: postings are rings, so the sample of recent sessions is always fresh.
"""

from __future__ import annotations

import numpy as np

from models.jit import kernel
from models.knowledge.blocks import Blocks, release, widen


class Postings:
    """Lists of items (sessions, or users), and which of the latest lists an item is in.

    Parameters
    ----------
    lists, length : number of lists, and items remembered of each.
    rows : item slots.
    width, shared : most lists posted of an item, and the cells for which all items compete beyond their first eight.

    Attributes
    ----------
    members : int32[lists, length], item references, a ring per list.
    size : int64[lists], items ever put into the list.
    blocks : where the ring of each item lies.
    posted : int32[cells], list numbers.
    count : int64[rows], lists ever posted.
    """

    def __init__(self, lists: int, length: int, rows: int, width: int, shared: int) -> None:
        self.members = np.zeros((lists, length), np.int32)
        self.size = np.zeros(lists, np.int64)
        self.blocks = Blocks(rows, width, shared)
        self.posted = np.zeros(self.blocks.cells, np.int32)
        self.count = np.zeros(rows, np.int64)
        self.overlap = np.zeros(lists, np.float32)  # scratch of the query, zero between queries

    def clear(self, slot: int) -> None:
        """Forget an item whose slot goes to another."""
        start, width = self.blocks.row[slot].tolist()
        if width:
            release(start, width, self.blocks.pool, self.posted)
        self.blocks.row[slot] = 0
        self.count[slot] = 0


@kernel
def learn_posting(which, number, reference, members, size, row, pool, posted, count):
    """Append an item to list `which`, known to postings as `number` (a repeat within the ring is not posted twice)."""
    slot = reference & 0xFFFFFF
    length = members.shape[1]
    present = False
    for i in range(min(size[which], length)):
        if members[which, i] == reference:
            present = True
    members[which, size[which] % length] = reference
    size[which] += 1
    if not present:
        if count[slot] == row[slot, 1]:  # full for the first time: later it is a ring, whose order a copy would break
            widen(slot, row, pool, posted)
        start, width = row[slot, 0], row[slot, 1]
        posted[start + count[slot] % width] = number
        count[slot] += 1
