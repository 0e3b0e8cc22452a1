"""The in-process broker."""

from __future__ import annotations

import uuid

import pytest
from confluent_kafka import Consumer, Producer

from streamproc.brokers.embedded import EmbeddedBroker
from streamproc.errors import StreamprocError


@pytest.mark.embedded
def test_what_is_sent_is_read(embedded_broker: EmbeddedBroker) -> None:
    topic = uuid.uuid4().hex
    assert embedded_broker.touch(topic) == 4
    producer = Producer({"bootstrap.servers": embedded_broker.bootstrap_servers})
    producer.produce(topic, b"value", b"key", partition=3)
    assert producer.flush(10) == 0
    options = {
        "bootstrap.servers": embedded_broker.bootstrap_servers,
        "group.id": topic,
        "auto.offset.reset": "earliest",
    }
    consumer = Consumer(options)
    consumer.subscribe([topic])
    (record,) = consumer.consume(1, timeout=20)
    assert (record.partition(), record.key(), record.value()) == (3, b"key", b"value")
    consumer.close()


def test_two_brokers_know_nothing_of_each_other(embedded_broker: EmbeddedBroker) -> None:
    with EmbeddedBroker() as other:
        assert other.bootstrap_servers != embedded_broker.bootstrap_servers


def test_four_partitions_or_none() -> None:
    with pytest.raises(ValueError, match="have 4 partitions, not 8"):
        EmbeddedBroker(partitions=8)


def test_nothing_to_touch_outside_the_context() -> None:
    with pytest.raises(StreamprocError, match="not running"):
        EmbeddedBroker().touch("clicks")
