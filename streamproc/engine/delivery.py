"""How a batch's writes leave: two strategies behind one seam.

`ExactlyOnce` makes state, outputs and offsets of a partition one transaction (KIP-98) of a producer that belongs to the
partition: its `transactional_id` names it, so that a new owner fences a former one. `AtLeastOnce` is for brokers
without transactions: an idempotent producer, deliveries awaited, then the offsets committed.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol

from aiokafka import AIOKafkaProducer
from aiokafka.errors import ProducerFenced
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.structs import TopicPartition

from streamproc.engine.errors import EngineError, describe
from streamproc.engine.records import Output

# A batch of records is what the brokers' `message.max.bytes` (1 MiB by default) limits: stay below it together.
_MAX_BATCH_BYTES = 512 * 1024

_ABORT_SECONDS = 5.0

Offsets = Mapping[TopicPartition, int]
CommitOffsets = Callable[[Offsets], Awaitable[bool]]


class Delivery(Protocol):
    """What one partition's task needs of a producer. Every method raises EngineError when the worker must end."""

    async def start(self) -> None:
        """Connect; whoever owned the partition before can write no more when this returns."""

    async def send(self, outputs: Sequence[Output], own_partition: int) -> list[tuple[TopicPartition, int]]:
        """Send records; return when all are acknowledged, with the next offset after each batch of records."""

    async def commit(self, offsets: Offsets) -> None:
        """Make everything sent since the last commit visible, together with the offsets."""

    async def abandon(self) -> None:
        """Let go without a commit; what was sent since the last one is taken back where there are transactions."""


class _Sender:
    """Records to batches of records, by topic and partition."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        self.producer = AIOKafkaProducer(
            **options, acks="all", max_batch_size=_MAX_BATCH_BYTES, enable_idempotence=True
        )

    async def send(self, outputs: Sequence[Output], own_partition: int) -> list[tuple[TopicPartition, int]]:
        batches: list[tuple[TopicPartition, BatchBuilder]] = []
        open_batches: dict[TopicPartition, BatchBuilder] = {}
        partitions: dict[str, list[int]] = {}
        for output in outputs:
            topic = output.topic
            if topic not in partitions:
                partitions[topic] = sorted(await self.producer.partitions_for(topic))
            tp = TopicPartition(topic, self._partition(output, partitions[topic], own_partition))
            builder = open_batches.get(tp)
            while builder is None or not self._append(builder, output):
                builder = open_batches[tp] = self.producer.create_batch()
                batches.append((tp, builder))
        futures = [await self.producer.send_batch(builder, tp.topic, partition=tp.partition) for tp, builder in batches]
        acknowledged = await asyncio.gather(*futures, return_exceptions=True)
        ends = []
        for (tp, builder), result in zip(batches, acknowledged, strict=True):
            if isinstance(result, ProducerFenced):
                raise result
            if isinstance(result, BaseException):
                raise EngineError(f"the broker refused records for {tp.topic}-{tp.partition} ({describe(result)})")
            ends.append((tp, result.offset + builder.record_count()))
        return ends

    def _partition(self, output: Output, known: list[int], own: int) -> int:
        if output.partition is not None:
            return output.partition
        if output.key is None:
            return known[own % len(known)]
        chosen: int = self.producer._partitioner(output.key, known, known)
        return chosen

    @staticmethod
    def _append(builder: BatchBuilder, output: Output) -> bool:
        # Tuples must become a list for aiokafka's compiled encoder; it answers None when the batch is full.
        _, key, value, headers, timestamp_ms, _ = output
        return builder.append(timestamp=timestamp_ms, key=key, value=value, headers=[*headers]) is not None


class ExactlyOnce:
    """A transactional producer of one partition.

    Parameters
    ----------
    options
        How to reach the brokers.
    group_id
        Consumer group whose offsets take part in the transactions.
    partition
        Number of the task.
    """

    def __init__(self, options: Mapping[str, Any], group_id: str, partition: int) -> None:
        self._name = f"{group_id}-{partition}"
        self._group_id = group_id
        self._sender = _Sender({**options, "transactional_id": self._name})
        self._in_transaction = False

    async def start(self) -> None:
        """Start the producer: a former owner is fenced and its open transaction aborted before this returns."""
        try:
            await self._sender.producer.start()
        except Exception as error:
            await self._sender.producer.stop()
            raise EngineError(f"no transactions as {self._name!r} ({describe(error)})") from error

    async def send(self, outputs: Sequence[Output], own_partition: int) -> list[tuple[TopicPartition, int]]:
        """Send records within the transaction."""
        try:
            await self._begin()
            return await self._sender.send(outputs, own_partition)
        except EngineError:
            raise
        except Exception as error:
            raise self._broken(error) from error

    async def commit(self, offsets: Offsets) -> None:
        """Commit the transaction with the offsets."""
        producer = self._sender.producer
        try:
            await self._begin()
            await producer.send_offsets_to_transaction(dict(offsets), self._group_id)
            await producer.commit_transaction()
        except Exception as error:
            raise self._broken(error) from error
        self._in_transaction = False

    async def abandon(self) -> None:
        """Stop the producer; an open transaction is aborted, else readers of its topics would wait for its time-out."""
        producer = self._sender.producer
        if self._in_transaction:
            # A producer that is fenced or broken cannot abort: its successor's start does.
            with contextlib.suppress(Exception):
                async with asyncio.timeout(_ABORT_SECONDS):
                    await producer.abort_transaction()
        await producer.stop()

    async def _begin(self) -> None:
        if not self._in_transaction:
            await self._sender.producer.begin_transaction()
            self._in_transaction = True

    def _broken(self, error: Exception) -> EngineError:
        if isinstance(error, ProducerFenced):
            return EngineError(f"fenced: another worker has taken over {self._name!r}, or a transaction took too long")
        return EngineError(f"the transaction of {self._name!r} is lost ({describe(error)})")


class AtLeastOnce:
    """One idempotent producer without transactions.

    Parameters
    ----------
    options
        How to reach the brokers.
    commit_offsets
        The consumer's commit; returns ``False`` when the group has moved on.
    """

    def __init__(self, options: Mapping[str, Any], commit_offsets: CommitOffsets) -> None:
        self._sender = _Sender(options)
        self._commit_offsets = commit_offsets

    async def start(self) -> None:
        """Start the producer."""
        await self._sender.producer.start()

    async def send(self, outputs: Sequence[Output], own_partition: int) -> list[tuple[TopicPartition, int]]:
        """Send records."""
        try:
            return await self._sender.send(outputs, own_partition)
        except EngineError:
            raise
        except Exception as error:
            raise EngineError(f"records could not be sent ({describe(error)})") from error

    async def commit(self, offsets: Offsets) -> None:
        """Commit the offsets; everything sent is delivered already."""
        if not await self._commit_offsets(offsets):
            raise EngineError("the consumer group has moved on: another worker has these partitions")

    async def abandon(self) -> None:
        """Stop the producer."""
        await self._sender.producer.stop()
