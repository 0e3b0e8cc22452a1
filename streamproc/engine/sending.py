"""Records into batches of records, and these to the brokers."""

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import repeat
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import ProducerFenced
from aiokafka.partitioner import murmur2
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.structs import TopicPartition

from streamproc.engine.errors import EngineError, describe
from streamproc.engine.records import Headers, Output

# A batch of records is what the brokers' `message.max.bytes` (1 MiB by default) limits: stay below it together.
_MAX_BATCH_BYTES = 512 * 1024

_KNOWN_KEYS = 100_000

Rows = Mapping[bytes, bytes | None]
Place = tuple[str, int]
Record = tuple[str, bytes | None, bytes | None, Headers, int | None, int | None]
"""An `Output`, or what looks like one."""


class Sender:
    """A producer that sends whole batches.

    Parameters
    ----------
    options
        How to reach the brokers, and a `transactional_id` where there are transactions.
    """

    def __init__(self, options: Mapping[str, Any]) -> None:
        self.producer = AIOKafkaProducer(
            **options, acks="all", max_batch_size=_MAX_BATCH_BYTES, enable_idempotence=True
        )
        self.places: set[Place] = set()
        """Topics and partitions sent to; whoever empties it knows since when."""

    async def send(self, changelog: TopicPartition, rows: Rows, outputs: Sequence[Output]) -> int | None:
        """Send rows to the changelog, and outputs, each partition's in their order; wait for the acknowledgements.

        The answer is the offset after the last row, ``None`` without rows.

        Raises
        ------
        EngineError
            If the broker refuses any.
        ProducerFenced
            If another producer has the same transactional id since.
        """
        batches: list[tuple[Place, BatchBuilder]] = []
        if rows:
            # Zipped, since a row is nothing but its key and value: the records of outputs are these themselves.
            changes = zip(repeat(""), rows, rows.values(), repeat(()), repeat(None), repeat(None))
            batches += [(changelog, batch) for batch in self._fill(changes)]
        for place, records in (await self._by_place(outputs, changelog.partition)).items():
            batches += [(place, batch) for batch in self._fill(records)]
        self.places.update(place for place, _ in batches)
        return await self._deliver(batches, changelog)

    async def _by_place(self, outputs: Sequence[Output], own: int) -> dict[Place, list[Record]]:
        """Return the outputs by topic and partition, those of partition number `own` being without a key."""
        found: dict[str, list[list[Record]]] = {}
        for output in outputs:
            topic, key, _, _, _, partition = output
            if partition is None:
                partition = _positive_murmur2(key) if key is not None else own
            if topic not in found:
                found[topic] = [[] for _ in await self.producer.partitions_for(topic)]
            partitions = found[topic]
            partitions[partition % len(partitions)].append(output)
        return {
            (topic, number): records
            for topic, partitions in found.items()
            for number, records in enumerate(partitions)
            if records
        }

    def _fill(self, records: Iterable[Record]) -> Iterator[BatchBuilder]:
        """Put records into as few batches as hold them.

        Assumption: `BatchBuilder.append` adds to a compiled builder, which answers None when it is full, and counts.
        Its serializers and checks, of no use here, cost more than that does.
        """
        batch, count = self.producer.create_batch(), 0
        add = batch._builder.append
        for _, key, value, headers, timestamp_ms, _ in records:
            if add(count, timestamp_ms, key, value, [*headers]) is None:
                batch._relative_offset = count
                yield batch
                batch, count = self.producer.create_batch(), 0
                add = batch._builder.append
                add(count, timestamp_ms, key, value, [*headers])
            count += 1
        batch._relative_offset = count
        yield batch

    async def _deliver(self, batches: Sequence[tuple[Place, BatchBuilder]], changelog: TopicPartition) -> int | None:
        futures = [
            await self.producer.send_batch(builder, topic, partition=partition)
            for (topic, partition), builder in batches
        ]
        end: int | None = None
        for (place, builder), result in zip(
            batches, await asyncio.gather(*futures, return_exceptions=True), strict=True
        ):
            if isinstance(result, ProducerFenced):
                raise result
            if isinstance(result, BaseException):
                raise EngineError(f"the broker refused records for {place[0]}-{place[1]} ({describe(result)})")
            if place == changelog:
                end = result.offset + builder.record_count()
        return end


@lru_cache(_KNOWN_KEYS)
def _positive_murmur2(key: bytes) -> int:
    """Hash a key as Kafka's default partitioner does; in Python it takes microseconds, and keys come again."""
    hashed: int = murmur2(key) & 0x7FFFFFFF
    return hashed
