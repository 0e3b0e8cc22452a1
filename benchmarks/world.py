"""Simulated events as records: the same for every benchmark, and the same each time."""

from __future__ import annotations

from dataclasses import dataclass

from schemas.record import encode
from streamproc.simulator import World, WorldConfig
from streamproc.simulator.records import event_record, item_record

SEED = 7


@dataclass(frozen=True, slots=True)
class Message:
    """What a producer sends: `role` is the default name of the topic."""

    role: str
    key: bytes
    value: bytes
    timestamp_ms: int


def messages(events: int, users: int, items: int) -> tuple[list[Message], list[Message]]:
    """Return the catalogue and `events` interactions of a seeded world without drift."""
    world = World(WorldConfig(users=users, items=items), seed=SEED)
    catalogue: list[Message] = []
    interactions: list[Message] = []
    for _ in range(events):
        event = world.step()
        for notice in world.take_announcements():
            value = encode(item_record(notice))
            catalogue.append(Message("items", notice.item_id.encode(), value, notice.timestamp_ms))
        role, record = event_record(event)
        interactions.append(Message(role, event.user_id.encode(), encode(record), event.timestamp_ms))
    return catalogue, interactions
