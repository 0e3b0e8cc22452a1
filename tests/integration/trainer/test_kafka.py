"""The trainer on a real Kafka: transactions make offsets and pointer one, and only one trainer may write."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.structs import TopicPartition

from schemas.knowledge import ModelUpdate
from schemas.record import decode
from streamproc import topics
from streamproc.brokers.kafka import KafkaBroker
from streamproc.engine.broadcast import Broadcast
from streamproc.settings import Settings
from tests.integration.trainer.support import (
    a_worker,
    examples,
    published,
    running,
    send,
    teach,
    trainable,
    until,
    until_ready,
)

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


def start_process(settings: Settings, folder: Path, **options: Any) -> subprocess.Popen[bytes]:
    file = folder / "settings.toml"
    keys = ("bootstrap_servers", "application_id", "topic_prefix", "trainer_http_port", "session_timeout_seconds")
    lines = [f"{key} = {getattr(settings, key)!r}".replace("'", '"') for key in keys]
    file.write_text("\n".join([*lines, f'data_dir = "{folder}"']))
    return subprocess.Popen([sys.executable, "-m", "streamproc", "trainer", "--config", str(file)], **options)


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


async def test_of_two_trainers_one_leads_and_the_other_takes_over_and_repeats_no_version(
    settings: Settings, tmp_path: Path
) -> None:
    first = start_process(settings, tmp_path, stderr=subprocess.PIPE)
    try:
        async with a_worker(settings):
            await teach(settings, examples(260), 2)
            async with running(settings) as second:
                await until_ready(second)
                await send(settings, "training-examples", examples(150, seed=1), partition=1)
                third = await until(settings, lambda log: log.serving_version >= 3)
                assert second.leads is False
                first.send_signal(signal.SIGSTOP)
                await send(settings, "training-examples", examples(2_000, seed=2), partition=2)
                await until(settings, lambda log: log.serving_version > third.serving_version)
                assert second.leads is True
                first.send_signal(signal.SIGCONT)
                _, said = await asyncio.to_thread(first.communicate, timeout=60)
                assert first.returncode == 1
                assert b"another trainer of application" in said
                assert b"has taken over" in said
                await send(settings, "training-examples", examples(2_000, seed=3), partition=3)
                last = await until(settings, lambda log: log.serving_version > third.serving_version + 1)
    finally:
        first.kill()
        first.wait()
    told = await all_updates(settings)
    proposed = [update.version for update in told if update.verdict == "candidate"]
    assert sorted(proposed) == proposed == list(range(1, len(proposed) + 1))
    assert len({(update.version, update.sha256) for update in told if update.version}) == len(proposed)
    parents = {record.version: record.parent for record in last.kept()}
    assert all(parent is not None and parent < version for version, parent in parents.items() if version)


async def all_updates(settings: Settings) -> list[ModelUpdate]:
    """Every record of `model-updates`, oldest first; the topic is too young to be compacted."""
    async with Broadcast(settings, [settings.topic("model-updates")]) as updates:
        return [decode(ModelUpdate, record.value) for record in await updates.catch_up() if record.value]


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
