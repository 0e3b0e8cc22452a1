"""How a batch's writes leave: two strategies behind one seam.

`ExactlyOnce` makes state, outputs and offsets of a partition one transaction (KIP-98) of a producer that belongs to the
partition: its `transactional_id` names it, so that a new owner fences a former one. `AtLeastOnce` is for brokers
without transactions: an idempotent producer, deliveries awaited, then the offsets committed.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol

from aiokafka.errors import ProducerFenced
from aiokafka.producer import sender
from aiokafka.structs import TopicPartition

from streamproc.engine.errors import EngineError, describe
from streamproc.engine.records import Output
from streamproc.engine.sending import Place, Rows, Sender

# How soon aiokafka asks again when the markers of the commit before are still being written, which takes the broker a
# few milliseconds: its own 20 hold up the sends of all partitions, as they wait for one another. Assumption: it is read
# from the module at every answer (tests/contract/engine/test_aiokafka.py).
sender.BACKOFF_OVERRIDE = 0.003

_ABORT_SECONDS = 5.0

Offsets = Mapping[TopicPartition, int]
CommitOffsets = Callable[[Offsets], Awaitable[bool]]


class Delivery(Protocol):
    """What one partition's task needs of a producer. Every method raises EngineError when the worker must end."""

    async def start(self) -> None:
        """Connect; whoever owned the partition before can write no more when this returns."""

    async def prepare(self) -> None:
        """Get ready for a batch that is about to be processed; no commit is under way."""

    async def send(self, changelog: TopicPartition, rows: Rows, outputs: Sequence[Output]) -> int | None:
        """Send rows to the changelog, and outputs; return when all are acknowledged.

        The answer is the offset after the last row, ``None`` without rows.
        """

    async def commit(self, offsets: Offsets) -> None:
        """Make everything sent since the last commit visible, together with the offsets."""

    async def abandon(self) -> None:
        """Let go without a commit; what was sent since the last one is taken back where there are transactions."""


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
        self._sender = Sender({**options, "transactional_id": self._name})
        # Assumption: what the producer itself asks, and tells where it is about to send.
        self._transactions = self._sender.producer._txn_manager
        self._in_transaction = False
        self._usual: set[Place] = set()  # where the last transaction went

    async def start(self) -> None:
        """Start the producer: a former owner is fenced and its open transaction aborted before this returns."""
        try:
            await self._sender.producer.start()
        except Exception as error:
            await self._sender.producer.stop()
            raise EngineError(f"no transactions as {self._name!r} ({describe(error)})") from error

    async def prepare(self) -> None:
        """Begin a transaction with the partitions of the one before.

        To add them takes the broker about as long as a small batch takes to process, and longer while it still writes
        the markers of that transaction.
        """
        if self._in_transaction:
            return
        try:
            await self._begin()
            for place in self._usual:
                self._transactions.maybe_add_partition_to_txn(TopicPartition(*place))
        except Exception as error:
            raise self._broken(error) from error

    async def send(self, changelog: TopicPartition, rows: Rows, outputs: Sequence[Output]) -> int | None:
        """Send records within the transaction."""
        try:
            await self._begin()
            return await self._sender.send(changelog, rows, outputs)
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
        self._usual, self._sender.places = self._sender.places, set()

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

    def _broken(self, error: BaseException) -> EngineError:
        # When a request of before has failed, the next call only says that there is no transaction.
        ended = self._transactions.wait_for_transaction_end()
        if ended is not None and ended.done() and not ended.cancelled():
            error = ended.exception() or error
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
        self._sender = Sender(options)
        self._commit_offsets = commit_offsets

    async def start(self) -> None:
        """Start the producer."""
        await self._sender.producer.start()

    async def prepare(self) -> None:
        """Nothing has to be begun."""

    async def send(self, changelog: TopicPartition, rows: Rows, outputs: Sequence[Output]) -> int | None:
        """Send records."""
        try:
            return await self._sender.send(changelog, rows, outputs)
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
