"""What is read along is applied without keeping events waiting for long."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from types import SimpleNamespace, TracebackType

from models.knowledge import Knowledge, KnowledgeConfig
from models.snapshot import Arrays
from streamproc.engine import InputRecord
from streamproc.worker.following import PIECE_BYTES, Following


class Applying:
    """A reader, whom it teaches, and the lock that these hold: it notes what is applied under each holding of it."""

    def __init__(self, *polls: list[InputRecord]) -> None:
        self.polls = polls
        self.held: list[list[InputRecord]] = []
        self.loaded: list[InputRecord] = []
        self.locked = False
        self.lock = self

    async def catch_up(self, deliver: Callable[[list[InputRecord]], Awaitable[object]]) -> None:
        for records in self.polls:
            await deliver(records)

    def load(self, records: list[InputRecord]) -> None:
        assert not self.locked
        self.loaded += records

    def apply(self, records: list[InputRecord]) -> None:
        assert self.locked
        assert all(record in self.loaded for record in records)
        self.held[-1] += records

    def __enter__(self) -> None:
        self.locked = True
        self.held.append([])

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.locked = False


def record(offset: int, size: int | None) -> InputRecord:
    return InputRecord("item-stats", 0, offset, 0, None, None if size is None else bytes(size))


async def test_the_lock_is_held_for_a_few_records_at_a_time() -> None:
    half = PIECE_BYTES // 2
    sizes = [3 * PIECE_BYTES, half, half, 1, None, half]
    records = [record(offset, size) for offset, size in enumerate(sizes)]
    world = Applying(records[:5], records[5:])
    await Following(world, world, world, world).catch_up()
    assert [[each.offset for each in piece] for piece in world.held] == [[0], [1, 2], [3, 4], [5]]


class Polling:
    """A reader of a topic where nothing comes; it notes what it does."""

    def __init__(self, name: str, done: list[str]) -> None:
        self.name, self.done = name, done

    async def catch_up(self, deliver: Callable[[list[InputRecord]], Awaitable[object]]) -> None:
        self.done.append(f"{self.name} caught up")

    async def poll(self, timeout_seconds: float) -> list[InputRecord]:
        await asyncio.sleep(timeout_seconds)
        self.done.append(f"{self.name} polled")
        return []

    async def positions(self) -> dict[tuple[str, int], int]:
        return {(self.name, 0): 7}


async def test_while_a_snapshot_is_copied_events_wait_for_the_interactions_alone() -> None:
    done: list[str] = []
    written = asyncio.Event()
    loop = asyncio.get_running_loop()
    knowledge = Knowledge(KnowledgeConfig(max_items=10))
    shared = SimpleNamespace(recommender=SimpleNamespace(knowledge=knowledge), sources={}, within=dict)
    processor = SimpleNamespace(lock=threading.Lock(), sources={("clicks", 0): 3})

    @contextlib.asynccontextmanager
    async def at_rest() -> AsyncIterator[None]:
        done.append("rest")
        yield
        done.append("go on")

    class Snapshots:
        def write(self, arrays: Arrays, *about: object) -> None:
            assert "items.events" in arrays
            assert about == ({("catalogue", 0): 7, ("interactions", 0): 7}, {("clicks", 0): 3})
            loop.call_soon_threadsafe(written.set)

    following = Following(Polling("catalogue", done), Polling("interactions", done), shared, processor)  # type: ignore[arg-type]
    tasks = [
        asyncio.create_task(work)
        for work in (following.follow(), following.keep_snapshots(Snapshots(), 0.01, at_rest))  # type: ignore[arg-type]
    ]
    async with asyncio.timeout(10):
        await written.wait()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    began = done.index("rest")
    assert done[began:][:3] == ["rest", "interactions caught up", "go on"]
    assert {"catalogue polled", "catalogue caught up"} <= set(done[:began])


async def test_what_is_being_applied_is_applied_before_a_follower_ends() -> None:
    """A thread cannot be cancelled: it would teach what the last snapshot is copying."""
    applying, go_on = threading.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    class Slow(Applying):
        async def poll(self, timeout_seconds: float) -> list[InputRecord]:
            return await asyncio.sleep(0, [record(0, 1)])

        def apply(self, records: list[InputRecord]) -> None:
            applying.set()
            go_on.wait(10)
            super().apply(records)

    world = Slow()
    follower = asyncio.create_task(Following(world, world, world, world).follow())  # type: ignore[arg-type]
    await loop.run_in_executor(None, applying.wait, 10)
    follower.cancel()
    await asyncio.sleep(0.05)
    assert not follower.done()
    go_on.set()
    await asyncio.gather(follower, return_exceptions=True)
    assert [each.offset for each in world.held[0]] == [0]
