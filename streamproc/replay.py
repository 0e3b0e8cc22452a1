"""Sends a file's events to the topics `clicks` and `purchases`, as fast as possible or paced by their timestamps."""

import asyncio
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from zlib import crc32

from aiokafka import AIOKafkaProducer
from aiokafka.partitioner import DefaultPartitioner
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.structs import RecordMetadata

from schemas.events import ClickEvent, PurchaseEvent
from schemas.record import encode
from streamproc.connection import aiokafka_options
from streamproc.files import FileEvent
from streamproc.settings import Settings

# Rows after which every open batch goes out: a rare purchase must not wait until its own batch is full, far behind
# the clicks of its time.
FLUSH_ROWS = 1_000
BATCH_BYTES = 131_072


def event_record(event: FileEvent, event_id: str | None = None) -> tuple[str, bytes]:
    """Topic, by its default name, and value of a row.

    >>> event_record(FileEvent(1700000000000, "u1", "i1", "cart", None, 9.5))[0]
    'clicks'
    """
    shared = {
        "user_id": event.user_id,
        "item_id": event.item_id,
        "timestamp_ms": event.timestamp_ms,
        "event_id": event_id,
        "category": event.category,
        "price": event.price,
    }
    if event.event_type == "purchase":
        return "purchases", encode(PurchaseEvent.model_validate(shared))
    return "clicks", encode(ClickEvent.model_validate(shared | {"event_type": event.event_type}))


def event_id_prefix(path: Path) -> str:
    """Start of the event ids of a file: the same file name gives the same ids again."""
    return f"{crc32(path.name.encode()):08x}-"


class Batches:
    """Open record batches, one for each partition, keyed as every other Kafka client keys (murmur2).

    Whole batches cost a tenth of `AIOKafkaProducer.send` for every record. A refused batch fails the next call.
    """

    def __init__(self, producer: AIOKafkaProducer) -> None:
        self._producer = producer
        self._partitioner = DefaultPartitioner()
        self._partitions: dict[str, list[int]] = {}
        self._open: dict[tuple[str, int], BatchBuilder] = {}
        self._sent: set[asyncio.Future[RecordMetadata]] = set()
        self._failure: BaseException | None = None

    async def add(self, topic: str, key: bytes, value: bytes, timestamp_ms: int) -> None:
        """Put a record into the batch of its partition; send that batch when it is full."""
        if topic not in self._partitions:
            self._partitions[topic] = sorted(await self._producer.partitions_for(topic))
        everywhere = self._partitions[topic]
        place = topic, self._partitioner(key, everywhere, everywhere)
        batch = self._open.get(place)
        if batch is None or batch.append(timestamp=timestamp_ms, key=key, value=value) is None:
            if batch is not None:
                await self._send(place, batch)
            self._open[place] = batch = self._producer.create_batch()
            batch.append(timestamp=timestamp_ms, key=key, value=value)

    async def flush(self) -> None:
        """Send every open batch."""
        for place in list(self._open):
            await self._send(place, self._open.pop(place))

    async def wait(self) -> None:
        """Wait until the broker has acknowledged all that was sent."""
        await self.flush()
        if self._sent:
            await asyncio.gather(*self._sent)
        self._raise_failure()

    async def _send(self, place: tuple[str, int], batch: BatchBuilder) -> None:
        self._raise_failure()
        batch.close()
        sent = await self._producer.send_batch(batch, place[0], partition=place[1])
        self._sent.add(sent)
        sent.add_done_callback(self._acknowledge)

    def _acknowledge(self, done: "asyncio.Future[RecordMetadata]") -> None:
        self._sent.discard(done)
        if not done.cancelled() and (error := done.exception()):
            self._failure = self._failure or error

    def _raise_failure(self) -> None:
        if self._failure:
            raise self._failure


async def replay(
    settings: Settings,
    events: Iterable[FileEvent],
    speed: float | None = None,
    event_ids: str | None = None,
    on_event: Callable[[], object] = lambda: None,
) -> int:
    """Send events and return how many were acknowledged.

    Parameters
    ----------
    settings
        Brokers and topic names.
    events
        In the order of their timestamps.
    speed
        How many times faster than they happened; None: as fast as the brokers take them. Then the Kafka timestamp of
        a record is the event's own, so that a worker with a backlog of clicks and purchases takes them in the order in
        which they happened. With a speed it is the time of sending, so that delays can be measured.
    event_ids
        Prefix of `event_id`s made from the row number, so that a repeated replay changes nothing; None: no ids.
    on_event
        Called for each event handed over.

    Raises
    ------
    KafkaError
        When the brokers cannot be reached or refuse a record.
    """
    # Idempotent: a retry inside the client must neither repeat nor reorder a user's events.
    producer = AIOKafkaProducer(
        **aiokafka_options(settings), acks="all", enable_idempotence=True, max_batch_size=BATCH_BYTES
    )
    names = {role: settings.topic(role) for role in ("clicks", "purchases")}
    count = 0
    clock: _Clock | None = None
    await producer.start()
    try:
        batches = Batches(producer)
        for event in events:
            timestamp_ms = event.timestamp_ms
            if speed is not None:
                clock = clock or _Clock(timestamp_ms, speed)
                if (wait := clock.seconds_until(timestamp_ms)) > 0:
                    await batches.flush()
                    await asyncio.sleep(wait)
                timestamp_ms = time.time_ns() // 1_000_000
            role, value = event_record(event, event_ids and f"{event_ids}{count}")
            await batches.add(names[role], event.user_id.encode(), value, timestamp_ms)
            count += 1
            on_event()
            if count % FLUSH_ROWS == 0:
                await batches.flush()
        await batches.wait()
    finally:
        await producer.stop()
    return count


class _Clock:
    """Maps event time to the time until it is due."""

    def __init__(self, first_ms: int, speed: float) -> None:
        self._first_ms = first_ms
        self._speed = speed
        self._started = time.monotonic()

    def seconds_until(self, timestamp_ms: int) -> float:
        due = (timestamp_ms - self._first_ms) / 1000 / self._speed
        return due - (time.monotonic() - self._started)
