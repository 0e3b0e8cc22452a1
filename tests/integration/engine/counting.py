"""A processor that counts records per key, and what is needed to run it and to check what it left behind."""

from __future__ import annotations

import asyncio
import json
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaProducer
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from streamproc.engine import Broadcast, Engine, InputRecord, Output, StateView, Writes
from streamproc.settings import Settings

INPUTS = ("clicks", "purchases")
COUNTS, ORDER, STATE, ECHO = "recommendations", "item-stats", "user-state", "dead-letters"
PARTITIONS = 4


class Counting:
    """Count per key in the state; one output per record with its count and origin, one per batch in `ORDER`.

    Parameters
    ----------
    settings
        Topics.
    pause
        Seconds that a batch takes.
    echo
        Whether `ECHO` gets every value as it came.
    """

    def __init__(self, settings: Settings, pause: float = 0.0, echo: bool = False) -> None:
        self._counts, self._order = settings.topic(COUNTS), settings.topic(ORDER)
        self._pause, self._echo = pause, settings.topic(ECHO) if echo else None
        self.batches: list[list[InputRecord]] = []
        self.assigned: list[int] = []

    def has_counted(self, records: int) -> bool:
        """Tell whether that many have been processed."""
        return sum(map(len, self.batches)) == records

    async def before_assigned(self, states: Mapping[int, StateView]) -> None:
        self.assigned += states

    def process(self, partition: int, records: Sequence[InputRecord], state: StateView) -> Writes:
        time.sleep(self._pause)
        keys = list(dict.fromkeys(record.key or b"" for record in records))
        counts = {key: int(value or b"0") for key, value in zip(keys, state.get_many(keys), strict=True)}
        writes = Writes()
        for record in records:
            if record.value == b"raise":
                raise ValueError("a record that\ncannot be processed")
            key = record.key or b""
            counts[key] += 1
            told = {"n": counts[key], "topic": record.topic, "offset": record.offset}
            writes.outputs.append(Output(self._counts, key, json.dumps(told).encode(), (("origin", b"test"),)))
            if self._echo is not None:
                writes.outputs.append(Output(self._echo, key, record.value))
            if record.value == b"refuse":
                writes.outputs.append(Output(self._counts, key, bytes(50_000)))
        writes.state = {key: str(count).encode() for key, count in counts.items()}
        writes.outputs.append(Output(self._order, None, f"{partition} {records[0].offset}".encode()))
        self.batches.append(list(records))
        return writes


def make_topics(settings: Settings) -> None:
    """Create the topics; inputs and `ECHO` take records of 10 MB, `COUNTS` none above 20 kB."""
    client = AdminClient({"bootstrap.servers": settings.bootstrap_servers})
    kept = {"retention.ms": "-1"}  # the records are as old as they say, and the broker would delete them at any moment
    large = kept | {"max.message.bytes": "10000000"}
    topics = [NewTopic(settings.topic(name), PARTITIONS, 1, config=large) for name in (*INPUTS, ECHO)]
    topics.append(NewTopic(settings.topic(COUNTS), PARTITIONS, 1, config={"max.message.bytes": "20000"}))
    topics.append(NewTopic(settings.topic(STATE), PARTITIONS, 1, config={"cleanup.policy": "compact"}))
    topics.append(NewTopic(settings.topic(ORDER), 1, 1))
    for future in client.create_topics(topics).values():
        future.result()


async def produce(settings: Settings, count: int, keys: int, value: bytes = b"x") -> None:
    """Write `count` records, one millisecond apart, on the input topics in turn."""
    sent = []
    limit = max(1_048_576, 2 * len(value))
    async with AIOKafkaProducer(bootstrap_servers=settings.bootstrap_servers, max_request_size=limit) as producer:
        for i in range(count):
            topic = settings.topic(INPUTS[i % len(INPUTS)])
            key = f"user-{i * 7919 % keys}".encode()
            sent.append(await producer.send(topic, value, key=key, timestamp_ms=1_700_000_000_000 + i))
        await asyncio.gather(*sent)


async def wait_for(condition: Any, what: str, seconds: float = 60.0) -> None:
    """Wait until `condition()` is true."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"in vain: {what}"
        await asyncio.sleep(0.02)


async def run_until(engine: Engine, condition: Any, what: str, seconds: float = 60.0) -> None:
    """Run an engine until `condition()` is true, then stop it."""
    running = asyncio.create_task(engine.run())
    try:
        await wait_for(lambda: running.done() or condition(), what, seconds)
    finally:
        engine.stop()
        await running


class Results:
    """What stands committed in the output topics and the changelog."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.counts: dict[bytes, list[int]] = defaultdict(list)
        self.origins: list[tuple[str, int, int]] = []
        self.order: list[str] = []
        self.state: dict[bytes, int] = {}

    async def read(self) -> Results:
        """Read everything up to the ends."""
        topics = [self._settings.topic(name) for name in (COUNTS, ORDER, STATE)]
        async with Broadcast(self._settings, topics) as reader:
            for record in await reader.catch_up():
                self._take(record)
        return self

    async def wait_for_outputs(self, count: int, check: Callable[[], object], seconds: float = 90.0) -> Results:
        """Follow until `count` outputs are committed, then read what else there is; `check` the worker meanwhile."""
        topics = [self._settings.topic(name) for name in (COUNTS, ORDER, STATE)]
        deadline = time.monotonic() + seconds
        async with Broadcast(self._settings, topics) as reader:
            while len(self.origins) < count:
                for record in await reader.poll(0.2):
                    self._take(record)
                check()
                assert time.monotonic() < deadline, f"{len(self.origins)} of {count} outputs"
            for record in await reader.catch_up():
                self._take(record)
        return self

    def _take(self, record: InputRecord) -> None:
        if record.topic == self._settings.topic(STATE):
            self.state[record.key or b""] = int(record.value or b"0")
        elif record.topic == self._settings.topic(ORDER):
            self.order.append((record.value or b"").decode())
        else:
            told = json.loads(record.value or b"")
            self.counts[record.key or b""].append(told["n"])
            self.origins.append((told["topic"], record.partition, told["offset"]))

    def assert_exactly_once(self, count: int) -> None:
        """Every record once; per key the counts 1, 2, 3 ... in order; the state is the last of them."""
        assert len(self.origins) == len(set(self.origins)) == count
        assert all(told == list(range(1, len(told) + 1)) for told in self.counts.values())
        assert self.state == {key: told[-1] for key, told in self.counts.items()}


def committed(settings: Settings) -> dict[tuple[str, int], int]:
    """Return the committed offsets of the group."""
    # A consumer that never joins: librdkafka's admin client crashes on offsets that are still in a transaction.
    # It reads uncommitted, or it would wait for the open transaction of a killed worker instead of telling what is.
    group = Consumer(
        {
            "bootstrap.servers": settings.bootstrap_servers,
            "group.id": settings.application_id,
            "isolation.level": "read_uncommitted",
        }
    )
    asked = [TopicPartition(settings.topic(name), p) for name in INPUTS for p in range(PARTITIONS)]
    try:
        return {(tp.topic, tp.partition): max(0, tp.offset) for tp in group.committed(asked, timeout=30)}
    finally:
        group.close()


def settings_for(bootstrap_servers: str, folder: Path, **more: Any) -> Settings:
    """Settings with small batches and sessions as short as a busy test machine bears."""
    return Settings(
        bootstrap_servers=bootstrap_servers,
        data_dir=folder,
        **{"max_poll_records": 100, "session_timeout_seconds": 6, **more},
    )
