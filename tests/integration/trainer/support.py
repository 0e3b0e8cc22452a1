"""What the trainer's integration tests share: users with a taste, a running trainer, reading what it published."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Literal

import aiohttp
import numpy as np
from aiokafka import AIOKafkaProducer
from click.testing import CliRunner, Result
from numpy.typing import NDArray

from models.base import F, initial_parameters
from models.learner import BaseLearner
from schemas.evidence import Evidence, encode_evidence, outcome
from schemas.outputs import DriftSignal
from schemas.record import encode
from schemas.training import TrainingExample, decode_example, encode_example
from streamproc.cli import main
from streamproc.engine.broadcast import Broadcast
from streamproc.settings import Settings
from streamproc.trainer import Trainer
from streamproc.versions import VersionLog

BASE = initial_parameters()
TASTE = np.random.default_rng(5).normal(size=F)
NO_HITS = np.zeros(20, np.bool_)


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


def traffic(events: int, hit_rate: float) -> list[bytes]:
    """Evidence of a worker whose lists hit at this rate."""
    rng = np.random.default_rng(0)
    return [judged(2, 1, 0.0, count=0, hits=rng.random(20) < hit_rate) for _ in range(events // 20)]


def judged(shadow: int, serving: int, gain: float, count: int = 40, hits: NDArray[np.bool_] = NO_HITS) -> bytes:
    """Evidence of a worker that compared two versions `count` times, and whether its lists hit."""
    many = np.full(count, 1, np.uint32)
    return encode_evidence(
        Evidence(
            timestamp_ms=1_700_000_000_000,
            new_items=0,
            new_users=0,
            items=np.arange(20, dtype=np.uint32),
            outcomes=np.array([outcome(0.8, bool(hit), False) for hit in hits], np.uint8),
            shadow=many * shadow,
            serving=many * serving,
            gain=np.full(count, gain, np.float32),
        )
    )


@contextlib.asynccontextmanager
async def a_worker(settings: Settings, gain: float = 0.2) -> AsyncIterator[None]:
    """A worker that finds every candidate better than what serves, and no parent better."""

    ended = asyncio.Event()  # cancelling would leave a producer open that is just sending

    async def work() -> None:
        versions = VersionLog()
        async with Broadcast(settings, [settings.topic("model-updates")]) as updates:
            while not ended.is_set():
                for record in await updates.poll(0.1):
                    versions.apply(record.key, record.value)
                for update in versions.in_shadow():
                    better = gain if update.version > versions.serving_version else 0.0
                    await send(
                        settings, "training-examples", [judged(update.version, versions.serving_version, better)]
                    )

    task = asyncio.create_task(work())
    try:
        yield
    finally:
        ended.set()
        await task


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


async def teach(settings: Settings, values: list[bytes], versions: int) -> VersionLog:
    """Send so many equal parts, each when the version that the one before called for serves."""
    size = len(values) // versions
    for number in range(versions):
        await send(settings, "training-examples", values[number * size : (number + 1) * size])
        log = await until(settings, partial(_serves, number + 1))
    return log


def _serves(least: int, log: VersionLog) -> bool:
    return log.serving_version >= least


async def until(settings: Settings, met: Callable[[VersionLog], bool]) -> VersionLog:
    """Read `model-updates` until a condition holds."""
    versions = VersionLog()
    async with asyncio.timeout(60), Broadcast(settings, [settings.topic("model-updates")]) as updates:
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
    return CliRunner().invoke(main, [*arguments, *flags])


async def until_metric(trainer: Trainer, line: str) -> None:
    async with asyncio.timeout(20), aiohttp.ClientSession() as session:
        while not trainer.http.port:
            await asyncio.sleep(0.05)
        while True:
            async with session.get(f"http://127.0.0.1:{trainer.http.port}/metrics") as answer:
                if line in (await answer.text()).splitlines():
                    return
            await asyncio.sleep(0.05)


async def until_ready(trainer: Trainer) -> None:
    """Wait until a trainer leads or stands by."""
    async with asyncio.timeout(30), aiohttp.ClientSession() as session:
        while True:
            if trainer.http.port:
                async with session.get(f"http://127.0.0.1:{trainer.http.port}/readyz") as answer:
                    if answer.status == 200:
                        return
            await asyncio.sleep(0.05)
