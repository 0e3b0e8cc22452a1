"""Exactly once on a real Kafka: killed, paused, joined, refused and raising workers change nothing in the result."""

from __future__ import annotations

import asyncio
import re
import signal
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import pytest

from streamproc.brokers.kafka import KafkaBroker
from streamproc.engine import Broadcast, Engine, EngineError, StateView
from streamproc.engine.store import open_store
from streamproc.settings import Settings
from tests.integration.engine.counting import (
    ECHO,
    INPUTS,
    ORDER,
    STATE,
    Counting,
    Results,
    committed,
    make_topics,
    produce,
    run_until,
    settings_for,
    wait_for,
)
from tests.integration.engine.process import Worker

pytestmark = pytest.mark.kafka


@pytest.fixture
def settings(kafka_broker: KafkaBroker, unique_topics: Callable[[Settings], Settings], tmp_path: Path) -> Settings:
    settings = unique_topics(settings_for(kafka_broker.bootstrap_servers, tmp_path))
    make_topics(settings)
    return settings


def engine_for(settings: Settings, processor: Counting, **more: object) -> Engine:
    inputs = [settings.topic(name) for name in INPUTS]
    return Engine(settings, inputs, settings.topic(STATE), processor, **more)  # type: ignore[arg-type]


async def test_every_record_counts_once_and_appends_follow_the_processing_order(settings: Settings) -> None:
    await produce(settings, 5_000, keys=50)
    processor = Counting(settings)
    engine = engine_for(settings, processor, before_assigned=processor.before_assigned)
    await run_until(engine, partial(processor.has_counted, 5_000), "all processed")

    results = await Results(settings).read()
    results.assert_exactly_once(5_000)
    assert results.order == [f"{batch[0].partition} {batch[0].offset}" for batch in processor.batches]
    for partition in range(4):
        times = [r.timestamp_ms for batch in processor.batches for r in batch if r.partition == partition]
        assert times == sorted(times)  # over both topics
    assert sum(committed(settings).values()) == 5_000
    assert sorted(processor.assigned) == [0, 1, 2, 3]


async def test_lag_and_readiness(settings: Settings) -> None:
    processor = Counting(settings)
    engine = engine_for(settings, processor)
    assert not engine.ready
    assert engine.lag() == {}
    running = asyncio.create_task(engine.run())
    await wait_for(lambda: engine.ready, "ready")
    await produce(settings, 400, keys=50)
    await wait_for(partial(processor.has_counted, 400), "all processed")
    await wait_for(lambda: not any(engine.lag().values()), "no lag")
    assert len(engine.lag()) == 8
    engine.stop()
    await running
    assert not engine.ready


@pytest.mark.slow
@pytest.mark.parametrize("store", ["memory", "rocksdb"])
async def test_kill_9_in_mid_stream(settings: Settings, tmp_path: Path, store: str) -> None:
    settings = settings.model_copy(update={"store": store})
    count = 12_000
    await produce(settings, count, keys=300)
    topics = [settings.topic(ORDER)]
    for _ in range(2):
        async with Broadcast(settings, topics) as reader:
            await reader.catch_up()
            with Worker(settings, tmp_path, pause=0.02) as worker:
                while not await reader.poll(0.5):  # a batch of this life is committed
                    worker.check()
                await asyncio.sleep(0.3)
                assert worker.end(signal.SIGKILL)[0] == -signal.SIGKILL
    assert 0 < sum(committed(settings).values()) < count
    with Worker(settings, tmp_path) as worker:
        results = await Results(settings).wait_for_outputs(count, worker.check)
        assert worker.end(signal.SIGTERM)[0] == 0
    results.assert_exactly_once(count)
    assert sum(committed(settings).values()) == count


@pytest.mark.slow
async def test_a_worker_paused_past_its_session_changes_nothing_when_it_wakes(
    settings: Settings, tmp_path: Path
) -> None:
    count = 6_000
    await produce(settings, count, keys=200)
    with Worker(settings, tmp_path, pause=0.05) as zombie:
        async with Broadcast(settings, [settings.topic(ORDER)]) as reader:
            while not await reader.poll(0.5):
                zombie.check()
        zombie.signal(signal.SIGSTOP)
        with Worker(settings, tmp_path) as heir:
            await Results(settings).wait_for_outputs(count, heir.check)
            zombie.signal(signal.SIGCONT)
            code, errors = zombie.end()
            assert code == 1
            assert errors.splitlines()[-1].startswith("error: fenced: ")
            assert "Traceback" not in errors
            await produce(settings, 500, keys=200)  # life goes on without it
            results = await Results(settings).wait_for_outputs(count + 500, heir.check)
            assert heir.end(signal.SIGTERM)[0] == 0
    results.assert_exactly_once(count + 500)


@pytest.mark.slow
async def test_workers_join_and_leave(settings: Settings, tmp_path: Path) -> None:
    await produce(settings, 4_000, keys=200)
    processor = Counting(settings, pause=0.03)
    engine = engine_for(settings, processor)
    running = asyncio.create_task(engine.run())
    await wait_for(lambda: len(processor.batches) > 5, "first batches")
    with Worker(settings, tmp_path, pause=0.03) as second:
        await wait_for(lambda: engine.ready and len(engine.lag()) == 4, "half of the partitions went")
        writing = asyncio.create_task(produce(settings, 4_000, keys=200))
        before = len(processor.batches)
        await wait_for(lambda: len(processor.batches) > before + 3, "the first goes on with the rest")
        assert second.end(signal.SIGTERM)[0] == 0
    await writing
    await wait_for(lambda: engine.ready and len(engine.lag()) == 8, "all partitions are back")
    await produce(settings, 500, keys=200)
    results = await Results(settings).wait_for_outputs(8_500, lambda: running.done() and running.result())
    engine.stop()
    await running
    results.assert_exactly_once(8_500)
    assert sum(map(len, processor.batches)) < 8_500


async def test_a_rebalance_interrupts_a_worker_that_is_still_preparing(settings: Settings) -> None:
    first, second = Counting(settings), Counting(settings)
    held = asyncio.Event()
    calls: list[list[int]] = []

    async def hold(states: Mapping[int, StateView]) -> None:
        calls.append(list(states))
        if len(calls) == 1:
            await held.wait()  # never: the rebalance interrupts it

    engines = [engine_for(settings, first, before_assigned=hold), engine_for(settings, second)]
    running = [asyncio.create_task(engines[0].run())]
    await wait_for(lambda: calls, "the first prepares")
    assert not engines[0].ready
    running.append(asyncio.create_task(engines[1].run()))
    await produce(settings, 1_000, keys=100)
    results = await Results(settings).wait_for_outputs(
        1_000, lambda: [task.result() for task in running if task.done()]
    )
    assert [len(engine.lag()) for engine in engines] == [4, 4]
    for engine in engines:
        engine.stop()
    await asyncio.gather(*running)
    results.assert_exactly_once(1_000)
    assert first.batches
    assert second.batches
    assert calls[0] == [0, 1, 2, 3]
    assert len(calls[1]) == 2


async def test_large_records_pass(settings: Settings) -> None:
    await produce(settings, 1, keys=1, value=bytes(3_000_000))
    await produce(settings, 100, keys=10)
    processor = Counting(settings, echo=True)
    await run_until(engine_for(settings, processor), partial(processor.has_counted, 101), "all processed")
    (await Results(settings).read()).assert_exactly_once(101)
    async with Broadcast(settings, [settings.topic(ECHO)]) as reader:
        assert max(len(record.value or b"") for record in await reader.catch_up()) == 3_000_000


@pytest.mark.parametrize(
    ("value", "message"),
    [(b"raise", "could not be processed (ValueError: a record that cannot be processed)"), (b"refuse", "refused")],
)
async def test_what_cannot_be_done_ends_the_worker_and_is_not_acknowledged(
    settings: Settings, value: bytes, message: str
) -> None:
    await produce(settings, 400, keys=40)
    await produce(settings, 1, keys=1, value=value)
    await produce(settings, 400, keys=40)
    for _ in range(2):  # and again after a restart: it is still there
        told: list[Exception] = []
        engine = engine_for(settings, Counting(settings), on_failure=told.append)
        with pytest.raises(EngineError, match=re.escape(message)) as raised:
            await run_until(engine, lambda: False, "the failure")
        assert "\n" not in str(raised.value)
        assert told == [raised.value]
    results = await Results(settings).read()
    results.assert_exactly_once(sum(committed(settings).values()))
    async with Broadcast(settings, [settings.topic(INPUTS[0])]) as reader:
        (poison,) = [record for record in await reader.catch_up() if record.value == value]
    assert committed(settings)[poison.topic, poison.partition] <= poison.offset


async def test_a_restart_on_rocksdb_reads_only_the_tail(settings: Settings) -> None:
    settings = settings.model_copy(update={"store": "rocksdb"})
    await produce(settings, 2_000, keys=500)
    processor = Counting(settings)
    await run_until(engine_for(settings, processor), partial(processor.has_counted, 2_000), "first life")

    rows: list[int] = []
    await produce(settings, 100, keys=10)
    processor = Counting(settings)
    engine = engine_for(settings, processor, on_recovery=lambda stats: rows.append(stats.rows))
    await run_until(engine, partial(processor.has_counted, 100), "second life")
    assert rows == [0, 0, 0, 0]
    (await Results(settings).read()).assert_exactly_once(2_100)


@pytest.mark.parametrize("store", ["memory", "rocksdb"])
async def test_expired_rows_go_from_store_and_changelog(settings: Settings, store: str) -> None:
    settings = settings.model_copy(update={"store": store})
    await produce(settings, 200, keys=200)  # 200 users, once each
    processor = Counting(settings)

    def only_once(value: bytes, now_ms: int) -> bool:
        return value == b"1"

    await run_until(engine_for(settings, processor), partial(processor.has_counted, 200), "first life")
    await produce(settings, 2_000, keys=8)  # a few come back, in every partition
    processor = Counting(settings)
    engine = engine_for(settings, processor, expired=only_once)
    await run_until(engine, partial(processor.has_counted, 2_000), "second life")
    results = await Results(settings).read()
    assert {key: count for key, count in results.state.items() if count} == {
        f"user-{number}".encode(): 250
        for number in range(8)  # had they not expired, it would be 251
    }
    assert len(results.state) == 200  # the rest are tombstones
    if store == "rocksdb":
        stores = [
            open_store(store, settings.data_dir / "state" / settings.application_id, number) for number in range(4)
        ]
        assert sum(len(list(opened.items())) for opened in stores) == 8
        for opened in stores:
            opened.close()
    live: list[int] = []
    engine = engine_for(settings, Counting(settings))
    await run_until(engine, lambda: engine.ready and live.append(engine.rows()) is None, "third life")
    assert live[0] == 8 or store == "rocksdb"  # which only estimates


@pytest.mark.slow
async def test_a_named_worker_that_is_soon_back_interrupts_nobody(settings: Settings, tmp_path: Path) -> None:
    settings = settings.model_copy(update={"session_timeout_seconds": 30})
    first, second = (settings.model_copy(update={"group_instance_id": name}) for name in ("first", "second"))
    processor = Counting(settings)
    opened: list[int] = []
    engine = engine_for(first, processor, on_recovery=lambda stats: opened.append(stats.partition))
    running = asyncio.create_task(engine.run())
    with Worker(second, tmp_path) as worker:
        await wait_for(lambda: engine.ready and len(engine.lag()) == 2 * len(INPUTS), "half of the partitions went")
        before = list(opened)
        assert worker.end(signal.SIGTERM)[0] == 0
    await produce(settings, 400, keys=50)
    with Worker(second, tmp_path) as worker:
        results = await Results(settings).wait_for_outputs(400, worker.check)
        assert worker.end(signal.SIGTERM)[0] == 0
    assert opened == before
    assert 0 < sum(map(len, processor.batches)) < 400
    engine.stop()
    await running
    results.assert_exactly_once(400)


async def test_missing_topics_are_one_clear_line(settings: Settings) -> None:
    engine = Engine(settings, [settings.topic(INPUTS[0])], "no-such-changelog", Counting(settings))
    with pytest.raises(EngineError, match="'no-such-changelog' does not exist"):
        await run_until(engine, lambda: False, "the failure")
