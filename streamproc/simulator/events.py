"""What the simulated world emits: interactions of users, and announcements of the catalogue."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

EventKind = Literal["click", "cart", "purchase"]
Cause = Literal["follow", "repeat", "taste", "shown", "funnel"]


@dataclass(frozen=True, slots=True)
class Event:
    """One interaction.

    Attributes
    ----------
    number : int
        Position in the stream, counted from 0.
    event_id : str
        Unique per run and event, for a consumer that drops repeats.
    timestamp_ms : int
        World time, milliseconds since the epoch; never decreases from one event to the next.
    cause : str
        Why the user chose the item: ``follow`` (it goes with the previous one), ``repeat`` (an old favourite),
        ``taste``, ``shown`` (taken from the recommended list) or ``funnel`` (cart and purchase of what was clicked).
        Not part of the records sent: a recommender must not see it.
    """

    number: int
    event_id: str
    user_id: str
    item_id: str
    kind: EventKind
    timestamp_ms: int
    category: str
    price: float
    cause: Cause


@dataclass(frozen=True, slots=True)
class Announcement:
    """An item enters the catalogue (``available``) or leaves it.

    Attributes
    ----------
    vector : tuple of float
        The item's place in the space of tastes, as a content encoder would supply it.
    """

    item_id: str
    timestamp_ms: int
    category: str
    price: float
    title: str
    vector: tuple[float, ...]
    available: bool
