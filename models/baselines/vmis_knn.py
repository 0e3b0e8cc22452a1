"""VMIS-kNN: items of the recent sessions that are most like this one."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from models.baselines.baseline import MAX_ITEMS, MAX_USERS, filled
from models.baselines.popularity import Popularity
from models.baselines.recent import Recent, Slots, slot_of, take_best
from models.interaction import Interaction
from models.jit import kernel
from models.user_state import SESSION_IDLE_MS

_LENGTH = 24  # items of a neighbour that count, the latest
_QUERY = 10  # items of the own session that count, the latest


@dataclass(slots=True)
class _Session:
    """A user's current session: its items as references, the latest first, each once."""

    number: int = -1
    last_ms: int = 0
    items: list[int] = field(default_factory=list)


class VmisKnn:
    """VMIS-kNN (Kersbergen, Sprangers and Schelter 2022), kept up to date event by event; then popularity.

    Sessions lie in a ring of events with two chains through it: to the former event of the same item, and to the former
    event of the same session. So the most recent sessions of an item are found without an index to rebuild, and what is
    old is overwritten.

    Parameters
    ----------
    recent : latest sessions with an item of the own session, which are compared with it.
    neighbours : the most similar of them, whose items are scored.
    events : capacity of the ring, a power of two.

    Examples
    --------
    >>> knn = VmisKnn()
    >>> for user, item in [(1, "tea"), (1, "milk"), (2, "cake"), (2, "fork"), (3, "cake"), (4, "tea")]:
    ...     knn.learn(Interaction(user, item, 0, 0))
    >>> knn.recommend(user=4, k=2)
    ['milk', 'tea']
    """

    def __init__(
        self,
        recent: int = 500,
        neighbours: int = 100,
        events: int = 1 << 20,
        max_items: int = MAX_ITEMS,
        max_users: int = MAX_USERS,
    ) -> None:
        if events & (events - 1):
            raise ValueError("events must be a power of two")
        self._recent, self._neighbours = recent, neighbours
        self._items: Slots[str] = Slots(max_items)
        self._sessions: Recent[int, _Session] = Recent(max_users)
        self._events = 0
        self._session_count = 0
        self._item = np.zeros(events, np.int32)  # reference of each event's item
        self._session = np.zeros(events, np.int64)  # and the number of its session
        self._item_before = np.zeros(events, np.int64)  # number of the former event of the item, 0 for none
        self._session_before = np.zeros(events, np.int64)
        self._item_last = np.zeros(max_items, np.int64)
        self._session_last = np.zeros(events, np.int64)  # by session number modulo the capacity
        self._count = np.zeros(max_items, np.float32)  # sessions that held the item
        self._place = np.zeros(max_items, np.int8)
        self._seen = np.zeros(events, np.bool_)
        self._score = np.zeros(max_items, np.float32)
        self._touched = np.zeros(neighbours * _LENGTH, np.int32)
        self._popular = Popularity(20_000, max_items)

    def learn(self, event: Interaction) -> None:
        """Append the event to its session; an item that the session holds already only becomes its latest."""
        self._popular.learn(event)
        slot, new = self._items.touch(event.item_id)
        if new:
            self._item_last[slot] = self._count[slot] = 0
        reference = self._items.reference(slot)
        session = self._sessions.touch(event.user, _Session)
        if session.number < 0 or event.timestamp_ms - session.last_ms > SESSION_IDLE_MS:
            self._session_count += 1
            session.number = self._session_count
            session.items = []
            self._session_last[session.number % len(self._session_last)] = 0
        session.last_ms = max(session.last_ms, event.timestamp_ms)
        if reference in session.items:
            session.items.remove(reference)
        else:
            self._append(slot, reference, session.number)
        session.items.insert(0, reference)
        del session.items[_LENGTH:]

    def _append(self, slot: int, reference: int, session: int) -> None:
        self._events += 1
        at, home = self._events % len(self._item), session % len(self._session_last)
        self._item[at], self._session[at] = reference, session
        self._item_before[at], self._item_last[slot] = self._item_last[slot], self._events
        self._session_before[at], self._session_last[home] = self._session_last[home], self._events
        self._count[slot] += 1

    def recommend(self, user: int, k: int) -> list[str]:
        """Items of the most similar sessions, filled up."""
        session = self._sessions.get(user)
        if session is None:
            return self._popular.recommend(user, k)
        best = np.empty(k, np.int32)
        n = neighbours_vote(
            np.array(session.items[:_QUERY], np.int32),
            session.number,
            self._events,
            self._session_count,
            self._recent,
            self._neighbours,
            self._items.generation,
            self._item,
            self._session,
            self._item_before,
            self._session_before,
            self._item_last,
            self._session_last,
            self._count,
            self._place,
            self._seen,
            self._score,
            self._touched,
            best,
        )
        names = self._items.names
        return filled([names[slot] for slot in best[:n].tolist()], self._popular.recommend(user, 2 * k), k)


@kernel
def neighbours_vote(
    query, own, events, session_count, recent, neighbours, generation, item, session, item_before, session_before,
    item_last, session_last, count, place, seen, score, touched, best,
):  # fmt: skip
    """Fill `best` with the slots of the items that the neighbours vote for; returns how many.

    Parameters
    ----------
    query : references of the own session's items, the latest first; the n-th weighs 1 - n / 10.
    own : number of the own session, which is no neighbour.
    place, seen : int8[slots] and bool[sessions], zeros; scratch.
    """
    ring = len(item) - 1  # a power of two less one: masks what would be a slow remainder
    oldest = max(events - len(item), 0)  # events up to this one are overwritten
    heads = np.zeros(len(query), np.int64)
    for q in range(len(query)):
        slot = slot_of(query[q], generation)
        if slot >= 0:
            place[slot] = q + 1
            heads[q] = item_last[slot]
    found = np.empty(recent, np.int64)
    n = 0
    while n < recent:  # the latest event of any of the items, then the one before
        latest_of = np.argmax(heads)
        at = heads[latest_of]
        if at <= oldest:
            break
        heads[latest_of] = item_before[at & ring]
        number = session[at & ring]
        home = number & ring
        if number != own and number > session_count - len(session_last) and not seen[home]:
            seen[home] = True
            found[n] = number
            n += 1
    similar = np.zeros(neighbours, np.float32)
    latest = np.zeros(neighbours, np.float32)
    chosen = np.zeros(neighbours, np.int64)
    full = 0
    for i in range(n):
        number = found[i]
        seen[number & ring] = False
        similarity = np.float32(0)
        nearest = 127
        at = session_last[number & ring]
        for _ in range(_LENGTH):
            if at <= oldest:
                break
            slot = slot_of(item[at & ring], generation)
            if slot >= 0 and place[slot] > 0:
                similarity += np.float32(1) - np.float32(0.1) * (place[slot] - 1)
                nearest = min(nearest, place[slot])
            at = session_before[at & ring]
        if similarity == 0 or (full == neighbours and similarity <= similar[full - 1]):
            continue
        to = min(full, neighbours - 1)
        while to > 0 and similar[to - 1] < similarity:
            similar[to] = similar[to - 1]
            latest[to] = latest[to - 1]
            chosen[to] = chosen[to - 1]
            to -= 1
        similar[to] = similarity
        latest[to] = np.float32(1) - np.float32(0.1) * (nearest - 1)
        chosen[to] = number
        full = min(full + 1, neighbours)
    n = 0
    for i in range(full):
        at = session_last[chosen[i] & ring]
        for _ in range(_LENGTH):
            if at <= oldest:
                break
            slot = slot_of(item[at & ring], generation)
            if slot >= 0:
                if score[slot] == 0:
                    touched[n] = slot
                    n += 1
                rarity = np.log(np.float32(session_count + 1) / count[slot])
                score[slot] += similar[i] * latest[i] * max(rarity, np.float32(1e-3))
            at = session_before[at & ring]
    for q in range(len(query)):
        slot = slot_of(query[q], generation)
        if slot >= 0:
            place[slot] = 0
    return take_best(score, touched, n, best)
