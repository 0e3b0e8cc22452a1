"""Faust 0.15.3 with whole polls instead of single messages. Everything that overrides a private part of it is here.

Stock Faust spends two asyncio tasks, a queue hop and a decoded event on every message: 13,400 messages per second and
core. Handing a poll over as one message costs the same once per poll. Each override says which assumption about Faust
it rests on; ``tests/contract/engine`` fails loudly when one no longer holds.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, NamedTuple

import aiokafka
import faust
from aiokafka.errors import IllegalStateError
from aiokafka.structs import TopicPartition
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, ConsumerMessage

from streamproc.engine.fetching import Pace, read_input_records
from streamproc.engine.records import InputRecord

_BUSY_POLL_SECONDS = 0.02  # how soon a partition that was paused is looked at again
_FETCH_WAIT_MS = 100
_POLL_INTERVAL_MS = 24 * 3600 * 1000
_REBALANCE_MS = 60_000  # a worker may take so long to finish its batch when partitions move


def silence() -> None:
    """Turn off what Faust and mode log: their life cycle, and tracebacks of crashes that the engine raises itself."""
    for name in ("faust", "mode", __name__):
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    # Its warnings are about what it retries by itself, such as every rebalance.
    logging.getLogger("aiokafka").setLevel(logging.ERROR)


class Poll(NamedTuple):
    """Records of one partition from one poll; `epoch` counts the seeks to the committed offsets before it."""

    epoch: int
    records: Sequence[InputRecord]


class Progress(NamedTuple):
    """How far a partition has been read: next offset handed out, position (past transaction markers), known end."""

    handed_out: int
    position: int
    end: int

    @property
    def at_end(self) -> bool:
        """Whether the broker is known to hold nothing more."""
        return self.position >= self.end


class BatchConsumerThread(driver.AIOKafkaConsumerThread):
    """Faust's thread around aiokafka's consumer. Attributes are written by this thread, read by the event loop."""

    def __post_init__(self) -> None:
        """Start counting."""
        super().__post_init__()
        self.epoch = 0
        self.handed_out: dict[TP, int] = {}
        self._pace = Pace()

    def _create_worker_consumer(self, transport: Any) -> aiokafka.AIOKafkaConsumer:
        # Faust reads committed only in its own transaction mode, takes an assignor that splits co-partitioned topics,
        # and waits 1.5 s in a fetch, during which partitions that have just been drained get no new data.
        return aiokafka.AIOKafkaConsumer(**self.app.consumer_options)

    async def on_start(self) -> None:
        """Start the consumer (within the thread)."""
        await super().on_start()
        consumer = self._ensure_consumer()
        read_input_records(consumer)
        self._pace.hold(consumer)

    async def _fetch_records(
        self,
        consumer: aiokafka.AIOKafkaConsumer,
        active_partitions: set[TP],
        timeout: float | None = None,
        max_records: int | None = None,
    ) -> Mapping[TP, Poll]:
        # Assumption: called in the consumer's thread and returns {partition: list of records}. There is no await
        # between aiokafka's moving of the positions and the reading of the epoch: a poll has the right one. While its
        # records are not taken, aiokafka fetches no more from that broker.
        fetched = await super()._fetch_records(consumer, active_partitions, timeout=timeout, max_records=max_records)
        polls: dict[TP, Poll] = {}
        for (topic, partition), records in fetched.items():
            tp = TP(topic, partition)
            polls[tp] = Poll(self.epoch, records)
            self.handed_out[tp] = records[-1].offset + 1
        # A broker may hand out one of its record batches at a time, as the embedded one does: what is left is due.
        if all(progress is None or progress.at_end for progress in map(self.progress, polls)):
            self._pace.polled(sum(map(len, fetched.values())))
        return polls

    async def seek_to_committed(self) -> Mapping[TP, int]:
        """Read everything again from the committed offsets, the beginning where there is none."""
        offsets: Mapping[TP, int] = await self.call_thread(self._seek_to_committed)
        return offsets

    async def _seek_to_committed(self) -> Mapping[TP, int]:
        # Stock Faust seeks one partition, awaits, seeks the next: polls in between would belong to neither side.
        consumer = self._ensure_consumer()
        assignment = consumer._subscription.subscription.assignment
        partitions = list(consumer.assignment())
        committed = await asyncio.gather(*map(consumer.committed, partitions))
        beginnings = await consumer.beginning_offsets(partitions)
        offsets = {
            tp: beginnings[tp] if offset is None else offset for tp, offset in zip(partitions, committed, strict=True)
        }
        if consumer._subscription.subscription.assignment is not assignment:
            # Others may have had the partitions since. Assumption: Faust's recovery starts over on this error.
            raise IllegalStateError("partitions were assigned anew during the seek")
        for tp, offset in offsets.items():
            consumer.seek(tp, offset)
        self.epoch += 1
        self.handed_out.clear()
        return {TP(*tp): offset for tp, offset in offsets.items()}

    def progress(self, tp: TP) -> Progress | None:
        """Return how far a partition has been read, ``None`` before its first fetch or without its assignment."""
        # Assumption: aiokafka keeps the state of an assigned partition in its subscription. Its `highwater()` asserts
        # the assignment, which a rebalance in the other thread would turn into an exception here.
        subscription = self._ensure_consumer()._subscription.subscription
        assignment = subscription.assignment if subscription is not None else None
        state = assignment.state_value(TopicPartition(*tp)) if assignment is not None else None
        if state is None or state.highwater is None or state._position is None:
            return None
        stable = state.lso if state.lso is not None and state.lso >= 0 else state.highwater
        return Progress(self.handed_out.get(tp, 0), state._position, stable)


class _NothingRead(dict[TP, int | None]):
    """For `Consumer._read_offset`, by which Faust drops messages in silence.

    Assumption: `_drain_messages` compares each message to `_read_offset[tp]` unless that is ``None``. Which polls are
    stale is told by their epoch; whatever else goes back in the log must be an error.
    """

    def __getitem__(self, tp: TP) -> None:
        return None


class BatchConsumer(driver.Consumer):
    """Faust's consumer, one message per partition and poll."""

    _thread: BatchConsumerThread

    def __post_init__(self) -> None:
        """Drop nothing (`mode.Service` calls this at the end of the constructor)."""
        super().__post_init__()
        self._read_offset = _NothingRead()

    def _new_consumer_thread(self) -> BatchConsumerThread:
        return BatchConsumerThread(self, loop=self.loop, beacon=self.beacon)

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, ConsumerMessage]]:
        """Yield one message per partition; its value is the poll, its offset that of the last record."""
        # Assumption: `_drain_messages` calls this in a loop and drops what is yielded while the flow is stopped. A poll
        # may come back between the seek and the resumption of the flow: it is current and must wait, not be dropped.
        if self.flow_active and not self._active_partitions:  # all paused: `_wait_next_records` would sleep for 1 s
            await asyncio.sleep(_BUSY_POLL_SECONDS)
            return
        if self._paused_partitions:
            timeout = _BUSY_POLL_SECONDS
        polls, _ = await self._wait_next_records(timeout)
        if polls is None or self.should_stop:
            return
        for tp, poll in polls.items():
            if not self.flow_active:
                await self.wait(self.can_resume_flow)
            if self.should_stop:
                return
            if poll.epoch == self.epoch:
                yield tp, self._poll_message(tp, poll)

    def _poll_message(self, tp: TP, poll: Poll) -> ConsumerMessage:
        # Assumption: streams skip a message of another group generation than the app's.
        last, generation = poll.records[-1], self.app.consumer_generation_id
        return ConsumerMessage(
            tp.topic,
            tp.partition,
            last.offset,
            timestamp=last.timestamp_ms / 1000.0,
            timestamp_type=0,
            headers=(),
            key=None,
            value=poll,
            checksum=None,
            tp=tp,
            generation_id=generation,
        )

    def verify_event_path(self, now: float, tp: TP) -> None:
        """Do nothing: Faust's livelock detector watches its own commits, and it makes none here."""

    @property
    def epoch(self) -> int:
        """How many seeks to the committed offsets there have been."""
        return self._thread.epoch

    def progress(self, tp: TP) -> Progress | None:
        """Return how far a partition has been read."""
        return self._thread.progress(tp)

    async def commit_offsets(self, offsets: Mapping[TP, int]) -> bool:
        """Commit without a transaction; ``False`` if the group has moved on."""
        return bool(await self._commit(offsets))


class PartitionFlow:
    """One partition number's side of the consumer."""

    def __init__(self, consumer: BatchConsumer, partition: int) -> None:
        self._consumer = consumer
        self._partition = partition

    def caught_up(self, topic: str, received: int) -> bool:
        """Tell whether the broker is known to hold no record from offset `received` on."""
        progress = self._consumer.progress(TP(topic, self._partition))
        return progress is not None and progress.at_end and received >= progress.handed_out

    def pause(self, topic: str) -> None:
        """Fetch no more for now."""
        self._consumer.pause_partitions({TP(topic, self._partition)})

    def resume(self, topic: str) -> None:
        """Fetch again."""
        self._consumer.resume_partitions({TP(topic, self._partition)})


class BatchTransport(driver.Transport):
    """Faust's Kafka transport with our consumer (`app.transport = ...` is public)."""

    Consumer = BatchConsumer


class WholePolls(faust.Schema):
    """Hand the list of records through undecoded. Overriding `Topic.decode` would have no effect."""

    def compile(self, app: Any, **kwargs: Any) -> Any:
        """Return Faust's decode function."""
        create_event = app.create_event

        async def decode(message: Any, *, propagate: bool = False) -> Any:
            return create_event(None, message.value, message.headers, message)

        return decode


class BatchApp(faust.App):
    """A Faust app that consumes whole polls and leaves producing and committing to us.

    Parameters
    ----------
    application_id
        Name of the consumer group.
    consumer_options
        Keyword arguments of :class:`aiokafka.AIOKafkaConsumer`.
    """

    def __init__(self, application_id: str, consumer_options: Mapping[str, Any]) -> None:
        session_timeout = consumer_options["session_timeout_ms"] / 1000
        super().__init__(
            application_id,
            broker=[f"kafka://{server.strip()}" for server in consumer_options["bootstrap_servers"].split(",")],
            autodiscover=False,
            web_enabled=False,
            broker_session_timeout=session_timeout,
            broker_request_timeout=max(90.0, session_timeout),
            stream_wait_empty=False,  # agents only pass batches on; the engine knows what is in hand
            topic_allow_declare=False,
            topic_disable_leader=True,
        )
        self.consumer_options = {
            "group_id": application_id,
            "enable_auto_commit": False,
            "auto_offset_reset": "earliest",
            "isolation_level": "read_committed",
            "fetch_max_wait_ms": _FETCH_WAIT_MS,
            # Recovery may take long, and heartbeats have a thread of their own: a worker that only works is not dead.
            "max_poll_interval_ms": _POLL_INTERVAL_MS,
            "rebalance_timeout_ms": max(_REBALANCE_MS, consumer_options["session_timeout_ms"]),
            **consumer_options,
        }
        # Faust's own producer would be one more connection that nothing uses.
        self.boot_strategy.enable_kafka_producer = False
        self.transport = BatchTransport(self.conf.broker_consumer, self)

    def _create_directories(self) -> None:
        # Stock Faust makes `<id>-data` in the current folder, for tables that we do not use.
        return
