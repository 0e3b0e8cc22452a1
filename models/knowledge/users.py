"""The last items of every user, as all workers see them from the log of interactions (not the private user records)."""

from __future__ import annotations

import numpy as np

from models.jit import kernel
from models.knowledge.arrays import HashMap, erase, find, has_room, insert
from models.knowledge.neighbours import Postings

HISTORY = 32
_SAMPLE = 32
_USED, _HAND = range(2)


class Users:
    """User slots 1, 2, ...; bounded like items, the user idle for longest gives way.

    Parameters
    ----------
    max_users : bound.
    rows, width, shared : of the postings, see `Postings`.

    Attributes
    ----------
    table : from the hash of a user to the slot.
    roll : int64[2], the slot that was never used with the lowest number, and where the next sample of the idle begins.
    lists : Postings whose list `user` is the ring of the user's last 32 item references.
    hashes : uint64[users].
    last_ms : int64[users].
    session : int64[users], number of the current session.
    session_size : int64[users], events in it.
    """

    def __init__(self, max_users: int, rows: int, width: int, shared: int) -> None:
        self.table = HashMap()
        self.roll = np.ones(2, np.int64)
        self.lists = Postings(max_users + 1, HISTORY, rows, width, shared)
        self.hashes = np.zeros(max_users + 1, np.uint64)
        self.last_ms = np.zeros(max_users + 1, np.int64)
        self.session = np.zeros(max_users + 1, np.int64)
        self.session_size = np.zeros(max_users + 1, np.int64)

    @property
    def used(self) -> int:
        """Slots from this one on have never been used."""
        return int(self.roll[_USED])

    def make_room(self, user: int) -> None:
        """See to it that `user_slot` finds room for a user, by its key."""
        if not self.table.get(user):
            self.table.make_room()


@kernel
def user_slot(user, keys, values, size, roll, hashes, last_ms, session, session_size, list_size):
    """Slot of a user, by its key, taking one for a new user; 0, and nothing changed, where the table has no room."""
    slot = np.int64(find(user, keys, values))
    if slot != 0:
        return slot
    if roll[_USED] < len(hashes):
        if not has_room(keys, size):
            return np.int64(0)
        slot = roll[_USED]
        roll[_USED] += 1
        size[0] += 1
    else:
        first = roll[_HAND] - 1
        for n in range(_SAMPLE):
            drawn = (first + n) % (roll[_USED] - 1) + 1
            if n == 0 or last_ms[drawn] < last_ms[slot]:
                slot = drawn
        roll[_HAND] = (first + _SAMPLE - 1) % (roll[_USED] - 1) + 2
        erase(hashes[slot], keys, values)
        list_size[slot] = 0
    insert(user, slot, keys, values)
    hashes[slot] = user
    last_ms[slot] = 0
    session[slot] = 0
    session_size[slot] = 0
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
