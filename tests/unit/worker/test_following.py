"""What is read along is applied without keeping events waiting for long."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from types import TracebackType

import pytest
from prometheus_client import CollectorRegistry

from models.base import initial_parameters
from models.knowledge import KnowledgeConfig
from models.recommender import Recommender, RecommenderConfig
from models.snapshot import Arrays
from streamproc.engine import Broadcast, InputRecord
from streamproc.metrics import WorkerMetrics
from streamproc.settings import Settings
from streamproc.worker.following import PIECE_BYTES, Following
from streamproc.worker.knowledge import SharedKnowledge
from streamproc.worker.processor import WorkerProcessor
from streamproc.worker.snapshots import Offsets, Snapshots

CONFIG = KnowledgeConfig(max_items=10)


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


class Polling(Broadcast):
    """A reader of topics where nothing comes; it notes what it does."""

    def __init__(self, done: list[str], *topics: str) -> None:
        self.done, self.topics = done, topics

    async def catch_up(
        self, deliver: Callable[[list[InputRecord]], Awaitable[object]] | None = None
    ) -> list[InputRecord]:
        self.done.append(f"{self.topics[0]} caught up")
        return []

    async def poll(self, timeout_seconds: float = 0.0) -> list[InputRecord]:
        await asyncio.sleep(timeout_seconds)
        self.done.append(f"{self.topics[0]} polled")
        return []

    async def positions(self) -> dict[tuple[str, int], int]:
        return {(topic, 0): 7 for topic in self.topics}


class Writing(Snapshots):
    """Tells when it begins to write, and may be held up."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings, CONFIG, lambda: 1e9)
        self.begun, self.ended, self.go = threading.Event(), threading.Event(), threading.Event()
        self.go.set()

    def write(self, arrays: Arrays, positions: Offsets, sources: Offsets) -> None:
        self.begun.set()
        assert self.go.wait(10)
        super().write(arrays, positions, sources)
        self.ended.set()


@pytest.fixture
def snapshots(tmp_path: Path) -> Writing:
    return Writing(Settings(data_dir=tmp_path))


def following(done: list[str]) -> Following:
    settings, metrics = Settings(), WorkerMetrics(CollectorRegistry(), 20)
    recommender = Recommender(initial_parameters(), RecommenderConfig(CONFIG))
    processor = WorkerProcessor(settings, recommender, metrics, "life", lambda: 1e9)
    processor.sources["clicks", 0] = 3
    shared = SharedKnowledge(settings, recommender, metrics, "life")
    return Following(Polling(done, "items", "model-updates"), Polling(done, "item-stats"), shared, processor)


async def test_while_a_snapshot_is_copied_events_wait_for_the_interactions_alone(snapshots: Writing) -> None:
    done: list[str] = []

    @contextlib.asynccontextmanager
    async def at_rest() -> AsyncIterator[None]:
        done.append("rest")
        yield
        done.append("go on")

    worker = following(done)
    tasks = [asyncio.create_task(work) for work in (worker.follow(), worker.keep_snapshots(snapshots, 0.01, at_rest))]
    assert await asyncio.to_thread(snapshots.ended.wait, 10)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    began = done.index("rest")
    assert done[began:][:3] == ["rest", "item-stats caught up", "go on"]
    assert {"items polled", "items caught up"} <= set(done[:began])
    kept = snapshots.read()
    assert kept is not None
    assert kept.positions == {("items", 0): 7, ("item-stats", 0): 7}
    assert kept.sources == {("clicks", 0): 3}


async def test_a_snapshot_that_is_being_written_is_written_before_its_keeper_ends(snapshots: Writing) -> None:
    """The last one, of a clean stop, goes to the same file."""
    snapshots.go.clear()
    keeper = asyncio.create_task(following([]).keep_snapshots(snapshots, 0.01, contextlib.nullcontext))
    assert await asyncio.to_thread(snapshots.begun.wait, 10)
    keeper.cancel()
    await asyncio.sleep(0.05)
    assert not keeper.done()
    snapshots.go.set()
    await asyncio.gather(keeper, return_exceptions=True)
    assert snapshots.ended.is_set()


async def test_what_is_being_applied_is_applied_before_a_follower_ends() -> None:
    """A thread cannot be cancelled: it would teach what the last snapshot is copying."""
    applying, go_on = threading.Event(), threading.Event()

    class Slow(Applying):
        async def poll(self, timeout_seconds: float) -> list[InputRecord]:
            return await asyncio.sleep(0, [record(0, 1)])

        def apply(self, records: list[InputRecord]) -> None:
            applying.set()
            go_on.wait(10)
            super().apply(records)

    world = Slow()
    follower = asyncio.create_task(Following(world, world, world, world).follow())
    assert await asyncio.to_thread(applying.wait, 10)
    follower.cancel()
    await asyncio.sleep(0.05)
    assert not follower.done()
    go_on.set()
    await asyncio.gather(follower, return_exceptions=True)
    assert [each.offset for each in world.held[0]] == [0]
