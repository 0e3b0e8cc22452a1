"""The simulator's shell on the in-process broker: what arrives, where, and that the loop is closed."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from click.testing import CliRunner

from schemas.events import ClickEvent, ItemEvent, PurchaseEvent
from schemas.outputs import Recommendation, RecommendedItem
from schemas.record import decode, encode
from streamproc import topics
from streamproc.brokers.embedded import EmbeddedBroker
from streamproc.cli import main
from streamproc.settings import Settings
from streamproc.simulator import World, WorldConfig
from streamproc.simulator.pacing import FixedRate
from streamproc.simulator.producer import Sent, Simulation, follow, simulate_to_topics

pytestmark = pytest.mark.embedded
SMALL = WorldConfig(users=40, items=120, categories=4, new_items_per_1000=20)


@pytest.fixture
def settings(embedded_broker: EmbeddedBroker, unique_topics: Callable[[Settings], Settings]) -> Settings:
    given = Settings(bootstrap_servers=embedded_broker.bootstrap_servers, processing_guarantee="at_least_once")
    unique = unique_topics(given)
    topics.create(unique)
    return unique


async def collect(settings: Settings, roles: list[str], enough: Callable[[list[Any]], bool]) -> list[Any]:
    """Read the topics from the start until there is enough."""
    found: list[Any] = []
    full = asyncio.Event()

    def take(role: str, record: Any) -> None:
        found.append((role, record))
        if enough(found):
            full.set()

    reader = asyncio.create_task(follow(settings, roles, take, from_start=True))
    try:
        await asyncio.wait_for(full.wait(), 20)
    finally:
        reader.cancel()
        await asyncio.gather(reader, return_exceptions=True)
    return found


async def test_every_event_arrives_once_on_its_users_partition_and_after_its_items_announcement(
    settings: Settings,
) -> None:
    acknowledged: list[Sent] = []
    simulation = Simulation(settings, World(SMALL, 1), FixedRate(5_000), on_sent=acknowledged.append)
    await simulation.run(events=1_000)
    assert simulation.acknowledged == len(acknowledged) == 1_000
    rows = await collect(settings, ["clicks", "purchases"], lambda rows: len(rows) >= 1_000)
    events = [decode(PurchaseEvent if role == "purchases" else ClickEvent, record.value) for role, record in rows]
    assert {event.event_id for event in events} == {f"seed1-{number}" for number in range(1_000)}
    partitions: defaultdict[str, set[int]] = defaultdict(set)
    for event, (_, record) in zip(events, rows, strict=True):
        assert record.key == event.user_id.encode()
        partitions[event.user_id].add(record.partition)
    assert all(len(found) == 1 for found in partitions.values())
    assert len(set().union(*partitions.values())) > 1
    places = {((record.topic, record.partition, record.offset), record.timestamp) for _, record in rows}
    assert {(sent.place, sent.timestamp_ms) for sent in acknowledged} == places
    items = await collect(settings, ["items"], lambda rows: len(rows) >= 140)
    known = {decode(ItemEvent, record.value).item_id for _, record in items}
    assert {event.item_id for event in events} <= known


async def test_users_click_on_what_a_worker_recommends(settings: Settings) -> None:
    """A stand-in for a worker recommends one rare item to everybody; users start to take it."""
    world = World(WorldConfig(users=40, items=120, categories=4, feedback_share=0.8, new_items_per_1000=0), 1)
    rare = world.catalogue.item_id(119)
    taken: list[bool] = []

    async def recommend() -> None:
        producer = AIOKafkaProducer(bootstrap_servers=settings.bootstrap_servers)
        await producer.start()
        try:
            for index in range(40):
                answer = Recommendation(
                    id=f"clicks-0-{index}",
                    user_id=f"user-{index:05d}",
                    timestamp_ms=1_700_000_000_000,
                    model_version=1,
                    items=[RecommendedItem(item_id=rare, score=1.0, reasons=[])],
                    source_topic="clicks",
                    source_partition=0,
                    source_offset=index,
                )
                await producer.send_and_wait(settings.topic("recommendations"), encode(answer))
            await producer.send_and_wait(settings.topic("recommendations"), b"not json")
        finally:
            await producer.stop()

    async def read() -> None:
        def take(_role: str, record: Any) -> None:
            taken.append(decode(ClickEvent, record.value).item_id == rare)

        await follow(settings, ["clicks"], take, from_start=True)

    reader = asyncio.create_task(read())
    run = asyncio.create_task(simulate_to_topics(settings, world, FixedRate(400), events=1_600))
    while len(taken) < 200:
        await asyncio.sleep(0.02)
    await recommend()
    assert await run == 1_600
    reader.cancel()
    await asyncio.gather(reader, return_exceptions=True)
    assert sum(taken[:200]) < 20
    assert sum(taken[-300:]) > 150


def test_the_command_sends_and_says_how_many(settings: Settings) -> None:
    result = CliRunner().invoke(
        main,
        [
            *("simulate", "--bootstrap-servers", settings.bootstrap_servers, "--events", "50", "--rate", "1000"),
            *("--set", f"topic_prefix={settings.topic_prefix}"),
        ],
    )
    assert result.exit_code == 0, result.output
    assert "sent 50 events" in result.output


def test_the_command_names_missing_topics(embedded_broker: EmbeddedBroker) -> None:
    result = CliRunner().invoke(
        main,
        ["simulate", "--bootstrap-servers", embedded_broker.bootstrap_servers, "--set", "topic_prefix=nowhere."],
    )
    assert result.exit_code == 2
    assert "nowhere.clicks" in result.output
