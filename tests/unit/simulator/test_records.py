"""Every record that the simulator sends is valid under the wire contract and says what the world said."""

from __future__ import annotations

from schemas.events import ClickEvent, ItemEvent, PurchaseEvent
from schemas.record import decode, encode
from streamproc.simulator import World, WorldConfig
from streamproc.simulator.records import event_record, item_record


def test_events_become_valid_records_on_the_right_topic() -> None:
    world = World(WorldConfig(users=60, items=120, categories=4), 4)
    topics = set()
    for _ in range(1_000):
        event = world.step()
        topic, record = event_record(event)
        topics.add((event.kind, topic))
        model = PurchaseEvent if topic == "purchases" else ClickEvent
        back = decode(model, encode(record))
        assert back == record
        assert (back.user_id, back.item_id, back.timestamp_ms, back.event_id, back.category, back.price) == (
            event.user_id,
            event.item_id,
            event.timestamp_ms,
            event.event_id,
            event.category,
            event.price,
        )
        if isinstance(back, ClickEvent):
            assert back.event_type == event.kind
        assert b"cause" not in encode(record), "why the user chose must stay hidden"
    assert topics == {("click", "clicks"), ("cart", "clicks"), ("purchase", "purchases")}


def test_announcements_become_valid_items() -> None:
    for notice in World(WorldConfig(), 4).take_announcements():
        record = item_record(notice)
        assert decode(ItemEvent, encode(record)) == record
        assert (record.item_id, record.category, record.available) == (notice.item_id, notice.category, True)
