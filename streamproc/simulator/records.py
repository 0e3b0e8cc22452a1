"""The world's events as records of the wire contract."""

from __future__ import annotations

from schemas.events import ClickEvent, ItemEvent, PurchaseEvent
from schemas.record import Record
from streamproc.simulator.events import Announcement, Event


def event_record(event: Event) -> tuple[str, Record]:
    """Return the topic (by its default name) and the record of an interaction.

    Examples
    --------
    >>> from streamproc.simulator import World, WorldConfig
    >>> topic, record = event_record(World(WorldConfig(), seed=1).step())
    >>> topic, record.event_id
    ('clicks', 'seed1-0')
    """
    if event.kind == "purchase":
        return "purchases", PurchaseEvent(
            user_id=event.user_id,
            item_id=event.item_id,
            timestamp_ms=event.timestamp_ms,
            event_id=event.event_id,
            category=event.category,
            price=event.price,
        )
    return "clicks", ClickEvent(
        user_id=event.user_id,
        item_id=event.item_id,
        timestamp_ms=event.timestamp_ms,
        event_id=event.event_id,
        event_type=event.kind,
        category=event.category,
        price=event.price,
    )


def item_record(announcement: Announcement) -> ItemEvent:
    """Return the catalogue record of an announcement."""
    return ItemEvent(
        item_id=announcement.item_id,
        timestamp_ms=announcement.timestamp_ms,
        category=announcement.category,
        price=announcement.price,
        title=announcement.title,
        vector=list(announcement.vector),
        available=announcement.available,
    )
