"""The trainer on a real Kafka: transactions make offsets and pointer one, and only one trainer may write."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.structs import TopicPartition

from streamproc import topics
from streamproc.brokers.kafka import KafkaBroker
from streamproc.errors import StreamprocError
from streamproc.settings import Settings
from streamproc.trainer import Trainer
from tests.integration.trainer.support import a_worker, examples, published, running, send, teach, trainable, until

pytestmark = pytest.mark.kafka


@pytest.fixture
def settings(kafka_broker: KafkaBroker, unique_topics: Callable[[Settings], Settings], tmp_path: Path) -> Settings:
    made = unique_topics(
        Settings(
            bootstrap_servers=kafka_broker.bootstrap_servers,
            data_dir=tmp_path,
            trainer_http_port=0,
            session_timeout_seconds=6,
            keep_versions=2,
        )
    )
    topics.create(made)
    return made


def start_process(settings: Settings, folder: Path) -> subprocess.Popen[bytes]:
    file = folder / "settings.toml"
    keys = ("bootstrap_servers", "application_id", "topic_prefix", "trainer_http_port", "session_timeout_seconds")
    lines = [f"{key} = {getattr(settings, key)!r}".replace("'", '"') for key in keys]
    file.write_text("\n".join([*lines, f'data_dir = "{folder}"']))
    return subprocess.Popen([sys.executable, "-m", "streamproc", "trainer", "--config", str(file)])


async def test_killed_in_mid_stream_learns_every_example_once_and_keeps_few_artefacts(
    settings: Settings, tmp_path: Path
) -> None:
    values = examples(900)
    process = start_process(settings, tmp_path)
    try:
        for number, value in enumerate(values[:8]):
            await send(settings, "training-examples", [value], partition=number % 4)
        async with a_worker(settings):
            await teach(settings, values[8:398], 3)
    finally:
        process.kill()
        process.wait()
    before = await published(settings)
    learned = before.records[before.serving_version].metrics["examples"]
    left = trainable(values) - learned
    async with running(settings), a_worker(settings):
        await send(settings, "training-examples", values[398:])
        after = await until(
            settings,
            lambda log: (
                log.serving_version > before.serving_version
                and log.records[log.serving_version].metrics["examples"] >= left
            ),
        )
    assert after.records[after.serving_version].metrics["examples"] == left
    kept = {update.version for update in (await published(settings)).kept()}
    assert after.serving_version in kept
    assert len(kept) <= 3  # two newest, and the parent of the one in service
    assert len(list((tmp_path / "artefacts").glob("*.safetensors"))) <= 3


async def test_a_second_trainer_takes_over_and_the_first_says_so(settings: Settings) -> None:
    first = Trainer(settings)
    running_first = asyncio.create_task(first.run())
    await send(settings, "training-examples", examples(150))
    await until(settings, lambda log: log.serving_version >= 1)
    async with running(settings), a_worker(settings):
        for partition in range(4):
            await send(settings, "training-examples", examples(300, seed=partition), partition=partition)
        with pytest.raises(StreamprocError, match="another trainer"):
            await asyncio.wait_for(running_first, 60)
        await until(settings, lambda log: log.serving_version >= 3)


async def committed(settings: Settings) -> int:
    """Examples that the trainer's group has committed, without transaction markers: nobody writes any here."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=settings.bootstrap_servers,
        group_id=f"{settings.application_id}-trainer",
        enable_auto_commit=False,
    )
    await consumer.start()
    try:
        total = 0
        for partition in range(settings.partitions):
            total += await consumer.committed(TopicPartition(settings.topic("training-examples"), partition)) or 0
        return total
    finally:
        await consumer.stop()
