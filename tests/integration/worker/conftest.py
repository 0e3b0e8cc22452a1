"""Whole worker processes on a real broker: start, kill, stop, wake, and what they left on the topics."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
from confluent_kafka import Consumer, KafkaException, Message, Producer, TopicPartition

from streamproc import topics
from streamproc.brokers.kafka import KafkaBroker
from streamproc.settings import PREFIX, Settings

DAY_MS = 1_700_000_000_000
INPUTS = ("clicks", "purchases", "items", "recommendation-requests")


@dataclass
class Shop:
    """One application on the broker: its topics, its workers, and what tests ask of them."""

    settings: Settings
    folder: Path
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def _client(self) -> dict[str, Any]:
        return {"bootstrap.servers": self.settings.bootstrap_servers, "log_level": 0}

    def start_worker(self, **changes: Any) -> subprocess.Popen[bytes]:
        """Start a worker process of its own."""
        values = self.settings.model_copy(update=changes).model_dump(mode="json", exclude_none=True)
        values |= {"data_dir": str(changes.get("data_dir", self.folder / f"worker-{len(self.workers)}"))}
        values |= {"worker_http_port": 0}
        values["worker_id"] = f"worker-{len(self.workers)}"
        environment = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
        environment |= {PREFIX + name.upper(): str(value) for name, value in values.items() if value != ""}
        with (self.folder / f"worker-{len(self.workers)}.log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "streamproc", "worker"], env=environment, stdout=log, stderr=log
            )
        self.workers.append(process)
        return process

    def log(self, number: int) -> str:
        """What worker `number` has written."""
        return (self.folder / f"worker-{number}.log").read_text()

    def ready(self, number: int) -> bool:
        """Whether `/readyz` of worker `number` says that it consumes."""
        address = re.search(r"metrics on (http://\S+)/metrics", self.log(number))
        if address is None:
            return False
        try:
            return urlopen(f"{address[1]}/readyz").status == 200
        except HTTPError:
            return False

    def stop(self, worker: subprocess.Popen[bytes]) -> int:
        """End a worker as an orchestrator does; returns its exit code."""
        worker.send_signal(signal.SIGTERM)
        return worker.wait(timeout=30)

    def produce(self, events: list[tuple[str, str | None, bytes | None]]) -> None:
        """Send (topic, key, value) records with murmur2 partitioning, as Kafka's own producers do."""
        producer = Producer(
            {
                **self._client,
                "partitioner": "murmur2_random",
                "message.max.bytes": 16_000_000,
                "enable.idempotence": True,  # keeps the order of what is sent
            }
        )
        for topic, key, value in events:
            producer.produce(self.settings.topic(topic), value, key)
            producer.poll(0)
        assert producer.flush(30) == 0

    def read(self, topic: str) -> list[Message]:
        """Everything committed on a topic, partition by partition."""
        name = self.settings.topic(topic)
        consumer = Consumer({**self._client, "group.id": "none", "isolation.level": "read_committed"})
        try:
            partitions = consumer.list_topics(name, timeout=10).topics[name].partitions
            starts = [TopicPartition(name, partition, 0) for partition in partitions]
            consumer.assign(starts)
            ends = {tp.partition: consumer.get_watermark_offsets(tp, timeout=10)[1] for tp in starts}
            found: list[Message] = []
            # Transaction markers take offsets too: positions tell the end, a count of messages would not.
            while any(tp.offset < ends[tp.partition] for tp in consumer.position(starts) if ends[tp.partition]):
                found += [m for m in consumer.consume(1000, timeout=0.2) if not m.error()]
            return found
        finally:
            consumer.close()

    def lag(self) -> int:
        """Records of the input topics that the group has not committed."""
        asked = [
            TopicPartition(self.settings.topic(role), partition)
            for role in INPUTS
            for partition in range(self.settings.partitions)
        ]
        # Its group is asked for offsets only; it never subscribes, so it is no member. Reading committed, it would wait
        # for the open transaction of a killed worker instead of telling what is committed.
        group = {"group.id": self.settings.application_id, "isolation.level": "read_uncommitted"}
        consumer = Consumer({**self._client, **group})
        try:
            committed = {(tp.topic, tp.partition): tp.offset for tp in consumer.committed(asked, timeout=30)}
            ends = {(tp.topic, tp.partition): consumer.get_watermark_offsets(tp, timeout=30)[1] for tp in asked}
        except KafkaException:
            return sys.maxsize  # a new broker has no group coordinator in its first seconds
        finally:
            consumer.close()
        return sum(end - max(0, committed[place]) for place, end in ends.items())

    def wait(self, condition: Callable[[], bool], what: str, seconds: float = 90) -> None:
        """Poll until a condition holds."""
        deadline = time.monotonic() + seconds
        while not condition():
            logs = "\n".join(self.log(number)[-1500:] for number in range(len(self.workers)))
            assert time.monotonic() < deadline, f"no {what} within {seconds} seconds; logs end with:\n{logs}"
            time.sleep(0.1)

    def drain(self, seconds: float = 90) -> None:
        """Wait until everything sent is committed."""
        self.wait(lambda: self.lag() == 0, "committed lag of 0", seconds)


@pytest.fixture
def make_shop(
    kafka_broker: KafkaBroker, unique_topics: Callable[[Settings], Settings], tmp_path: Path
) -> Iterator[Callable[..., Shop]]:
    """Return a function that creates an application's topics; its workers are ended after the test."""
    shops: list[Shop] = []

    def make(**changes: Any) -> Shop:
        settings = unique_topics(Settings(bootstrap_servers=kafka_broker.bootstrap_servers, **changes))
        topics.create(settings)
        folder = tmp_path / f"shop-{len(shops)}"
        folder.mkdir()
        shops.append(Shop(settings, folder))
        return shops[-1]

    yield make
    for shop in shops:
        for worker in shop.workers:
            if worker.poll() is None:
                worker.send_signal(signal.SIGCONT)
                worker.kill()
                worker.wait()


@pytest.fixture
def stream() -> list[tuple[str, str, bytes]]:
    """Three thousand clicks and purchases of 80 users on 200 items, in the order of time."""
    rng = random.Random(7)
    events = []
    for index in range(3_000):
        user, item = f"user-{rng.randrange(80)}", f"item-{int(rng.paretovariate(0.8)) % 200}"
        event = {"user_id": user, "item_id": item, "timestamp_ms": DAY_MS + 1000 * index, "price": 9.5}
        events.append(("purchases" if rng.random() < 0.2 else "clicks", user, json.dumps(event).encode()))
    return events
