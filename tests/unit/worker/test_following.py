"""What is read along is applied without keeping events waiting for long."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from types import TracebackType

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
    await Following({world: 0.0}, world, world).catch_up()
    assert [[each.offset for each in piece] for piece in world.held] == [[0], [1, 2], [3, 4], [5]]
