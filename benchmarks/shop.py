"""The stream of `recommend`: a simulated shop of any size, or an event file."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Protocol

from models.interaction import EventType, hash_id
from schemas.events import ItemEvent
from schemas.knowledge import InteractionColumns, ItemStatsDelta
from schemas.record import encode
from streamproc.files import FileEvent, read_events
from streamproc.replay import event_record

START_MS = 1_735_689_600_000
_SEED = 7
_STEP_MS = 50
_CATEGORY_ITEMS = 200
_DELTA = 500


class Source(Protocol):
    """Where events come from, in the order of time, and what the catalogue says of their items."""

    def events(self) -> Iterator[FileEvent]:
        """Yield them, the same each time."""

    def catalogue(self) -> Iterator[tuple[bytes, bytes]]:
        """Yield keys and values for the topic `items`."""


@dataclass(frozen=True)
class Shop:
    """Where events come from.

    The simulated one costs a few microseconds per event at any size, unlike the demo's world, whose people look at the
    whole catalogue. Users come in sessions of six events on average. Half of the events follow from the user's
    previous item, a fifth go back to one of the user's own, the rest fall on items by Zipf's law; one in twenty buys.

    Attributes
    ----------
    users, items
        Size of the simulated shop.
    file
        Take the events from here instead.
    """

    users: int
    items: int
    file: Path | None = None

    def events(self) -> Iterator[FileEvent]:
        """Yield events in the order of time, the same each time.

        >>> first, second = islice(Shop(100, 1_000).events(), 2)
        >>> first == next(Shop(100, 1_000).events()), second.timestamp_ms - first.timestamp_ms
        (True, 50)
        """
        return read_events(self.file) if self.file else self._simulated()

    def _simulated(self) -> Iterator[FileEvent]:
        rng = random.Random(_SEED)
        open_sessions = [self._new_session(rng) for _ in range(min(self.users, 300))]
        now_ms = START_MS
        while True:
            place = rng.randrange(len(open_sessions))
            user, own = open_sessions[place]
            draw = rng.random()
            if own and draw < 0.5:
                item = (own[-1] + int(rng.expovariate(0.5)) + 1) % self.items
            elif own and draw < 0.7:
                item = rng.choice(own)
            else:
                item = int(self.items ** rng.random()) - 1  # Zipf: as many events on items 10 to 100 as on 100 to 1,000
            own.append(item)
            kind = "purchase" if rng.random() < 0.05 else "click"
            yield FileEvent(now_ms, f"user-{user}", f"item-{item}", kind, category_of(item), price_of(item))
            now_ms += _STEP_MS
            if rng.random() < 1 / 6:
                open_sessions[place] = self._new_session(rng)

    def _new_session(self, rng: random.Random) -> tuple[int, list[int]]:
        user = rng.randrange(self.users)
        return user, [user * 7919 % self.items]  # what this user likes, session after session

    def catalogue(self) -> Iterator[tuple[bytes, bytes]]:
        """Yield keys and values for the topic `items`; a file has no catalogue."""
        for item in range(0 if self.file else self.items):
            name = f"item-{item}"
            record = ItemEvent(
                item_id=name, timestamp_ms=START_MS, category=category_of(item), price=price_of(item), available=True
            )
            yield name.encode(), encode(record)


def category_of(item: int) -> str:
    """Return the category of a simulated item."""
    return f"category-{item // _CATEGORY_ITEMS}"


def price_of(item: int) -> float:
    """Return its price."""
    return 1 + item * 37 % 9_900 / 100


def message(event: FileEvent) -> tuple[str, bytes, bytes, int]:
    """Return topic (by its default name), key, value and time of the record that a producer sends."""
    topic, value = event_record(event)
    return topic, event.user_id.encode(), value, event.timestamp_ms


def history(events: Iterator[FileEvent], count: int) -> Iterator[bytes]:
    """Take `count` events and yield them as records of `item-stats`: what workers before this one have learned."""
    while count > 0 and (part := list(islice(events, min(count, _DELTA)))):
        count -= len(part)
        seen = InteractionColumns(
            user=[hash_id(e.user_id) for e in part],
            item_id=[e.item_id for e in part],
            event_type=[int(EventType[e.event_type.upper()]) for e in part],
            timestamp_ms=[e.timestamp_ms for e in part],
            category=[e.category for e in part],
            price=[e.price for e in part],
        )
        yield encode(
            ItemStatsDelta(
                instance="history",
                source_topic="clicks",
                source_partition=0,
                offset_first=0,
                offset_last=len(part) - 1,
                interactions=seen,
            )
        )
