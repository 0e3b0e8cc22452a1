"""The last items of every user, as all workers see them from the log of interactions (not the private user records)."""

from __future__ import annotations

import numpy as np

from models.jit import kernel
from models.knowledge.arrays import HashMap, grown
from models.knowledge.neighbours import Postings

HISTORY = 32
_SAMPLE = 32


class Users:
    """User slots 1, 2, ...; bounded like items, the user idle for longest gives way.

    Attributes
    ----------
    lists : Postings whose list `user` is the ring of the user's last 32 item references.
    last_ms : int64[users].
    session : int64[users], number of the current session.
    session_size : int64[users], events in it.
    """

    def __init__(self, max_users: int, width: int, cells: int) -> None:
        self.max_users = max_users
        self.table = HashMap()
        self.used = 1
        self._hand = 1
        self.lists = Postings(HISTORY, width, cells)
        self.hashes = np.zeros(64, np.uint64)
        self.last_ms = np.zeros(64, np.int64)
        self.session = np.zeros(64, np.int64)
        self.session_size = np.zeros(64, np.int64)

    def slot(self, user: int) -> int:
        """Slot of a user, taking one for a new user."""
        key = user or 1
        slot = self.table.get(key)
        if slot:
            return slot
        if self.used <= self.max_users:
            slot = self.used
            self.used += 1
            if slot >= len(self.hashes):
                self._grow(2 * len(self.hashes))
        else:
            slots = (self._hand - 1 + np.arange(_SAMPLE)) % (self.used - 1) + 1
            self._hand = int(slots[-1]) + 1
            slot = int(slots[np.argmin(self.last_ms[slots])])
            self.table.remove(int(self.hashes[slot]))
            self.lists.size[slot] = 0
        self.table.put(key, slot)
        self.hashes[slot] = key
        self.last_ms[slot] = self.session[slot] = self.session_size[slot] = 0
        return slot

    def _grow(self, rows: int) -> None:
        self.hashes, self.last_ms = grown(self.hashes, rows), grown(self.last_ms, rows)
        self.session, self.session_size = grown(self.session, rows), grown(self.session_size, rows)
        self.lists.grow_lists(rows)


@kernel
def last_items(user, session_size, members, size, generation, out):
    """The user's latest distinct live items, latest first, into `out`.

    Returns
    -------
    Their number, and how many of them belong to the current session.
    """
    length = members.shape[1]
    found = 0
    in_session = 0
    for back in range(min(size[user], length)):
        if back == session_size:
            in_session = found
        reference = members[user, (size[user] - 1 - back) % length]
        if generation[reference & 0xFFFFFF] != reference >> 24:
            continue
        known = False
        for i in range(found):
            if out[i] == reference:
                known = True
        if not known:
            out[found] = reference
            found += 1
            if found == len(out):
                break
    if session_size >= min(size[user], length) or (found == len(out) and in_session == 0 and session_size > 0):
        in_session = found
    return found, in_session


@kernel
def contains(user, reference, members, size):
    """Whether a reference is among the user's last items."""
    present = False
    for i in range(min(size[user], members.shape[1])):
        present |= members[user, i] == reference
    return present
