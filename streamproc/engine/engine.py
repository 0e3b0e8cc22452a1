"""The engine: a Faust app around the batch cycle, partitions coming and going."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from typing import Any

from faust.tables.recovery import RebalanceAgain
from faust.types import TP

from streamproc.connection import aiokafka_options
from streamproc.engine.assignor import CopartitionedStickyAssignor
from streamproc.engine.changelog import recover
from streamproc.engine.cycle import Cycle, Observers
from streamproc.engine.delivery import AtLeastOnce, Delivery, ExactlyOnce, Offsets
from streamproc.engine.errors import EngineError, describe
from streamproc.engine.faust_batches import BatchApp, PartitionFlow, Poll, WholePolls, silence
from streamproc.engine.records import BatchStats, CommitStats, Processor, RecoveryStats, StateView
from streamproc.engine.state import Expired
from streamproc.engine.store import Store, open_store, stored_partitions
from streamproc.engine.task import Task
from streamproc.settings import Settings

logger = logging.getLogger(__name__)

_POLL_BATCHES = 4  # a poll costs about the same whether it is large or small; a backlog comes in large ones
_INBOX_BATCHES = 8  # batches of one topic that may wait in a task before its fetching is paused


async def _ready(states: Mapping[int, StateView]) -> None:
    """Prepare nothing."""


class Engine:
    """Consume co-partitioned topics, process batches, write state, outputs and offsets as one.

    Parameters
    ----------
    settings
        Brokers, application id, delivery guarantee, store, batch and commit bounds.
    topics
        Input topics as they are named on the brokers, all with the same number of partitions.
    state_table
        Changelog topic of the state table, with that number of partitions too.
    processor
        The work.
    expired
        Told a row's value and the newest timestamp of its partition (ms), says whether the row may go; ``None``: rows
        stay. Called in the worker thread.
    before_assigned
        Awaited each time that partitions were assigned and their state recovered, before any record of theirs is
        processed: the state tables of all that are assigned now, by partition. A rebalance may cancel it.
    on_batch, on_commit, on_recovery
        Called on the event loop after each batch, commit and recovery, for metrics.
    on_failure
        Told the error before the engine lets go of everything, which may never end where the broker does not answer.

    Raises
    ------
    EngineError
        Out of `run`, when going on would lose or repeat something. The process should end with a non-zero exit code;
        its successor continues from the last commit.
    """

    def __init__(
        self,
        settings: Settings,
        topics: Sequence[str],
        state_table: str,
        processor: Processor,
        *,
        expired: Expired | None = None,
        before_assigned: Callable[[Mapping[int, StateView]], Awaitable[None]] = _ready,
        on_batch: Callable[[BatchStats], object] = lambda stats: None,
        on_commit: Callable[[CommitStats], object] = lambda stats: None,
        on_recovery: Callable[[RecoveryStats], object] = lambda stats: None,
        on_failure: Callable[[EngineError], object] = lambda error: None,
    ) -> None:
        self._settings = settings
        self._topics = tuple(topics)
        self._changelog = state_table
        self._processor = processor
        self._expired = expired
        self._before_assigned = before_assigned
        self._observers = Observers(on_batch, on_commit)
        self._on_recovery = on_recovery
        self._on_failure = on_failure
        self._options = aiokafka_options(settings)
        self._folder = settings.data_dir / "state" / settings.application_id
        self._stores: dict[int, Store] = {}  # of partitions that are assigned, or were last
        self._opened_epoch = 0
        self._assigned = False
        self._opening: asyncio.Task[None] | None = None
        self._app: BatchApp | None = None
        self._stop = asyncio.Event()

    async def run(self) -> None:
        """Run until `stop` is called or something fails.

        Raises
        ------
        EngineError
            See the class.
        """
        settings = self._settings
        self._cycle = Cycle(
            self._processor, settings.max_poll_records, settings.commit_interval_seconds, self._observers
        )
        if settings.log_level != "DEBUG":
            silence()
        self._app = self._make_app()
        parts: list[Coroutine[Any, Any, Any]] = [self._cycle.run(), self._start_faust(), self._watch_faust()]
        running: list[asyncio.Future[Any]] = [asyncio.create_task(part) for part in (*parts, self._stop.wait())]
        try:
            await asyncio.wait({*running, self._cycle.failure}, return_when=asyncio.FIRST_COMPLETED)
            if self._cycle.failure.done():
                self._cycle.failure.result()
            for task in running:
                if task.done():
                    task.result()
            async with self._cycle.at_rest():
                pass
        except EngineError as error:
            self._on_failure(error)
            raise
        except Exception as error:
            failure = EngineError(f"the engine failed ({describe(error)})")
            self._on_failure(failure)
            raise failure from error
        finally:
            self._assigned = False
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)
            await self._cycle.close()
            await self._release()
            await self._app.stop()
            for store in self._stores.values():
                store.close()

    @contextlib.asynccontextmanager
    async def at_rest(self) -> AsyncIterator[None]:
        """Hold the engine, while it runs, between two batches: everything processed is sent and committed."""
        async with self._cycle.at_rest():
            yield

    def stop(self) -> None:
        """Ask `run` to finish the batch in hand, commit and return."""
        self._stop.set()

    @property
    def ready(self) -> bool:
        """Whether state is recovered and records are consumed (a worker without partitions is ready, too)."""
        return self._assigned

    def lag(self) -> dict[tuple[str, int], int]:
        """Return, by topic and partition, the number of records known to be on the brokers and not yet processed."""
        lag: dict[tuple[str, int], int] = {}
        if self._app is None:
            return lag
        for partition, task in self._cycle.tasks.items():
            for topic in self._topics:
                progress = self._app.consumer.progress(TP(topic, partition))
                if progress is not None:
                    lag[topic, partition] = max(0, progress.end - progress.position) + task.inbox.waiting(topic)
        return lag

    def rows(self) -> int:
        """Return the number of state rows of this worker's partitions, as its stores know or estimate it."""
        return 0 if self._app is None else sum(task.state.store.rows() for task in self._cycle.tasks.values())

    def _make_app(self) -> BatchApp:
        settings = self._settings
        session_ms = int(settings.session_timeout_seconds * 1000)
        app = BatchApp(
            settings.application_id,
            {
                **self._options,
                "partition_assignment_strategy": [CopartitionedStickyAssignor(stored_partitions(self._folder))],
                "max_poll_records": _POLL_BATCHES * settings.max_poll_records,
                "group_instance_id": settings.group_instance_id or None,
                "session_timeout_ms": session_ms,
                "heartbeat_interval_ms": session_ms // 4,
            },
        )
        for topic in self._topics:
            channel = app.topic(topic, schema=WholePolls(), acks=False, maxsize=8)
            app.agent(channel, name=f"consume-{topic}")(self._receive)
        app.on_rebalance_complete.connect(self._on_assigned)
        app.on_partitions_revoked.connect(self._on_revoked)
        return app

    async def _receive(self, polls: AsyncIterable[Poll]) -> None:
        """Pass polls on to their tasks: the body of every agent."""
        assert self._app is not None
        async for poll in polls:
            topic, partition = poll.records[0].topic, poll.records[0].partition
            task = self._cycle.tasks.get(partition)
            if task is None or poll.epoch <= self._opened_epoch:
                continue  # from before the seek that follows the opening of its task: it is read again
            try:
                task.put(topic, poll.records)
            except Exception as error:  # Faust would start the agent anew, without this poll
                self._cycle.fail(error)
            self._cycle.wake()

    async def _start_faust(self) -> None:
        assert self._app is not None
        await self._app.start()  # returns when the first assignment is being consumed
        await asyncio.get_running_loop().create_future()

    async def _watch_faust(self) -> None:
        assert self._app is not None
        await self._app._crashed.wait()
        reason = self._app.crash_reason
        raise EngineError(f"the consumer failed ({describe(reason) if reason else 'no reason given'})")

    async def _on_assigned(self, app: BatchApp, **_: Any) -> None:
        # Within Faust's recovery, after the group has settled and before the seek to the committed offsets.
        partitions = sorted({tp.partition for tp in app.consumer.assignment()})
        self._opening = asyncio.create_task(self._open(partitions))
        await asyncio.wait({self._opening})
        if not self._opening.cancelled():
            error = self._opening.exception()
            if error is None:
                self._opened_epoch = app.consumer.epoch
                self._assigned = True
                logger.info("working on partitions %s", ", ".join(map(str, partitions)) or "of nobody: standing by")
                return
            self._cycle.fail(error)
        # Else Faust would go on to fetch for partitions that are not open: another rebalance is on its way, or the end.
        raise RebalanceAgain

    async def _on_revoked(self, app: BatchApp, revoked: Iterable[TP], **_: Any) -> None:
        # Faust has stopped the flow. What was processed is committed now; what waits is read again by the next owner.
        self._assigned = False
        if self._opening is not None:
            self._opening.cancel()
            await asyncio.wait({self._opening})
        try:
            async with self._cycle.at_rest():
                await self._release()
        except Exception as error:
            self._cycle.fail(error)

    async def _open(self, partitions: Sequence[int]) -> None:
        await self._release()
        for partition in set(self._stores) - set(partitions):
            self._stores.pop(partition).close()
        deliveries = {partition: self._delivery(partition) for partition in partitions}
        try:
            # First the producers, which fence the former owners: only then are changelog and offsets final.
            await asyncio.gather(*(delivery.start() for delivery in deliveries.values()))
            for partition in set(partitions) - set(self._stores):
                self._stores[partition] = open_store(self._settings.store, self._folder, partition)
            for stats in await recover(self._options, self._changelog, self._stores):
                logger.info("partition %d: %d rows recovered in %.1f s", *stats)
                self._on_recovery(stats)
            await self._before_assigned({partition: self._stores[partition] for partition in partitions})
        except BaseException:
            await asyncio.gather(*(delivery.abandon() for delivery in deliveries.values()), return_exceptions=True)
            raise
        for partition, delivery in deliveries.items():
            self._cycle.tasks[partition] = self._task(partition, delivery)

    def _task(self, partition: int, delivery: Delivery) -> Task:
        assert self._app is not None
        flow = PartitionFlow(self._app.consumer, partition)
        capacity = _INBOX_BATCHES * self._settings.max_poll_records
        return Task(
            partition=partition,
            topics=self._topics,
            changelog=self._changelog,
            store=self._stores[partition],
            delivery=delivery,
            flow=flow,
            capacity=capacity,
            expired=self._expired,
        )

    def _delivery(self, partition: int) -> Delivery:
        if self._settings.processing_guarantee == "exactly_once":
            return ExactlyOnce(self._options, self._settings.application_id, partition)
        return AtLeastOnce(self._options, self._commit_offsets)

    async def _commit_offsets(self, offsets: Offsets) -> bool:
        assert self._app is not None
        committed: bool = await self._app.consumer.commit_offsets({TP(*tp): offset for tp, offset in offsets.items()})
        return committed

    async def _release(self) -> None:
        tasks, self._cycle.tasks = self._cycle.tasks, {}
        await asyncio.gather(*(task.delivery.abandon() for task in tasks.values()), return_exceptions=True)
