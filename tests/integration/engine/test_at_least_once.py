"""The same engine on the broker without transactions: table, changelog, outputs, a restart with recovery."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from streamproc.brokers.embedded import EmbeddedBroker
from streamproc.engine import Broadcast, Engine, EngineError, InputRecord
from streamproc.settings import Settings
from tests.integration.engine.counting import (
    COUNTS,
    INPUTS,
    ORDER,
    STATE,
    Counting,
    Results,
    produce,
    run_until,
    settings_for,
)

pytestmark = pytest.mark.embedded


@pytest.fixture
def settings(
    embedded_broker: EmbeddedBroker, unique_topics: Callable[[Settings], Settings], tmp_path: Path
) -> Settings:
    settings = unique_topics(
        settings_for(embedded_broker.bootstrap_servers, tmp_path, processing_guarantee="at_least_once")
    )
    embedded_broker.touch(*(settings.topic(name) for name in (*INPUTS, COUNTS, ORDER, STATE)))
    return settings


def engine_for(settings: Settings, processor: Counting, **more: object) -> Engine:
    inputs = [settings.topic(name) for name in INPUTS]
    return Engine(settings, inputs, settings.topic(STATE), processor, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("store", ["memory", "rocksdb"])
async def test_counts_are_exact_over_a_restart(settings: Settings, store: str) -> None:
    settings = settings.model_copy(update={"store": store})
    rows: list[int] = []
    for life in (1, 2):
        await produce(settings, 1_000, keys=100)
        processor = Counting(settings)
        engine = engine_for(settings, processor, on_recovery=lambda stats: rows.append(stats.rows))
        await run_until(engine, partial(processor.has_counted, 1_000), f"life {life}")
    results = await Results(settings).read()
    results.assert_exactly_once(2_000)
    first, second = sum(rows[:4]), sum(rows[4:])
    assert first == 0
    assert second == 0 if store == "rocksdb" else second >= 100


async def test_a_failed_batch_is_not_acknowledged(settings: Settings) -> None:
    await produce(settings, 100, keys=10)
    await produce(settings, 1, keys=1, value=b"raise")
    for _ in range(2):
        with pytest.raises(EngineError, match="a record that cannot be processed"):
            await run_until(engine_for(settings, Counting(settings)), lambda: False, "the failure")


async def test_a_broadcast_reads_all_partitions_and_then_what_comes(settings: Settings) -> None:
    await produce(settings, 50, keys=50)
    topics = [settings.topic(name) for name in INPUTS]
    async with Broadcast(settings, topics) as reader:
        polls: list[int] = []

        async def count(records: list[InputRecord]) -> None:
            polls.append(len(records))

        assert await reader.catch_up(count) == []
        assert sum(polls) == 50
        assert len(await reader.lag()) == 8
        assert await reader.poll() == []
        await produce(settings, 10, keys=10)
        assert sum((await reader.lag()).values()) == 10
        seen: list[int] = []
        while len(seen) < 10:
            seen += [record.offset for record in await reader.poll(0.5)]
    async with Broadcast(settings, topics) as reader:
        records = await reader.catch_up()
    assert {record.topic for record in records} == set(topics)
    assert len(records) == 60
