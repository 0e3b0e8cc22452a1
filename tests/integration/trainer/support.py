"""What the trainer's integration tests share: users with a taste, a running trainer, reading what it published."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Literal

import aiohttp
import numpy as np
from aiokafka import AIOKafkaProducer
from click.testing import CliRunner, Result

from models.base import F, initial_parameters
from models.learner import BaseLearner
from schemas.outputs import DriftSignal
from schemas.record import encode
from schemas.training import TrainingExample, decode_example, encode_example
from streamproc.cli import main
from streamproc.engine.broadcast import Broadcast
from streamproc.settings import Settings
from streamproc.trainer import Trainer
from streamproc.trainer.versions import VersionLog

BASE = initial_parameters()
TASTE = np.random.default_rng(5).normal(size=F)


def example(rng: np.random.Generator, number: int) -> bytes:
    """The positive is drawn by a taste over the features that the initial model does not know."""
    x = rng.normal(size=(17, F))
    share = np.exp(x @ TASTE)
    chosen = rng.choice(17, p=share / share.sum())
    x[[0, chosen]] = x[[chosen, 0]]
    features = np.rint(np.clip(x, -6, 6) * 127 / 6).astype(np.int8)
    return encode_example(
        TrainingExample(
            BASE.layout, number % 3, number % 40, 1_700_000_000_000 + number, 0, 0, number, np.zeros(17, "f2"), features
        )
    )


def examples(count: int, seed: int = 0) -> list[bytes]:
    """Encoded examples of 40 users."""
    rng = np.random.default_rng(seed)
    return [example(rng, number) for number in range(count)]


def trainable(values: list[bytes]) -> int:
    """How many of these examples are not held out."""
    learner = BaseLearner(BASE)
    for value in values:
        learner.observe(decode_example(value))
    return learner.learned


def drift_signal(kind: Literal["trigger", "evidence"]) -> bytes:
    """A drift signal as a worker sends it."""
    return encode(
        DriftSignal(
            name="relative_hit_rate",
            timestamp_ms=1_700_000_000_000,
            detector="ADWIN",
            worker="w",
            kind=kind,
            before=0.1,
            after=0.2,
            window=100,
        )
    )


@contextlib.asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[Trainer]:
    trainer = Trainer(settings)
    task = asyncio.create_task(trainer.run())
    try:
        yield trainer
    finally:
        trainer.stop()
        await asyncio.wait_for(task, 30)


async def send(settings: Settings, topic: str, values: list[bytes], partition: int = 0) -> None:
    async with AIOKafkaProducer(bootstrap_servers=settings.bootstrap_servers, linger_ms=5) as producer:
        for value in values:
            await producer.send(settings.topic(topic), value, partition=partition)
        await producer.flush()


async def until(settings: Settings, met: Callable[[VersionLog], bool]) -> VersionLog:
    """Read `model-updates` until a condition holds."""
    versions = VersionLog()
    async with asyncio.timeout(30), Broadcast(settings, [settings.topic("model-updates")]) as updates:
        while not met(versions):
            for record in await updates.poll(0.2):
                versions.apply(record.key, record.value)
    return versions


async def published(settings: Settings) -> VersionLog:
    """All of `model-updates` as it is now."""
    versions = VersionLog()
    async with Broadcast(settings, [settings.topic("model-updates")]) as updates:
        for record in await updates.catch_up():
            versions.apply(record.key, record.value)
    return versions


def invoke(settings: Settings, *arguments: str) -> Result:
    changed = settings.model_dump(exclude_defaults=True, exclude={"worker_id"}, mode="json")
    flags = [part for name, value in changed.items() for part in ("--set", f"{name}={value}")]
    return CliRunner().invoke(main, ["models", *arguments, *flags])


async def until_metric(trainer: Trainer, line: str) -> None:
    async with asyncio.timeout(20), aiohttp.ClientSession() as session:
        while not trainer.http.port:
            await asyncio.sleep(0.05)
        while True:
            async with session.get(f"http://127.0.0.1:{trainer.http.port}/metrics") as answer:
                if line in (await answer.text()).splitlines():
                    return
            await asyncio.sleep(0.05)
