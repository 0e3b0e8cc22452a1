"""What happened, and what is for sale: the two things that the recommender learns from."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache
from hashlib import blake2b
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray


class EventType(IntEnum):
    """Kinds of interaction, in the order of how much they say about a user's taste."""

    CLICK = 0
    CART = 1
    PURCHASE = 2


@dataclass(frozen=True, slots=True)
class Interaction:
    """One user touched one item.

    Attributes
    ----------
    user : 64-bit hash of the user id (`hash_id`).
    timestamp_ms : event time, Unix milliseconds.
    price : price at that moment, in any one currency; None where unknown.
    event_id : the producer's own id, to recognise what was sent twice.
    """

    user: int
    item_id: str
    event_type: EventType
    timestamp_ms: int
    category: str | None = None
    price: float | None = None
    event_id: str | None = None


@dataclass(frozen=True, slots=True)
class CatalogueItem:
    """What the catalogue says about an item; it may arrive before anybody has touched the item.

    Attributes
    ----------
    vector : embedding supplied by the user of any length, or empty.
    available : False keeps the item out of every list.
    """

    item_id: str
    timestamp_ms: int
    category: str | None = None
    price: float | None = None
    text: str | None = None
    tags: tuple[str, ...] = ()
    vector: tuple[float, ...] = ()
    available: bool = True


@lru_cache(maxsize=65_536)
def hash_id(identifier: str) -> int:
    """Hash an id to 64 bits, the same on every machine and in every process (BLAKE2b, little endian).

    Examples
    --------
    >>> hash_id("A13")
    5875592385335328466
    >>> 0 <= hash_id("") < 2**64
    True
    """
    return int.from_bytes(blake2b(identifier.encode(), digest_size=8).digest(), "little")


ROW = np.dtype([("user", "u8"), ("item", "u8"), ("event_type", "u1"), ("timestamp_ms", "i8"), ("price", "f8")])
"""An interaction as kernels read it: the hashes of both ids, and a price of NaN where it is unknown."""


class Run(NamedTuple):
    """Successive interactions by columns: to make an object for each costs as much as to learn from it.

    Attributes
    ----------
    rows : `ROW` of each.
    item_ids, categories : of each, what rows cannot hold.
    """

    rows: NDArray[Any]
    item_ids: Sequence[str]
    categories: Sequence[str | None]

    @classmethod
    def of(
        cls,
        users: Sequence[int],
        item_ids: Sequence[str],
        event_types: Sequence[int],
        timestamps_ms: Sequence[int],
        categories: Sequence[str | None],
        prices: Sequence[float | None],
    ) -> "Run":
        """Put columns together, one value of each for an interaction; see `Interaction`.

        Examples
        --------
        >>> run = Run.of([7], ["A13"], [EventType.CART], [1_700_000_000_000], [None], [None])
        >>> run.rows["item"].tolist() == [hash_id("A13")], run.rows["price"].tolist()
        (True, [nan])
        """
        rows = np.empty(len(users), ROW)
        columns = users, map(hash_id, item_ids), event_types, timestamps_ms, prices
        for at, row in enumerate(zip(*columns, strict=True)):
            rows[at] = row
        return cls(rows, item_ids, categories)
