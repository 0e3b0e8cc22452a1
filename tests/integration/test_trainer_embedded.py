"""The trainer on the in-process broker: examples and signals in, versions out."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import aiohttp
import numpy as np
import pytest
from aiokafka import AIOKafkaProducer
from click.testing import CliRunner, Result

from models.base import F, initial_parameters
from models.learner import BaseLearner
from schemas.outputs import DriftSignal
from schemas.record import encode
from schemas.training import TrainingExample, decode_example, encode_example
from streamproc import topics
from streamproc.artefacts import load
from streamproc.brokers.embedded import EmbeddedBroker
from streamproc.cli import main
from streamproc.engine.broadcast import Broadcast
from streamproc.settings import Settings
from streamproc.trainer import Trainer, training
from streamproc.trainer.versions import VersionLog

pytestmark = pytest.mark.embedded

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


@pytest.fixture
def settings(
    embedded_broker: EmbeddedBroker, unique_topics: Callable[[Settings], Settings], tmp_path: Path
) -> Settings:
    made = unique_topics(
        Settings(
            bootstrap_servers=embedded_broker.bootstrap_servers,
            processing_guarantee="at_least_once",
            data_dir=tmp_path,
            trainer_http_port=0,
            meta_cooldown_seconds=0,
        )
    )
    topics.create(made)
    return made


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


async def test_publishes_on_cadence_and_a_restart_learns_every_example_once(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "QUIET_SECONDS", 0.5)
    rng = np.random.default_rng(0)
    values = [example(rng, number) for number in range(800)]
    async with running(settings):
        await send(settings, "training-examples", [*values[:500], b"damaged"])
        await until(settings, lambda log: log.serving_version >= 3)
    before = await published(settings)
    record = before.records[before.serving_version]
    assert record.metrics["held_out_loss_after"] < record.metrics["held_out_loss_before"]
    served = load(record.uri, record.sha256)
    assert (served.version, served.parent) == (record.version, record.parent)

    once = BaseLearner(BASE)
    for value in values:
        once.observe(decode_example(value))
    left = once.learned - record.metrics["examples"]
    async with running(settings):
        await send(settings, "training-examples", values[500:])
        after = await until(
            settings,
            lambda log: (
                log.serving_version > before.serving_version
                and log.records[log.serving_version].metrics["examples"] >= left
            ),
        )
    assert after.records[before.serving_version + 1].parent == before.serving_version
    assert after.records[after.serving_version].metrics["examples"] == left


async def test_a_command_makes_a_meta_update_and_evidence_does_not(settings: Settings) -> None:
    rng = np.random.default_rng(1)

    def drift_signal(kind: str) -> bytes:
        return encode(
            DriftSignal(
                name="relative_hit_rate",
                timestamp_ms=1_700_000_000_000,
                detector="ADWIN",
                worker="w",
                kind=kind,  # type: ignore[arg-type]
                before=0.1,
                after=0.2,
                window=100,
            )
        )

    async with running(settings) as trainer:
        await send(settings, "training-examples", [example(rng, number) for number in range(480)])
        await until(settings, lambda log: log.next_version > 4)
        await send(settings, "drift-signals", [drift_signal("evidence"), b"{}", drift_signal("trigger")])
        versions = await until(settings, lambda log: any(record.kind == "meta" for record in log.records.values()))
        async with aiohttp.ClientSession() as session:
            for page, said in (("healthz", "ok"), ("readyz", "ready"), ("metrics", "streamproc_versions_total")):
                async with session.get(f"http://127.0.0.1:{trainer.http.port}/{page}") as answer:
                    assert answer.status == 200
                    assert said in await answer.text()
    metas = [record for record in versions.records.values() if record.kind == "meta"]
    assert len(metas) == 1
    assert metas[0].reason.startswith("trigger relative_hit_rate (0.100 -> 0.200) from w")
    assert metas[0].metrics["meta_users"] == 40


async def test_rollback_by_command_is_followed_by_the_trainer(settings: Settings) -> None:
    rng = np.random.default_rng(2)
    async with running(settings) as trainer:
        await send(settings, "training-examples", [example(rng, number) for number in range(400)])
        await until(settings, lambda log: log.serving_version >= 3)
        result = await asyncio.to_thread(invoke, settings, "rollback", "1")
        assert (result.exit_code, result.output) == (
            0,
            "version 1 serves: rolled back by command, version 3 served before\n",
        )
        await until_metric(trainer, "streamproc_published_version 1.0")
        await send(settings, "training-examples", [example(rng, number) for number in range(400, 600)])
        versions = await until(settings, lambda log: log.serving_version >= 4)
    assert versions.records[3].verdict == "rolled_back"
    assert versions.records[4].parent == 1
    listed = await asyncio.to_thread(invoke, settings, "list")
    lines = [line.split() for line in listed.output.splitlines()]
    assert [line[0] for line in lines] == ["version", *(str(v) for v in range(len(lines) - 1))]
    assert lines[4][2:4] == ["refresh", "rolled_back"]


async def test_rollback_says_what_is_wrong_in_one_line(settings: Settings) -> None:
    nothing = await asyncio.to_thread(invoke, settings, "rollback")
    assert nothing.exit_code == 2
    assert nothing.output == "Error: there is nothing to go back to from version 0: it is the built-in one\n"
    rng = np.random.default_rng(3)
    async with running(settings):
        await send(settings, "training-examples", [example(rng, number) for number in range(120)])
        await until(settings, lambda log: log.serving_version == 1)
    unknown = await asyncio.to_thread(invoke, settings, "rollback", "77")
    assert (unknown.exit_code, unknown.output.count("\n")) == (2, 1)
    assert "version 77 is not kept" in unknown.output
    back = await asyncio.to_thread(invoke, settings, "rollback", "0")
    assert back.output.startswith("version 0 serves")
    assert (await published(settings)).serving_version == 0


def invoke(settings: Settings, *arguments: str) -> Result:
    changed = settings.model_dump(exclude_defaults=True, exclude={"worker_id"}, mode="json")
    flags = [part for name, value in changed.items() for part in ("--set", f"{name}={value}")]
    return CliRunner().invoke(main, ["models", *arguments, *flags])


async def until_metric(trainer: Trainer, line: str) -> None:
    async with asyncio.timeout(20), aiohttp.ClientSession() as session:
        while True:
            async with session.get(f"http://127.0.0.1:{trainer.http.port}/metrics") as answer:
                if line in (await answer.text()).splitlines():
                    return
            await asyncio.sleep(0.05)
