"""The batch cycle: take, process in the worker thread, send, commit."""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from streamproc.engine.errors import EngineError, describe
from streamproc.engine.records import BatchStats, CommitStats, InputRecord, Processor, Writes
from streamproc.engine.task import Task, outcome

_IDLE_CHECK_SECONDS = 0.05
_REST = 4.0  # a commit costs CPU here and on the broker: between two at once, rest so many times as long as one takes


class Observers(NamedTuple):
    """Whom to tell what happened."""

    on_batch: Callable[[BatchStats], object]
    on_commit: Callable[[CommitStats], object]


class Cycle:
    """Process batches of all tasks, one after the other; send one while the next are being processed.

    The sends of a batch begin when those of the one before are acknowledged: in every output topic the order of
    appends is the order of processing. One batch, of another task, may wait for that, so that processing need not. A
    partition commits as soon as none of its records waits, unless commits come so thick that they would eat the time
    for events: then, and under load, every `commit_interval` seconds, while other partitions go on.

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
        self._sends: deque[asyncio.Task[None]] = deque()  # one under way, one waiting for it
        self._turn = -1
        self._rested = 0.0  # monotonic time from which the next commit may be made at once
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
            while self._sends:
                await self._first_send()
            await self._commit_all()
            # While one commit is waited for, `run` begins those that fall due.
            while any(task.uncommitted or task.committing for task in self.tasks.values()):
                await self._commit_all()
            yield

    async def _commit_all(self) -> None:
        for task in self._unsettled():
            task.begin_commit(self._commit(task))
        await asyncio.gather(*(task.settle() for task in self.tasks.values()))

    async def close(self) -> None:
        """Wait for the batch in the worker thread and drop what is in flight."""
        await asyncio.to_thread(self._thread.shutdown, cancel_futures=True)
        for sending in self._sends:
            sending.cancel()
        # One error has been told; those of others that failed with it are taken here, or asyncio would print them.
        dropped = [task.drop_commit() for task in self.tasks.values()]
        await asyncio.gather(*self._sends, *dropped, return_exceptions=True)
        self.failure.cancel()

    async def _wait_for_work(self) -> None:
        while True:
            now = time.monotonic()
            if any(task.inbox.ready(now) for task in self.tasks.values()):
                return
            self._commit_what_is_due(now)
            waits = [max(0.0, self._due(task) - now) for task in self._unsettled()]
            if any(task.inbox for task in self.tasks.values()):
                waits.append(_IDLE_CHECK_SECONDS)
            self._wake.clear()
            with contextlib.suppress(TimeoutError):
                # Not `wait_for`: on Python 3.11 it loses a cancellation that meets the event.
                async with asyncio.timeout(min(waits, default=None)):
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
        await task.prepare()
        began = time.monotonic()
        writes = await self._process(task, records)
        took = time.monotonic() - began
        while task.sending or len(self._sends) > 1:  # a state has room for one batch that is not sent yet
            await self._first_send()
        self._in_hand = None
        task.processed(writes)
        before = self._sends[-1] if self._sends else None
        self._sends.append(asyncio.create_task(self._send(task, records, writes, took, before)))

    async def _first_send(self) -> None:
        await outcome(self._sends[0])
        self._sends.popleft()

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

    async def _send(
        self,
        task: Task,
        records: Sequence[InputRecord],
        writes: Writes,
        process_seconds: float,
        before: asyncio.Task[None] | None,
    ) -> None:
        if before is not None:
            await outcome(before)
        began = time.monotonic()
        try:
            await task.send(records, writes)
        except Exception as error:
            self.fail(error)
            raise
        now = time.monotonic()
        counts = (len(records), len(writes.outputs), len(writes.state))
        self._observers.on_batch(BatchStats(task.partition, *counts, process_seconds, now - began))
        self._commit_what_is_due(now)
        self._wake.set()  # what is not due yet has to be waited for

    def _unsettled(self) -> list[Task]:
        """Those that have sent something and are not sending or committing: a commit may begin."""
        return [task for task in self.tasks.values() if task.uncommitted and not task.busy]

    def _due(self, task: Task) -> float:
        """Monotonic time at which what a task has sent is to be committed."""
        latest = task.last_commit + self._commit_interval
        idle = not task.inbox and self._in_hand is not task
        at_once = idle and not any(other.committing for other in self.tasks.values())
        return min(self._rested, latest) if at_once else latest

    def _commit_what_is_due(self, now: float) -> None:
        for task in self._unsettled():
            if now >= self._due(task):
                task.begin_commit(self._commit(task))

    async def _commit(self, task: Task) -> None:
        began = time.monotonic()
        try:
            offsets = await task.commit()
        except Exception as error:
            self.fail(error)
            raise
        ended = time.monotonic()
        self._rested = ended + _REST * (ended - began)
        self._observers.on_commit(CommitStats(task.partition, offsets, ended - began))
        self._wake.set()
