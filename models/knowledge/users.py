"""The last items of every user, as all workers see them from the log of interactions (not the private user records)."""

from __future__ import annotations

import numpy as np

from models.jit import kernel
from models.knowledge.arrays import HashMap
from models.knowledge.neighbours import Postings

HISTORY = 32
_SAMPLE = 32


class Users:
    """User slots 1, 2, ...; bounded like items, the user idle for longest gives way.

    Parameters
    ----------
    max_users : bound.
    rows, width, shared : of the postings, see `Postings`.

    Attributes
    ----------
    lists : Postings whose list `user` is the ring of the user's last 32 item references.
    last_ms : int64[users].
    session : int64[users], number of the current session.
    session_size : int64[users], events in it.
    """

    def __init__(self, max_users: int, rows: int, width: int, shared: int) -> None:
        self.max_users = max_users
        self.table = HashMap()
        self.used = 1
        self._hand = 1
        self.lists = Postings(max_users + 1, HISTORY, rows, width, shared)
        self.hashes = np.zeros(max_users + 1, np.uint64)
        self.last_ms = np.zeros(max_users + 1, np.int64)
        self.session = np.zeros(max_users + 1, np.int64)
        self.session_size = np.zeros(max_users + 1, np.int64)

    def slot(self, user: int) -> int:
        """Slot of a user, taking one for a new user."""
        key = user or 1
        slot = self.table.get(key)
        if slot:
            return slot
        if self.used <= self.max_users:
            slot = self.used
            self.used += 1
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
