"""What the batch cycle works with, without a broker: a producer, a consumer, a processor and tasks."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Sequence

from aiokafka.structs import TopicPartition

from streamproc.engine import BatchStats, CommitStats, EngineError, InputRecord, Output, StateView, Writes
from streamproc.engine.cycle import Cycle, Observers
from streamproc.engine.delivery import Rows
from streamproc.engine.store import MemoryStore
from streamproc.engine.task import Task


class Log:
    """A producer that notes what happens, and may be slow or fail."""

    def __init__(self) -> None:
        self.events: list[tuple[str, object]] = []
        self.prepared: list[int] = []
        self.send_seconds = 0.0
        self.commit_seconds = 0.0
        self.fail_on: str | None = None
        self.offset = 0

    def of(self, partition: int) -> Log.Delivery:
        return Log.Delivery(self, partition)

    class Delivery:
        """One partition's."""

        def __init__(self, log: Log, partition: int) -> None:
            self._log, self._partition = log, partition
            self._busy = False

        async def _do(self, what: str, seconds: float, detail: object) -> None:
            self._busy = True
            self._log.events.append((f"{what} {self._partition}", detail))
            await asyncio.sleep(seconds)
            if self._log.fail_on == what:
                raise EngineError(f"{what} failed")
            self._log.events.append((f"{what}ed {self._partition}", detail))
            self._busy = False

        async def start(self) -> None: ...

        async def prepare(self) -> None:
            assert not self._busy
            self._log.prepared.append(self._partition)

        async def abandon(self) -> None: ...

        async def send(self, changelog: TopicPartition, rows: Rows, outputs: Sequence[Output]) -> int | None:
            assert changelog == ("changelog", self._partition)
            await self._do("send", self._log.send_seconds, [*rows.values(), *(output.value for output in outputs)])
            self._log.offset += len(rows) + len(outputs)
            return self._log.offset

        async def commit(self, offsets: dict[TopicPartition, int]) -> None:
            await self._do("commit", self._log.commit_seconds, sorted(offsets.values()))


class Flow:
    """A consumer that has nothing more, and notes pauses."""

    def __init__(self) -> None:
        self.paused: list[str] = []

    def caught_up(self, topic: str, received: int) -> bool:
        return True

    def pause(self, topic: str) -> None:
        self.paused.append(topic)

    def resume(self, topic: str) -> None:
        self.paused.remove(topic)


class Upper:
    """One row and one output per batch; it may be held up."""

    def __init__(self) -> None:
        self.seen: list[tuple[int, int]] = []
        self.previous: list[bytes | None] = []
        self.go = threading.Event()
        self.go.set()

    def process(self, partition: int, records: Sequence[InputRecord], state: StateView) -> Writes:
        assert self.go.wait(5)
        if records[0].value == b"raise":
            raise ZeroDivisionError
        self.seen.append((partition, len(records)))
        self.previous.append(state.get(b"last"))
        last = b"%d" % records[-1].offset
        return Writes({b"last": last}, [Output("out", None, last)])


def task_of(partition: int, log: Log, flow: Flow | None = None, capacity: int = 1_000) -> Task:
    return Task(
        partition=partition,
        topics=["in"],
        changelog="changelog",
        store=MemoryStore(),
        delivery=log.of(partition),
        flow=flow or Flow(),
        capacity=capacity,
    )


def give(task: Task, count: int, value: bytes = b"x") -> None:
    first = task.inbox.received("in")
    task.put("in", [InputRecord("in", task.partition, first + i, 0, b"k", value) for i in range(count)])


async def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.001)


CycleOf = Callable[..., Cycle]
"""What `cycle_with` takes."""


def cycle_with(
    processor: Upper,
    tasks: Sequence[Task],
    interval: float = 60.0,
    on_batch: Callable[[BatchStats], object] = lambda stats: None,
    on_commit: Callable[[CommitStats], object] = lambda stats: None,
) -> Cycle:
    cycle = Cycle(processor, 10, interval, Observers(on_batch, on_commit))
    cycle.tasks = {task.partition: task for task in tasks}
    return cycle


def started(cycle: Cycle) -> Callable[[], Awaitable[None]]:
    """Run a cycle; returns what ends it, as the engine does."""
    running = asyncio.create_task(cycle.run())

    async def end() -> None:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await cycle.close()

    return end
