"""A task: one partition number of all input topics, with its state, its producer and its place in the log."""

import asyncio
import time
from collections.abc import Coroutine, Sequence
from typing import Any, Protocol

from aiokafka.structs import TopicPartition

from streamproc.engine.delivery import Delivery
from streamproc.engine.errors import EngineError
from streamproc.engine.inbox import Inbox
from streamproc.engine.records import InputRecord, Processor, Writes
from streamproc.engine.state import Expired, TaskState
from streamproc.engine.store import Store

_SWEPT_ROWS = 64


async def outcome(work: asyncio.Task[None]) -> None:
    """Wait for a send or a commit, and raise what went wrong with it.

    Not by awaiting it: whoever is cancelled while it waits would cancel it, too, and whoever waits for what is given
    up, as Faust may in a rebalance, would take it for a cancellation of its own.
    """
    await asyncio.wait({work})
    if work.cancelled():
        raise EngineError("given up, as the engine ends")
    work.result()


class Flow(Protocol):
    """What a task asks of the consumer about its partition of a topic."""

    def caught_up(self, topic: str, received: int) -> bool:
        """Tell whether the broker is known to hold no record from offset `received` on."""

    def pause(self, topic: str) -> None:
        """Fetch no more for now."""

    def resume(self, topic: str) -> None:
        """Fetch again."""


class Task:
    """What one partition number needs, from its records to its commits.

    Parameters
    ----------
    partition
        Its number.
    topics
        The input topics.
    changelog
        Topic of the state table's changelog.
    store
        Local store of the state table.
    delivery
        Its producer.
    flow
        Its side of the consumer.
    capacity
        Records of one topic that may wait before fetching is paused; at half of it, it is resumed.
    expired
        Whether a row may go, as in the engine.
    """

    def __init__(
        self,
        *,
        partition: int,
        topics: Sequence[str],
        changelog: str,
        store: Store,
        delivery: Delivery,
        flow: Flow,
        capacity: int,
        expired: Expired | None = None,
    ) -> None:
        self.partition = partition
        self.inbox = Inbox(topics, lambda topic: flow.caught_up(topic, self.inbox.received(topic)))
        self.state = TaskState(store, expired)
        self.delivery = delivery
        self._flow = flow
        self._capacity = capacity
        self._paused: set[str] = set()
        self._changelog = TopicPartition(changelog, partition)
        self._offsets: dict[TopicPartition, int] = {}
        self.last_commit = time.monotonic()
        """When the last commit ended, monotonic.

        Its end, not its beginning: where a commit takes longer than the interval between two, there would be one after
        every batch, with nothing but waiting in between.
        """
        self._commit: asyncio.Task[None] | None = None
        self.sending = False
        """Whether a batch that was processed is being sent, or waits for that."""

    @property
    def committing(self) -> bool:
        """Whether a commit is under way."""
        return self._commit is not None and not self._commit.done()

    @property
    def busy(self) -> bool:
        """Whether the producer is sending, or about to, or committing."""
        return self.sending or self.committing

    @property
    def uncommitted(self) -> bool:
        """Whether something was sent since the last commit began."""
        return bool(self._offsets)

    def put(self, topic: str, records: Sequence[InputRecord]) -> None:
        """Take in a poll; fetching pauses when enough waits."""
        if self.inbox.put(topic, records) >= self._capacity and topic not in self._paused:
            self._paused.add(topic)
            self._flow.pause(topic)

    def take(self, limit: int) -> list[InputRecord]:
        """Hand out a batch of up to `limit` records; fetching resumes when little is left."""
        batch = self.inbox.take(limit)
        for topic in [topic for topic in self._paused if self.inbox.waiting(topic) <= self._capacity // 2]:
            self._paused.discard(topic)
            self._flow.resume(topic)
        return batch

    async def prepare(self) -> None:
        """Let the producer get ready while a batch is processed, unless it is still at the one before."""
        if not self.busy:
            await self.delivery.prepare()

    def process(self, processor: Processor, records: Sequence[InputRecord]) -> Writes:
        """Process a batch (in the worker thread), and remove some of the rows whose time has come."""
        self.state.newest_ms = max(self.state.newest_ms, *(record.timestamp_ms for record in records))
        writes = processor.process(self.partition, records, self.state)
        # More rows than the batch can have added: the walk comes round however fast users come.
        if swept := self.state.sweep(_SWEPT_ROWS + 2 * len(records)):
            writes.state = swept | writes.state
        return writes

    def processed(self, writes: Writes) -> None:
        """Let the next batch see the rows of this one; it is to be sent now, and no commit begins before it is."""
        self.sending = True
        self.state.processed(writes.state)

    async def send(self, records: Sequence[InputRecord], writes: Writes) -> None:
        """Send a processed batch and wait for the acknowledgements; a commit under way is waited for first."""
        await self.settle()
        end: int | None = None
        if writes.state or writes.outputs:
            end = await self.delivery.send(self._changelog, writes.state, writes.outputs)
        self.state.sent(end)
        last = {record.topic: record.offset for record in records}
        self._offsets |= {TopicPartition(topic, self.partition): offset + 1 for topic, offset in last.items()}
        self.sending = False

    def begin_commit(self, commit: Coroutine[Any, Any, None]) -> None:
        """Let a commit run beside other partitions' work; `settle` waits for it."""
        self._commit = asyncio.create_task(commit)

    async def settle(self) -> None:
        """Wait for a commit under way, and raise what went wrong with it."""
        if self._commit is not None:
            await outcome(self._commit)

    async def drop_commit(self) -> None:
        """Give a commit under way up; what went wrong with it has been told."""
        if self._commit is not None:
            self._commit.cancel()
            await asyncio.gather(self._commit, return_exceptions=True)

    async def commit(self) -> dict[str, int]:
        """Commit everything sent and return the offsets by topic."""
        offsets, self._offsets = self._offsets, {}
        self.state.committing()
        await self.delivery.commit(offsets)
        self.state.committed()
        self.last_commit = time.monotonic()
        return {tp.topic: offset for tp, offset in offsets.items()}
