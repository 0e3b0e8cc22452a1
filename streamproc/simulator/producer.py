"""Sends a world's events to Kafka and lets its users see what was recommended to them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.structs import RecordMetadata

from schemas.record import RecordError, encode
from streamproc.connection import aiokafka_options
from streamproc.settings import Settings
from streamproc.simulator.events import Event
from streamproc.simulator.pacing import Pace
from streamproc.simulator.records import ShownList, event_record, item_record, read_shown
from streamproc.simulator.world import World

_DAY_MS = 86_400_000
_PAST_DAYS = 300  # how long ago the simulated time starts
_TICK = 0.005  # seconds between two looks at the pace
_MOST_LISTS = 100_000  # users whose last list is kept


@dataclass(frozen=True, slots=True)
class Sent:
    """An event that the broker has acknowledged.

    Attributes
    ----------
    place : tuple of (str, int, int)
        Topic, partition and offset.
    timestamp_ms : int
        The record's timestamp: wall time of sending.
    at : float
        Monotonic time of sending, in seconds.
    """

    event: Event
    place: tuple[str, int, int]
    timestamp_ms: int
    at: float


class Simulation:
    """A world whose events go to the topics, at a pace.

    Parameters
    ----------
    settings : Settings
    world : World
    pace : Pace
    waiting : callable, optional
        Returns the number of events not yet answered, for paces that look at it.
    on_sent : callable, optional
        Called with each event that the broker has acknowledged.
    """

    def __init__(
        self,
        settings: Settings,
        world: World,
        pace: Pace,
        waiting: Callable[[], int] = lambda: 0,
        on_sent: Callable[[Sent], object] | None = None,
    ) -> None:
        self._settings = settings
        self._pace = pace
        self._waiting = waiting
        self._on_sent = on_sent
        self._open: set[asyncio.Future[RecordMetadata]] = set()
        self._failure: BaseException | None = None
        self.world = world
        self.shown: dict[str, list[str]] = {}
        self.acknowledged = 0

    def show(self, shown: ShownList) -> None:
        """Remember the list that a user sees from now on."""
        self.shown.pop(shown.user_id, None)
        self.shown[shown.user_id] = shown.items
        if len(self.shown) > _MOST_LISTS:
            del self.shown[next(iter(self.shown))]

    async def run(self, events: int | None) -> None:
        """Announce the catalogue, then send so many events, or go on until cancelled.

        Raises
        ------
        KafkaError
            When the broker refuses a record.
        """
        # Idempotent: a retry inside the client must neither repeat nor reorder a user's events.
        producer = AIOKafkaProducer(**aiokafka_options(self._settings), acks="all", enable_idempotence=True)
        await producer.start()
        try:
            await self._announce(producer)
            while events is None or self.world.number < events:
                due = self._pace.due(time.monotonic(), self._waiting() + len(self._open))
                for _ in range(due if events is None else min(due, events - self.world.number)):
                    await self._send_next(producer)
                self._raise_failure()
                await asyncio.sleep(_TICK)
            await producer.flush()
            # flush() returns when the broker has answered; the callbacks run one turn of the loop later.
            while self._open:
                await asyncio.sleep(_TICK)
            self._raise_failure()
        finally:
            await producer.stop()

    async def _send_next(self, producer: AIOKafkaProducer) -> None:
        event = self.world.step(self.shown)
        await self._announce(producer)
        # Set here and not by the client, because the acknowledgement of the embedded broker tells a made-up one.
        now_ms = int(time.time() * 1_000)
        event = replace(event, timestamp_ms=min(event.timestamp_ms, now_ms))
        role, record = event_record(event)
        handed = time.monotonic()
        future = await producer.send(
            self._settings.topic(role), encode(record), key=event.user_id.encode(), timestamp_ms=now_ms
        )
        self._open.add(future)
        future.add_done_callback(lambda done: self._acknowledge(event, now_ms, handed, done))

    async def _announce(self, producer: AIOKafkaProducer) -> None:
        """Send catalogue changes and wait until the broker has them: they must be known before the first click."""
        sent = [
            await producer.send(self._settings.topic("items"), encode(item_record(notice)), key=notice.item_id.encode())
            for notice in self.world.take_announcements()
        ]
        if sent:
            await asyncio.gather(*sent)

    def _acknowledge(
        self, event: Event, timestamp_ms: int, handed: float, done: asyncio.Future[RecordMetadata]
    ) -> None:
        self._open.discard(done)
        if done.cancelled():
            return
        if error := done.exception():
            self._failure = self._failure or error
            return
        self.acknowledged += 1
        if self._on_sent:
            place = done.result()
            self._on_sent(Sent(event, (place.topic, place.partition, place.offset), timestamp_ms, handed))

    def _raise_failure(self) -> None:
        if self._failure:
            raise self._failure


async def follow(
    settings: Settings, roles: list[str], on_record: Callable[[str, Any], None], from_start: bool = False
) -> None:
    """Read topics without a consumer group until cancelled.

    Parameters
    ----------
    settings : Settings
    roles : list of str
        Topics by their default names.
    on_record : callable
        Called with the topic's default name and aiokafka's record.
    from_start : bool
        Begin with the oldest record instead of the next one.
    """
    names = {settings.topic(role): role for role in roles}
    consumer = AIOKafkaConsumer(  # without a group it takes every partition of its topics
        *names,
        **aiokafka_options(settings),
        enable_auto_commit=False,
        isolation_level="read_committed" if settings.processing_guarantee == "exactly_once" else "read_uncommitted",
        auto_offset_reset="earliest" if from_start else "latest",
        fetch_max_wait_ms=25,  # the embedded broker lets what comes meanwhile wait for as long
    )
    try:
        await consumer.start()
        while True:
            for at, records in (await consumer.getmany(timeout_ms=100)).items():
                for record in records:
                    on_record(names[at.topic], record)
    finally:
        await consumer.stop()


def recent_start_ms() -> int:
    """World time at which a simulation that starts now should begin.

    Simulated time runs faster than the clock, about a day in 4,000 events of 500 users, and events must not lie in the
    future. So it starts in the past; should it catch up with the clock, the clock holds it back.
    """
    return int(time.time() * 1_000) - _PAST_DAYS * _DAY_MS


async def simulate_to_topics(
    settings: Settings,
    world: World,
    pace: Pace,
    events: int | None,
    on_progress: Callable[[int], object] = lambda count: None,
) -> int:
    """Send events with the feedback loop closed by whatever workers serve; return how many were acknowledged.

    The lists that the workers write are shown to the users; without a worker nobody sees a list and nothing waits.

    Raises
    ------
    KafkaError
        When the broker cannot be reached or refuses a record.
    """
    simulation = Simulation(settings, world, pace, on_sent=lambda _: on_progress(1))

    def see(_role: str, record: Any) -> None:
        try:
            simulation.show(read_shown(record.value))
        except RecordError:
            return  # somebody else's record in a shared topic must not stop the simulation

    reader = asyncio.create_task(follow(settings, ["recommendations"], see))
    sender = asyncio.create_task(simulation.run(events))
    try:
        done, _ = await asyncio.wait({reader, sender}, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in (reader, sender):
            task.cancel()
        await asyncio.gather(reader, sender, return_exceptions=True)
    return simulation.acknowledged
