"""Topics on a real Kafka: created as specified, and refused when they do not fit."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from confluent_kafka import (
    TIMESTAMP_CREATE_TIME,
    TIMESTAMP_LOG_APPEND_TIME,
    Consumer,
    Producer,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic, ResourceType

from streamproc.brokers.kafka import KafkaBroker
from streamproc.settings import Settings
from streamproc.topics import TopicsError, all_topics, check, create

Unique = Callable[[Settings], Settings]

pytestmark = pytest.mark.kafka


def test_created_on_kafka_as_specified(kafka_broker: KafkaBroker, unique_topics: Unique) -> None:
    settings = unique_topics(Settings(bootstrap_servers=kafka_broker.bootstrap_servers, partitions=3))
    create(settings)
    assert check(settings) == 3
    client = AdminClient({"bootstrap.servers": kafka_broker.bootstrap_servers})
    metadata = client.list_topics(timeout=10).topics
    for spec in all_topics(settings):
        assert len(metadata[spec.name].partitions) == spec.partitions
        (asked,) = client.describe_configs([ConfigResource(ResourceType.TOPIC, spec.name)]).values()
        found = {name: entry.value for name, entry in asked.result().items()}
        assert found.items() >= spec.config.items()
        assert found["cleanup.policy"] == spec.cleanup


def test_old_timestamps_and_oversized_values_are_kept(kafka_broker: KafkaBroker, unique_topics: Unique) -> None:
    settings = unique_topics(Settings(bootstrap_servers=kafka_broker.bootstrap_servers))
    create(settings)
    long_ago = 1_000_000_000_000
    address = {"bootstrap.servers": kafka_broker.bootstrap_servers, "log_level": 0}
    producer = Producer({**address, "message.max.bytes": 16_000_000})
    value = b"x" * 10_000_000
    for role in ("clicks", "recommendations"):
        size = len(value) if role == "clicks" else 10
        producer.produce(settings.topic(role), value[:size], partition=0, timestamp=long_ago)
    assert producer.flush(30) == 0
    reader = Consumer({**address, "group.id": settings.application_id})
    found = {}
    for role in ("clicks", "recommendations"):
        reader.assign([TopicPartition(settings.topic(role), 0, 0)])
        (record,) = reader.consume(1, timeout=30)
        found[role] = (record.timestamp(), len(record.value()))
    reader.close()
    # A replay keeps its order of time; what is written because of it ages from now on.
    assert found["clicks"] == ((TIMESTAMP_CREATE_TIME, long_ago), len(value))
    assert found["recommendations"][0][0] == TIMESTAMP_LOG_APPEND_TIME
    assert found["recommendations"][0][1] > long_ago


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (("purchases", 6, {}), r"equal numbers of partitions: .*purchases has 6.*--alter --topic"),
        (("item-stats", 2, {}), "item-stats' must have one partition"),
        (("user-state", 4, {"cleanup.policy": "delete"}), "changelog' is not compacted"),
    ],
)
def test_wrong_topics_are_refused(
    kafka_broker: KafkaBroker, unique_topics: Unique, wrong: tuple[str, int, dict[str, str]], message: str
) -> None:
    settings = unique_topics(Settings(bootstrap_servers=kafka_broker.bootstrap_servers))
    client = AdminClient({"bootstrap.servers": kafka_broker.bootstrap_servers})
    role, partitions, config = wrong
    (made,) = client.create_topics([NewTopic(settings.topic(role), partitions, 1, config=config)]).values()
    made.result()
    create(settings)
    with pytest.raises(TopicsError, match=message) as caught:
        check(settings)
    assert "\n" not in str(caught.value)
