"""Asks the running workers for one user's list over Kafka."""

import asyncio
import time
import uuid

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.structs import TopicPartition

from schemas.events import RecommendationRequest
from schemas.outputs import Recommendation
from schemas.record import RecordError, decode, encode
from streamproc.connection import aiokafka_options
from streamproc.errors import StreamprocError
from streamproc.settings import Settings


class NoAnswerError(StreamprocError):
    """No worker answered in time."""


async def ask(
    settings: Settings, user_id: str, *, k: int, timestamp_ms: int | None = None, timeout_seconds: float = 10.0
) -> Recommendation:
    """Send a request and wait for its answer.

    Parameters
    ----------
    timestamp_ms
        The time to recommend for; None: now.

    Raises
    ------
    NoAnswerError
        When the answer did not come in time.
    KafkaError
        When the brokers cannot be reached.
    """
    request = RecommendationRequest(
        user_id=user_id,
        timestamp_ms=time.time_ns() // 1_000_000 if timestamp_ms is None else timestamp_ms,
        request_id=uuid.uuid4().hex,
        k=k,
    )
    options = aiokafka_options(settings)
    # The embedded broker's transactions are not real, so there is nothing to wait for.
    exactly_once = settings.processing_guarantee == "exactly_once"
    consumer = AIOKafkaConsumer(**options, isolation_level="read_committed" if exactly_once else "read_uncommitted")
    producer = AIOKafkaProducer(**options, acks="all", enable_idempotence=True)
    await consumer.start()
    try:
        await producer.start()
        try:
            await _read_from_now(consumer, settings.topic("recommendations"), await _partitions(producer, settings))
            await producer.send_and_wait(
                settings.topic("recommendation-requests"),
                encode(request),
                key=user_id.encode(),
                timestamp_ms=request.timestamp_ms,
            )
            async with asyncio.timeout(timeout_seconds):
                return await _answer(consumer, request.request_id)
        except TimeoutError:
            raise NoAnswerError(
                f"no answer within {timeout_seconds:g} s: is a worker running on {settings.bootstrap_servers}?"
            ) from None
        finally:
            await producer.stop()
    finally:
        await consumer.stop()


async def _partitions(producer: AIOKafkaProducer, settings: Settings) -> set[int]:
    found: set[int] = await producer.partitions_for(settings.topic("recommendations"))
    return found


async def _read_from_now(consumer: AIOKafkaConsumer, topic: str, numbers: set[int]) -> None:
    partitions = [TopicPartition(topic, number) for number in numbers]
    consumer.assign(partitions)
    # Fix the positions before the request is sent, or the answer could come before the reader stands.
    await consumer.seek_to_end(*partitions)
    for partition in partitions:
        await consumer.position(partition)


async def _answer(consumer: AIOKafkaConsumer, request_id: str) -> Recommendation:
    while True:
        for records in (await consumer.getmany(timeout_ms=200)).values():
            for record in records:
                try:
                    answer = decode(Recommendation, record.value, max_bytes=1_000_000)
                except RecordError:
                    continue  # a foreign record in the topic is no reason to stop waiting
                if answer.request_id == request_id:
                    return answer
