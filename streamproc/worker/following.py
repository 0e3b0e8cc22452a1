"""Reading along with the broadcast topics: all of them before the first event, then between micro-batches."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Final, TypeVar, TypeVarTuple

from models.snapshot import Arrays, freeze, make_room, touch
from streamproc.engine import Broadcast, InputRecord
from streamproc.worker.knowledge import SharedKnowledge
from streamproc.worker.processor import WorkerProcessor
from streamproc.worker.snapshots import Offsets, Snapshots

T = TypeVar("T")
Arguments = TypeVarTuple("Arguments")
Kept = tuple[Arrays, Offsets, Offsets]
"""What `Snapshots.write` takes."""

_POLL_SECONDS: Final = 0.2
# Others' interactions may come a moment later: every worker's every transaction is a record here, and a poll costs as
# much as an event. What the catalogue and the trainer say is rare and not to be waited for.
_REST_SECONDS: Final = 0.25

# Some hundreds of interactions, or of items: events wait for milliseconds while these are applied.
PIECE_BYTES: Final = 32_768
# Whoever lets go of a lock and takes it again at once has it before those who wait for it have woken up.
_LET_GO_SECONDS: Final = 1e-4


def pieces(records: Sequence[InputRecord]) -> Iterator[list[InputRecord]]:
    """Split records, in their order, into pieces of `PIECE_BYTES` at most; a larger record is a piece of its own.

    >>> [len(piece) for piece in pieces([InputRecord("items", 0, n, 0, b"key", bytes(10_000)) for n in range(7)])]
    [3, 3, 1]
    """
    piece: list[InputRecord] = []
    left = PIECE_BYTES
    for record in records:
        size = len(record.value or b"")
        if piece and size > left:
            yield piece
            piece, left = [], PIECE_BYTES
        piece.append(record)
        left -= size
    if piece:
        yield piece


async def in_thread(work: Callable[[*Arguments], T], *arguments: *Arguments) -> T:
    """Have work done in a thread, and wait for its end even when cancelled: under a snapshot nothing may go on."""
    task = asyncio.create_task(asyncio.to_thread(work, *arguments))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task})
        raise


class Following:
    """The readers of the broadcast topics, and whom they teach.

    Parameters
    ----------
    catalogue, interactions
        Started readers. The catalogue, with what the trainer says of versions, catches up first: items are best known
        before they are met.
    processor
        Its lock is held while something is applied, and let go often: events wait for it.
    """

    def __init__(
        self, catalogue: Broadcast, interactions: Broadcast, shared: SharedKnowledge, processor: WorkerProcessor
    ) -> None:
        self._interactions = interactions
        self._rests = {catalogue: 0.0, interactions: _REST_SECONDS}
        self._readers = [(reader, asyncio.Lock()) for reader in self._rests]
        self._shared = shared
        self._processor = processor

    async def catch_up(self) -> None:
        """Apply everything that the topics hold at the time of the call."""
        for reader, _ in self._readers:
            await reader.catch_up(self._apply)

    async def follow(self) -> None:
        """Apply what comes, until cancelled."""
        await asyncio.gather(*(self._follow(reader, lock) for reader, lock in self._readers))

    async def _follow(self, reader: Broadcast, lock: asyncio.Lock) -> None:
        while True:
            async with lock:
                records = await reader.poll(_POLL_SECONDS)
                if records:
                    await self._apply(records)
            if records:
                await asyncio.sleep(self._rests[reader])

    async def _apply(self, records: list[InputRecord]) -> None:
        await in_thread(self._apply_now, records)

    def _apply_now(self, records: list[InputRecord]) -> None:
        self._shared.load(records)  # beside the events: only what changes what they see has to wait for the lock
        for piece in pieces(records):
            with self._processor.lock:
                self._shared.apply(piece)
            time.sleep(_LET_GO_SECONDS)

    async def keep_snapshots(
        self,
        snapshots: Snapshots,
        interval_seconds: float,
        at_rest: Callable[[], contextlib.AbstractAsyncContextManager[None]],
    ) -> None:
        """Write a snapshot every `interval_seconds`, until cancelled; the worker stands still while it is copied."""
        while True:
            await asyncio.sleep(interval_seconds)
            await self._keep_snapshot(snapshots, at_rest)

    async def _keep_snapshot(
        self, snapshots: Snapshots, at_rest: Callable[[], contextlib.AbstractAsyncContextManager[None]]
    ) -> None:
        # What takes long comes before events have to wait: memory, polls that are under way, and most of the logs.
        room = await in_thread(self._room)
        async with self._still():
            await self.catch_up()
            async with at_rest():
                kept = await self._copy(room)
        await in_thread(snapshots.write, *kept)

    def _room(self) -> Arrays:
        with self._processor.lock:
            room = make_room(self._shared.recommender.knowledge)
        touch(room)
        return room

    async def copy(self) -> Kept:
        """What a snapshot is to hold, when nothing is in hand and all is committed: `Snapshots.write` takes it."""
        async with self._still():
            return await self._copy(None)

    async def _copy(self, room: Arrays | None) -> Kept:
        # Before the events of a partition that were learned here lie those that another worker learned of it. The
        # catalogue may be read on later; to ask where it ends takes as long as a fetch waits for what does not come.
        await self._interactions.catch_up(self._apply)
        positions: Offsets = {}
        for reader, _ in self._readers:
            positions |= await reader.positions()
        arrays = await in_thread(freeze, self._shared.recommender.knowledge, room)
        learned, read = self._processor.sources, self._shared.sources
        sources = {at: max(learned.get(at, -1), read.get(at, -1)) for at in learned.keys() | read.keys()}
        return arrays, self._shared.within(positions), sources

    @contextlib.asynccontextmanager
    async def _still(self) -> AsyncIterator[None]:
        async with contextlib.AsyncExitStack() as held:
            for _, lock in self._readers:
                await held.enter_async_context(lock)
            yield
