"""Everything known about one user, as one small binary record (p99 at most 1 KB).

The record is what the changelog keeps, so it carries item hashes instead of the worker's slots, and it needs nothing
but itself to be read. Little endian:

    format u8 = 2, header length u16, layout u32, base version u32, user u64, events u32, repeats u32,
    last time i64 (ms), session length u16, gap f32 (s), then the counts: items u8,
    order u8, event ids u8, shown u8, fast weights u16; then
    items   16 bytes each, see `models.own_items`
    order   u8 each: positions in `items`, oldest first; bit 7: a session began here
    event ids u32 each, shown u32 each (low half of the hash), fast weights f16 each

A reader skips what a longer header or a longer record adds; another format is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from struct import Struct

import numpy as np
from numpy.typing import NDArray

from models.base import D
from models.features import LAYOUT
from models.interaction import Interaction, hash_id
from models.own_items import ITEM_BYTES, ORDER, pack, take_item, unpack

FORMAT = 2
ITEMS, EVENT_IDS, SHOWN = 36, 16, 20
SESSION_IDLE_MS = 30 * 60 * 1000
HASH_MASK = (1 << 48) - 1
"""Items are known by 48 bits of their hash: at a million items one in 600 catalogues has one confusable pair."""

_HEADER = Struct("<BHIIQIIqHfBBBBH")


class UserStateError(ValueError):
    """The bytes are no user record that this release can read."""


def last_ms(raw: bytes) -> int:
    """Read when the user was last active out of a record, without the rest of it.

    Raises
    ------
    UserStateError
        Another format, or too few bytes.
    """
    if len(raw) < _HEADER.size or raw[0] != FORMAT:
        raise UserStateError("not a user record of a format known here")
    at: int = _HEADER.unpack_from(raw)[7]
    return at


class UserState:
    """Own items, their order, the last list shown, recent event ids and the fast weights of one user.

    Every attribute survives `encode` and `decode` exactly, so where the batches of a stream end changes nothing.

    Attributes
    ----------
    base_version : version of the base that the fast weights belong to.
    user : 64-bit hash of the user id, 0 until the first event.
    events, repeats : events so far, and how many of them were on an item still remembered.
    last_ms : time of the latest event, 0 for a new user.
    session_length : events of the current session (it ends after 30 idle minutes).
    gap_s : seconds between the two latest events.
    fast : float32[F + H2] at float16 precision, zeros until the first gradient.
    items : uint64[36], hashes of the items remembered; 0 is a free position.
    last, touched, count, interval, kinds : [36], of each item: time (s) and event number of the latest touch, decayed
        count then, time between the two latest touches (8 steps per octave of seconds), bits `1 << event type`.
    order : positions in `items` of the latest events, oldest first; bit 7 begins a session.
    """

    __slots__ = (
        "base_version",
        "count",
        "event_ids",
        "events",
        "fast",
        "gap_s",
        "interval",
        "items",
        "kinds",
        "last",
        "last_ms",
        "order",
        "repeats",
        "session_length",
        "shown",
        "touched",
        "user",
    )

    def __init__(self) -> None:
        self.base_version = 0
        self.user = 0
        self.events = 0
        self.repeats = 0
        self.last_ms = 0
        self.session_length = 0
        self.gap_s = 0.0
        self.fast = np.zeros(D, np.float32)
        self.items = np.zeros(ITEMS, np.uint64)
        self.last = np.zeros(ITEMS, np.int64)
        self.touched = np.zeros(ITEMS, np.int64)
        self.count = np.zeros(ITEMS, np.float32)
        self.interval = np.zeros(ITEMS, np.uint8)
        self.kinds = np.zeros(ITEMS, np.uint8)
        self.order = np.zeros(0, np.uint8)
        self.event_ids: list[int] = []
        self.shown: list[int] = []

    @classmethod
    def decode(cls, raw: bytes | None) -> UserState:
        """Read a record; None is a user never seen.

        Raises
        ------
        UserStateError
            Another format, or damaged bytes.
        """
        state = cls()
        if raw is None:
            return state
        if len(raw) < _HEADER.size or raw[0] != FORMAT:
            raise UserStateError("not a user record of a format known here")
        header = _HEADER.unpack_from(raw)
        at, layout, state.base_version, state.user, state.events, state.repeats, state.last_ms = header[1:8]
        state.session_length, state.gap_s = header[8:10]
        items, order, ids, shown, fast = header[10:]
        size = at + items * ITEM_BYTES + order + 4 * (ids + shown) + 2 * fast
        if at < _HEADER.size or items > ITEMS or order > ORDER or len(raw) < size:
            raise UserStateError("damaged user record: its length does not match its header")
        rows = np.frombuffer(raw, np.uint8, items * ITEM_BYTES, at).reshape(items, ITEM_BYTES)
        at += items * ITEM_BYTES
        state.order = np.frombuffer(raw, np.uint8, order, at).copy()
        at += order
        state.event_ids = np.frombuffer(raw, "<u4", ids, at).tolist()
        state.shown = np.frombuffer(raw, "<u4", shown, at + 4 * ids).tolist()
        # Copied, as kernels are compiled anew for numbers that lie at odd addresses.
        halves = np.frombuffer(raw, "<u2", fast, at + 4 * (ids + shown)).copy()
        if not state._read_items(rows, halves) or not isfinite(state.gap_s):
            raise UserStateError("damaged user record: values out of range")
        if layout == LAYOUT and fast == D:
            state.fast[:] = halves.view(np.float16)
        return state

    def _read_items(self, rows: NDArray[np.uint8], fast: NDArray[np.uint16]) -> bool:
        """Fill the table; returns whether the rows, the order read before, and the fast weights are sound."""
        n = len(rows)
        halves = np.empty(n, np.uint16)
        table = self.items, self.last, self.touched, self.interval, self.kinds
        sound: bool = unpack(rows, self.events, halves, *table, self.order, fast)
        self.count[:n] = halves.view(np.float16)
        return sound

    def encode(self) -> bytes:
        """Write the record; about 250 bytes after ten events, at most 1 KB but for lists shown longer than 20."""
        items = int(np.count_nonzero(self.items))
        fast = D if self.fast.any() else 0
        rows = np.empty((items, ITEM_BYTES), np.uint8)
        halves = self.count[:items].astype(np.float16).view(np.uint16)
        table = self.items, self.last, self.touched, self.interval, self.kinds
        pack(halves, self.events, *table, rows)
        header = _HEADER.pack(
            FORMAT,
            _HEADER.size,
            LAYOUT,
            self.base_version,
            self.user,
            self.events,
            self.repeats,
            self.last_ms,
            self.session_length,
            self.gap_s,
            items,
            len(self.order),
            len(self.event_ids),
            len(self.shown),
            fast,
        )
        hashes = np.array(self.event_ids + self.shown, "<u4")
        return b"".join(
            (header, rows.tobytes(), self.order.tobytes(), hashes.tobytes(), self.fast[:fast].astype("<f2").tobytes())
        )

    def is_duplicate(self, event_id: str | None) -> bool:
        """Whether one of the user's last 16 identified events had this id."""
        return event_id is not None and (hash_id(event_id) & 0xFFFFFFFF) in self.event_ids

    def shown_rank(self, item_id: str) -> int | None:
        """1-based rank of the item in the list shown last, None where it was not in it."""
        low = hash_id(item_id) & 0xFFFFFFFF
        return self.shown.index(low) + 1 if low in self.shown else None

    def show(self, item_ids: Sequence[str]) -> None:
        """Remember the first 20 items of the list just shown."""
        self.shown = [hash_id(item_id) & 0xFFFFFFFF for item_id in item_ids[:SHOWN]]

    def gap_ms(self, now_ms: int) -> int:
        """Milliseconds since the latest event; 0 for a new user or a clock that went back."""
        return max(now_ms - self.last_ms, 0) if self.events else 0

    def starts_session(self, now_ms: int) -> bool:
        """Whether an event now would be the first of a session."""
        return self.events == 0 or now_ms - self.last_ms > SESSION_IDLE_MS

    def take(self, event: Interaction) -> None:
        """Remember an event. The item least often and longest ago chosen makes room for a new one."""
        timestamp_ms, event_id = event.timestamp_ms, event.event_id
        self.user = event.user
        begins = self.starts_session(timestamp_ms)
        self.gap_s = float(np.float32(self.gap_ms(timestamp_ms) / 1000))
        self.session_length = 1 if begins else min(self.session_length + 1, 65_535)
        self.events += 1
        grown = np.empty(ORDER, np.uint8)
        known, length = take_item(
            np.uint64(hash_id(event.item_id) & HASH_MASK or 1),
            timestamp_ms // 1000,
            self.events,
            1 << event.event_type,
            begins,
            self.items,
            self.last,
            self.touched,
            self.count,
            self.interval,
            self.kinds,
            self.order,
            grown,
        )
        self.repeats += known
        self.order = grown[:length]
        self.last_ms = max(self.last_ms, timestamp_ms)
        if event_id is not None:
            self.event_ids = [*self.event_ids[1 - EVENT_IDS :], hash_id(event_id) & 0xFFFFFFFF]
