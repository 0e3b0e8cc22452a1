"""The container image that docker-compose.yml names does what the engine asks of a broker."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from streamproc.settings import Settings
from streamproc.topics import check, create

if TYPE_CHECKING:
    from tests.docker_kafka import DockerKafka

pytestmark = [pytest.mark.kafka, pytest.mark.docker]


def test_topics_and_a_transaction(docker_kafka: DockerKafka, unique_topics: Callable[[Settings], Settings]) -> None:
    settings = unique_topics(Settings(bootstrap_servers=docker_kafka.bootstrap_servers))
    create(settings)
    assert check(settings) == settings.partitions
    topic = settings.topic("recommendations")
    producer = Producer({"bootstrap.servers": settings.bootstrap_servers, "transactional.id": settings.application_id})
    producer.init_transactions(30)
    for value, kept in ((b"aborted", False), (b"committed", True)):
        producer.begin_transaction()
        producer.produce(topic, value, partition=0)
        producer.flush(10)
        _ = producer.commit_transaction(30) if kept else producer.abort_transaction(30)
    reader = Consumer({"bootstrap.servers": settings.bootstrap_servers, "group.id": settings.application_id})
    reader.assign([TopicPartition(topic, 0, 0)])
    (record,) = reader.consume(1, timeout=30)
    assert record.value() == b"committed"
    reader.close()
