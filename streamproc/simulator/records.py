"""The world's events as records of the wire contract."""

from __future__ import annotations

from dataclasses import dataclass

import orjson

from schemas.events import ClickEvent, ItemEvent, PurchaseEvent
from schemas.record import Record, RecordError
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


@dataclass(frozen=True, slots=True)
class ShownList:
    """A recommended list as a user sees it.

    Attributes
    ----------
    user_id : str
    items : list of str
        Best first.
    source : tuple of (str, int, int)
        Topic, partition and offset of the last event that it rests on.
    """

    user_id: str
    items: list[str]
    source: tuple[str, int, int]


def read_shown(raw: bytes | None) -> ShownList:
    """Read what a simulated user needs of a `recommendations` record.

    A quarter of the cost of validating the whole record with its reasons, for readers that take every list.

    Raises
    ------
    RecordError
        If the record is no recommendation.

    Examples
    --------
    >>> read_shown(
    ...     b'{"user_id": "u", "items": [{"item_id": "i"}],'
    ...     b' "source_topic": "clicks", "source_partition": 0, "source_offset": 3}'
    ... )
    ShownList(user_id='u', items=['i'], source=('clicks', 0, 3))
    """
    if raw is None:
        raise RecordError("null_value", "the record has no value")
    try:
        found = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise RecordError("not_json", str(error)) from None
    try:
        source = (found["source_topic"], found["source_partition"], found["source_offset"])
        return ShownList(found["user_id"], [item["item_id"] for item in found["items"]], source)
    except (KeyError, TypeError) as error:
        raise RecordError("invalid", f"no recommendation: {error!r}") from None
