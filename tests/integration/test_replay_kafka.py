"""Replay into a real Kafka: what happened long ago keeps its time and is not deleted for its age."""

from collections.abc import Callable

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.structs import TopicPartition

from streamproc.brokers.kafka import KafkaBroker
from streamproc.files import FileEvent
from streamproc.replay import replay
from streamproc.settings import Settings
from streamproc.topics import create

pytestmark = pytest.mark.kafka

IN_2008 = 1_207_008_000_000


async def test_old_events_arrive_once_with_their_own_time(
    kafka_broker: KafkaBroker, unique_topics: Callable[[Settings], Settings]
) -> None:
    settings = unique_topics(Settings(bootstrap_servers=kafka_broker.bootstrap_servers, partitions=3))
    create(settings)
    events = [
        FileEvent(IN_2008 + n, f"u{n % 50}", "i", "purchase" if n % 10 == 0 else "click", None, None)
        for n in range(3_000)
    ]
    assert await replay(settings, iter(events)) == len(events)
    consumer = AIOKafkaConsumer(bootstrap_servers=settings.bootstrap_servers, isolation_level="read_committed")
    await consumer.start()
    try:
        for role, count in (("clicks", 2_700), ("purchases", 300)):
            partitions = [TopicPartition(settings.topic(role), number) for number in range(3)]
            assert sum((await consumer.end_offsets(partitions)).values()) == count
            consumer.assign(partitions)
            await consumer.seek_to_beginning(*partitions)
            times: list[int] = []
            while len(times) < count:
                for records in (await consumer.getmany(timeout_ms=200)).values():
                    times += [record.timestamp for record in records]
            kind = "purchase" if role == "purchases" else "click"
            assert sorted(times) == [event.timestamp_ms for event in events if event.event_type == kind]
    finally:
        await consumer.stop()
