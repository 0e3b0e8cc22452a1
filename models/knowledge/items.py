"""The items: from hash to slot, and what is known of each slot. At the bound the coldest of a sample gives way."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.knowledge.arrays import HashMap
from models.knowledge.popularity import LISTS

SLOT_BITS = 24
_SAMPLE = 32

ITEM_ROW = np.dtype(
    [
        ("score", np.float64, LISTS),
        ("last_event", np.int64),
        ("category", np.int32),
        ("price", np.float32),
        ("events", np.float32),
        ("purchases", np.float32),
        ("repeats", np.float32),
        ("born_s", np.uint32),
    ]
)
"""All that a candidate's features read of an item: 64 bytes, one line of the cache instead of a dozen.

`score` is of `Popularity`, the rest of `Items`.
"""


class Items:
    """Item slots 1, 2, ...; slot 0 is nobody's.

    A reference is `generation << 24 | slot`: tables may keep one after the slot has gone to another item, and see by
    the generation that it is stale.

    Parameters
    ----------
    table : `ITEM_ROW` of each slot, zeros.

    Attributes
    ----------
    names : list of item ids by slot.
    hashes : uint64[slots].
    generation : int32[slots]; apart from the row, since what is touched is asked for it, and little of that chosen.
    category : int32[slots], 0 is unknown.
    price : float32[slots], natural log of 1 + price, NaN where unknown.
    born_s : uint32[slots], first known, Unix seconds.
    last_event : int64[slots], event number of the last touch.
    events, purchases, repeats : float32[slots], ever; repeats are events of a user who had touched it before.
    available : bool[slots].
    removed : number of items ever removed: while it stands still, a slot is the same item's.
    """

    def __init__(self, table: NDArray[Any]) -> None:
        max_items = len(table) - 1
        if not 0 < max_items < 1 << SLOT_BITS:
            raise ValueError(f"max_items must be between 1 and {(1 << SLOT_BITS) - 1}")
        self.max_items = max_items
        self.table = HashMap()
        self.names: list[str] = [""]
        self.used = 1
        self._free: list[int] = []
        self._hand = 1
        self.removed = 0
        self.hashes = np.zeros(len(table), np.uint64)
        self.generation = np.zeros(len(table), np.int32)
        self.available = np.zeros(len(table), np.bool_)
        self.category = table["category"]
        self.price = table["price"]
        self.price[0] = np.nan
        self.born_s = table["born_s"]
        self.last_event = table["last_event"]
        self.events = table["events"]
        self.purchases = table["purchases"]
        self.repeats = table["repeats"]

    def __len__(self) -> int:
        return len(self.table)

    def reference(self, slot: int) -> int:
        """What other tables keep of a slot."""
        return int(self.generation[slot]) << SLOT_BITS | slot

    def coldest(self) -> int:
        """The slot, of the next 32 in turn, that was touched longest ago."""
        slots = (self._hand - 1 + np.arange(_SAMPLE)) % (self.used - 1) + 1
        self._hand = int(slots[-1]) + 1
        return int(slots[np.argmin(self.last_event[slots])])

    def next_slot(self) -> int:
        """The slot that a new item will get; 0 when all are taken."""
        if self._free:
            return self._free[-1]
        return self.used if self.used <= self.max_items else 0

    def add(self, name: str, hashed: int, timestamp_ms: int, event: int) -> int:
        """Give a new item the next slot, which there must be."""
        slot = self.next_slot()
        if self._free:
            self._free.pop()
            self.names[slot] = name
        else:
            self.used += 1
            self.names.append(name)
        self.table.put(hashed, slot)
        self.hashes[slot] = hashed
        self.category[slot] = 0
        self.price[slot] = np.nan
        self.born_s[slot] = timestamp_ms // 1000
        self.last_event[slot] = event
        self.events[slot] = self.purchases[slot] = self.repeats[slot] = 0
        self.available[slot] = True
        return slot

    def remove(self, slot: int) -> None:
        """Forget an item; references to it become stale."""
        self.table.remove(int(self.hashes[slot]))
        self.hashes[slot] = 0
        self.names[slot] = ""
        self.available[slot] = False
        self.generation[slot] = (self.generation[slot] + 1) & 127
        self._free.append(slot)
        self.removed += 1
