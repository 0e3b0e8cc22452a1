"""From the bytes of an input record to what the recommender understands, or to a reason for the dead letters."""

from dataclasses import dataclass
from typing import Final

from models.interaction import CatalogueItem, EventType, Interaction, hash_id
from schemas.events import ClickEvent, ItemEvent, PurchaseEvent, RecommendationRequest
from schemas.record import RecordError, decode
from streamproc.engine import InputRecord
from streamproc.settings import Settings

_EVENT_TYPES: Final = {"click": EventType.CLICK, "cart": EventType.CART}


@dataclass(frozen=True, slots=True)
class UserEvent:
    """An interaction and the user it belongs to."""

    user_id: str
    interaction: Interaction


@dataclass(frozen=True, slots=True)
class Deleted:
    """A null value on `items`: the item is gone."""

    item_id: str


@dataclass(frozen=True, slots=True)
class Misplaced:
    """A good user event that does not lie in its user's partition; see the setting `repartition`."""

    user_id: str


Parsed = UserEvent | RecommendationRequest | CatalogueItem | Deleted | Misplaced


class Parser:
    """Decode and check the records of the worker's input topics.

    Parameters
    ----------
    settings
        Names of the topics and limits on size and time.
    """

    def __init__(self, settings: Settings) -> None:
        self._clicks = settings.topic("clicks")
        self._purchases = settings.topic("purchases")
        self._requests = settings.topic("recommendation-requests")
        self._items = settings.topic("items")
        self._max_bytes = settings.max_event_bytes
        self._max_future_ms = int(settings.max_future_seconds * 1000)
        self._repartition = settings.repartition

    def parse(self, record: InputRecord, now_ms: int) -> Parsed:
        """Decode one record.

        Raises
        ------
        RecordError
            When it must go to the dead letters.
        """
        if record.topic == self._items:
            return parse_item(record, self._max_bytes)
        event: ClickEvent | PurchaseEvent | RecommendationRequest
        if record.topic == self._clicks:
            event = decode(ClickEvent, record.value, max_bytes=self._max_bytes)
        elif record.topic == self._purchases:
            event = decode(PurchaseEvent, record.value, max_bytes=self._max_bytes)
        elif record.topic == self._requests:
            event = decode(RecommendationRequest, record.value, max_bytes=self._max_bytes)
        else:
            raise ValueError(f"no parser for topic {record.topic!r}")
        if event.timestamp_ms > now_ms + self._max_future_ms:
            ahead = (event.timestamp_ms - now_ms) // 1000
            raise RecordError("future_timestamp", f"timestamp_ms is {ahead} seconds ahead of the clock")
        if record.key is None or record.key != event.user_id.encode():
            if self._repartition:
                return Misplaced(event.user_id)
            raise RecordError(
                "key_mismatch", "the key is not the user_id: key by user_id, or set STREAMPROC_REPARTITION=true"
            )
        if isinstance(event, RecommendationRequest):
            return event
        event_type = EventType.PURCHASE if isinstance(event, PurchaseEvent) else _EVENT_TYPES[event.event_type]
        interaction = Interaction(
            user=hash_id(event.user_id),
            item_id=event.item_id,
            event_type=event_type,
            timestamp_ms=event.timestamp_ms,
            category=event.category,
            price=event.price,
            event_id=event.event_id,
        )
        return UserEvent(event.user_id, interaction)


def parse_item(record: InputRecord, max_bytes: int) -> CatalogueItem | Deleted:
    """Decode a record of the catalogue topic.

    Raises
    ------
    RecordError
        When it is not a catalogue item, or its key is not the item's id.
    """
    if record.value is None:
        if not record.key:
            raise RecordError("key_mismatch", "a null value deletes the item that the key names, and there is no key")
        return Deleted(_text(record.key))
    item = decode(ItemEvent, record.value, max_bytes=max_bytes)
    if record.key != item.item_id.encode():
        raise RecordError("key_mismatch", "the key is not the item_id: compaction would keep the wrong records")
    return CatalogueItem(
        item_id=item.item_id,
        timestamp_ms=item.timestamp_ms,
        category=item.category,
        price=item.price,
        text=" ".join(part for part in (item.title, item.text) if part) or None,
        tags=tuple(item.tags),
        vector=tuple(item.vector),
        available=item.available,
    )


def _text(key: bytes) -> str:
    try:
        return key.decode()
    except UnicodeDecodeError:
        raise RecordError("invalid", "the key is not UTF-8") from None
