"""Recent sessions and users, and for each item the last 128 of them that it occurs in: what the two kNNs read.

VMIS-kNN (Kersbergen et al. 2022), incremental: postings are rings, so the sample of recent sessions is always fresh.
"""

from __future__ import annotations

import numpy as np

from models.jit import kernel
from models.knowledge.arrays import grown

MIN_WIDTH = 16


class Postings:
    """Lists of items (sessions, or users), and which of the latest lists an item is in.

    Attributes
    ----------
    members : int32[lists, length], item references, a ring per list.
    size : int64[lists], items ever put into the list.
    posted : int32[items, width], list numbers, a ring per item.
    count : int64[items], lists ever posted.
    """

    def __init__(self, length: int, width: int, cells: int) -> None:
        self._cells = cells
        self.members = np.zeros((64, length), np.int32)
        self.size = np.zeros(64, np.int64)
        self.posted = np.zeros((1, width), np.int32)
        self.count = np.zeros(1, np.int64)
        self.overlap = np.zeros(64, np.float32)  # scratch of the query, zero between queries

    def grow(self, rows: int) -> None:
        """Make room for `rows` item slots; rings that have become too wide keep their latest lists."""
        width = self.posted.shape[1]
        kept = width
        while rows * kept > self._cells and kept > MIN_WIDTH:
            kept //= 2
        if kept < width:
            latest = (self.count[:, None] - kept + np.arange(kept)) % width  # oldest kept first
            latest = np.where(self.count[:, None] <= kept, np.arange(kept), latest)
            self.posted = np.take_along_axis(self.posted, latest, axis=1)
            self.count = np.minimum(self.count, kept)
        self.posted, self.count = grown(self.posted, rows), grown(self.count, rows)

    def grow_lists(self, rows: int) -> None:
        """Make room for `rows` lists."""
        self.members, self.size = grown(self.members, rows), grown(self.size, rows)
        self.overlap = np.zeros(rows, np.float32)

    def clear(self, slot: int) -> None:
        """Forget an item whose slot goes to another."""
        self.posted[slot] = 0
        self.count[slot] = 0


@kernel
def learn_posting(which, number, reference, members, size, posted, count):
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
        posted[slot, count[slot] % posted.shape[1]] = number
        count[slot] += 1
