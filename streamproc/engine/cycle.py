"""The batch cycle: take, process in the worker thread, send, commit."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from streamproc.engine.errors import EngineError, describe
from streamproc.engine.records import BatchStats, CommitStats, InputRecord, Processor, Writes
from streamproc.engine.task import Task

_IDLE_CHECK_SECONDS = 0.05


class Observers(NamedTuple):
    """Whom to tell what happened."""

    on_batch: Callable[[BatchStats], object]
    on_commit: Callable[[CommitStats], object]


class Cycle:
    """Process batches of all tasks, one after the other; send one while the next is being processed.

    The sends of a batch begin when those of the one before are acknowledged: in every output topic the order of
    appends is the order of processing. A partition commits as soon as none of its records waits, and under load at
    most every `commit_interval` seconds, while other partitions go on.

    Parameters
    ----------
    processor
        The work.
    max_records
        Largest batch.
    commit_interval
        Seconds.
    observers
        Called on the event loop.
    """

    def __init__(self, processor: Processor, max_records: int, commit_interval: float, observers: Observers) -> None:
        self.tasks: dict[int, Task] = {}
        self._processor = processor
        self._max_records = max_records
        self._commit_interval = commit_interval
        self._observers = observers
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="processor")
        self._wake = asyncio.Event()
        self._step = asyncio.Lock()
        self._in_hand: Task | None = None
        self._sending: asyncio.Task[None] | None = None
        self._turn = -1
        self.failure: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def wake(self) -> None:
        """Records have arrived."""
        self._wake.set()

    def fail(self, error: BaseException) -> None:
        """Make `failure` raise; the first error counts."""
        if not self.failure.done():
            self.failure.set_exception(error)

    async def run(self) -> None:
        """Process until cancelled or until something fails (EngineError)."""
        while True:
            await self._wait_for_work()
            async with self._step:
                task = self._next()
                if task is not None:
                    await self._batch(task)

    @contextlib.asynccontextmanager
    async def at_rest(self) -> AsyncIterator[None]:
        """Hold the cycle between two batches, with everything processed sent and committed."""
        async with self._step:
            if self._sending is not None:
                await self._sending
            for task in self.tasks.values():
                await task.settle()
            await asyncio.gather(*(self._commit(task) for task in self.tasks.values() if task.uncommitted))
            yield

    async def close(self) -> None:
        """Wait for the batch in the worker thread and drop what is in flight."""
        await asyncio.to_thread(self._thread.shutdown, cancel_futures=True)
        pending = [self._sending] if self._sending is not None else []
        for sending in pending:
            sending.cancel()
        await asyncio.gather(*pending, return_exceptions=True)
        self.failure.cancel()

    async def _wait_for_work(self) -> None:
        while True:
            now = time.monotonic()
            if any(task.inbox.ready(now) for task in self.tasks.values()):
                return
            self._commit_overdue(now)
            unsettled = any(task.inbox or task.uncommitted for task in self.tasks.values())
            self._wake.clear()
            with contextlib.suppress(TimeoutError):
                # Not `wait_for`: on Python 3.11 it loses a cancellation that meets the event.
                async with asyncio.timeout(_IDLE_CHECK_SECONDS if unsettled else None):
                    await self._wake.wait()

    def _next(self) -> Task | None:
        now = time.monotonic()
        ready = [task for task in self.tasks.values() if task.inbox.ready(now)]
        free = [task for task in ready if not task.committing] or ready
        if not free:
            return None
        task = min(free, key=lambda task: (task.partition <= self._turn, task.partition))
        self._turn = task.partition
        return task

    async def _batch(self, task: Task) -> None:
        records = task.take(self._max_records)
        self._in_hand = task
        began = time.monotonic()
        writes = await self._process(task, records)
        took = time.monotonic() - began
        if self._sending is not None:
            await self._sending
        self._in_hand = None
        task.state.processed(writes.state)
        self._sending = asyncio.create_task(self._send(task, records, writes, took))

    async def _process(self, task: Task, records: Sequence[InputRecord]) -> Writes:
        try:
            return await asyncio.get_running_loop().run_in_executor(
                self._thread, task.process, self._processor, records
            )
        except Exception as error:
            first = records[0]
            where = f"{first.topic}-{first.partition} from offset {first.offset}"
            raise EngineError(
                f"{len(records)} records of {where} could not be processed ({describe(error)})"
            ) from error

    async def _send(self, task: Task, records: Sequence[InputRecord], writes: Writes, process_seconds: float) -> None:
        began = time.monotonic()
        try:
            await task.send(records, writes)
        except Exception as error:
            self.fail(error)
            raise
        now = time.monotonic()
        counts = (len(records), len(writes.outputs), len(writes.state))
        self._observers.on_batch(BatchStats(task.partition, *counts, process_seconds, now - began))
        idle = not task.inbox and self._in_hand is not task
        if idle or task.since_commit(now) >= self._commit_interval:
            task.begin_commit(self._commit(task))

    def _commit_overdue(self, now: float) -> None:
        for task in self.tasks.values():
            if task.uncommitted and not task.busy and task.since_commit(now) >= self._commit_interval:
                task.begin_commit(self._commit(task))

    async def _commit(self, task: Task) -> None:
        began = time.monotonic()
        try:
            offsets = await task.commit()
        except Exception as error:
            self.fail(error)
            raise
        self._observers.on_commit(CommitStats(task.partition, offsets, time.monotonic() - began))
        self._wake.set()
