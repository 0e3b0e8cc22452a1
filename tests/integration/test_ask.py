"""Asking for a list over the embedded broker, with a stand-in worker that answers every request."""

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.structs import TopicPartition
from click.testing import CliRunner, Result

from schemas.events import RecommendationRequest
from schemas.outputs import Reason, Recommendation, RecommendedItem
from schemas.record import decode, encode
from streamproc.brokers.embedded import PARTITIONS, EmbeddedBroker
from streamproc.cli import main
from streamproc.settings import Settings
from streamproc.topics import create

pytestmark = pytest.mark.embedded


@pytest.fixture
def settings(embedded_broker: EmbeddedBroker, unique_topics: Callable[[Settings], Settings]) -> Settings:
    made = unique_topics(Settings(bootstrap_servers=embedded_broker.bootstrap_servers))
    create(made)
    return made


async def answer(settings: Settings, ready: threading.Event, seen: list[RecommendationRequest]) -> None:
    """Answer requests for ever; before each answer comes rubbish, and an answer to somebody else."""
    consumer = AIOKafkaConsumer(bootstrap_servers=settings.bootstrap_servers, auto_offset_reset="earliest")
    producer = AIOKafkaProducer(bootstrap_servers=settings.bootstrap_servers)
    await consumer.start()
    await producer.start()
    try:
        consumer.assign([TopicPartition(settings.topic("recommendation-requests"), n) for n in range(PARTITIONS)])
        ready.set()
        while True:
            record = await consumer.getone()
            request = decode(RecommendationRequest, record.value)
            seen.append(request)
            assert record.key == request.user_id.encode()
            reply = Recommendation(
                id="r-0-1",
                user_id=request.user_id,
                timestamp_ms=request.timestamp_ms,
                model_version=3,
                items=[RecommendedItem(f"item-{n}", 1.0 / n, [Reason("f", 0.5, "a good one")]) for n in (1, 2)],
                source_topic="recommendation-requests",
                source_partition=0,
                source_offset=1,
                request_id=request.request_id,
            )
            foreign = reply.model_copy(update={"request_id": "other", "items": []})
            for value in (b"rubbish", encode(foreign), encode(reply)):
                await producer.send_and_wait(settings.topic("recommendations"), value, key=record.key)
    finally:
        await producer.stop()
        await consumer.stop()


@contextmanager
def worker(settings: Settings) -> Iterator[list[RecommendationRequest]]:
    """The stand-in in a thread of its own, because the command under test blocks this one."""
    ready, seen = threading.Event(), list[RecommendationRequest]()
    loop = asyncio.new_event_loop()
    task = loop.create_task(answer(settings, ready, seen))

    def serve() -> None:
        with pytest.raises(asyncio.CancelledError):
            loop.run_until_complete(task)
        loop.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        assert ready.wait(20)
        yield seen
    finally:
        loop.call_soon_threadsafe(task.cancel)
        thread.join(20)


def recommend(settings: Settings, *arguments: str) -> Result:
    flags = ["--bootstrap-servers", settings.bootstrap_servers, "--set", f"topic_prefix={settings.topic_prefix}"]
    return CliRunner().invoke(main, ["recommend", *arguments, *flags])


def test_the_answer_to_this_very_request_is_printed_with_its_reasons(settings: Settings) -> None:
    with worker(settings) as seen:
        result = recommend(settings, "u1", "--k", "2", "--timestamp-ms", "1700000000000")
        assert result.exit_code == 0, result.output
        assert result.output.splitlines()[1:] == [" 1  item-1  1.000  a good one", " 2  item-2  0.500  a good one"]
        as_json = json.loads(recommend(settings, "u1", "--json").output)
        assert [item["item_id"] for item in as_json["items"]] == ["item-1", "item-2"]
    assert [(request.user_id, request.k) for request in seen] == [("u1", 2), ("u1", 20)]
    assert seen[0].timestamp_ms == 1_700_000_000_000
    assert seen[1].timestamp_ms > 1_700_000_000_000
    assert seen[0].request_id != seen[1].request_id


def test_without_a_worker_it_gives_up_with_one_line(settings: Settings) -> None:
    result = recommend(settings, "u1", "--timeout", "0.5")
    assert result.exit_code == 1
    assert result.stderr == (f"Error: no answer within 0.5 s: is a worker running on {settings.bootstrap_servers}?\n")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [(["u" * 257], "user_id: String should have at most 256"), (["u", "--timestamp-ms", "7"], "timestamp_ms: ")],
)
def test_what_cannot_be_asked_is_one_line(settings: Settings, arguments: list[str], says: str) -> None:
    result = recommend(settings, *arguments)
    assert result.exit_code == 2
    assert says in result.stderr
