"""What the engine assumes about private parts of Faust and aiokafka. A failure here means: read the new version's code
and mend ``streamproc/engine/faust_batches.py`` before anything else."""

import asyncio
import inspect
from importlib.metadata import version
from types import SimpleNamespace
from typing import Any

import aiokafka
import pytest
from aiokafka.errors import IllegalStateError
from faust.app.base import App
from faust.tables.recovery import Recovery
from faust.transport.consumer import Consumer, ThreadDelegateConsumer
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, ConsumerMessage

from streamproc.engine import InputRecord
from streamproc.engine.faust_batches import (
    BatchApp,
    BatchConsumer,
    BatchConsumerThread,
    BatchTransport,
    Poll,
    WholePolls,
)


def order_of(function: Any, *parts: str) -> list[int]:
    """Where parts of a function's source stand; each must be there."""
    source = inspect.getsource(function)
    assert all(part in source for part in parts), [part for part in parts if part not in source]
    return [source.index(part) for part in parts]


def rising(positions: list[int]) -> bool:
    return positions == sorted(positions)


def test_the_versions_are_the_ones_that_were_read() -> None:
    assert (version("faust-streaming"), version("aiokafka")) == ("0.15.3", "0.14.0")


async def test_the_app_uses_our_consumer_and_starts_neither_producer_nor_web(app: BatchApp) -> None:
    assert isinstance(app.transport, BatchTransport)
    assert isinstance(app.consumer, BatchConsumer)
    assert isinstance(app.consumer._thread, BatchConsumerThread)
    services = list(app.boot_strategy.server())
    assert app.consumer in services
    assert app.producer not in services
    assert not app.conf.web_enabled
    assert app._create_directories() is None
    assert "self._create_directories()" in inspect.getsource(App.on_first_start)


async def test_the_aiokafka_consumer_is_made_from_our_options(app: BatchApp) -> None:
    assert "self._create_worker_consumer(" in inspect.getsource(driver.AIOKafkaConsumerThread._create_consumer)
    consumer = app.consumer._thread._create_worker_consumer(app.transport)
    try:
        assert consumer._group_id == "contract"
        assert consumer._isolation_level == "read_committed"
        assert consumer._fetch_max_wait_ms == 100
    finally:
        await consumer.stop()


async def test_nothing_is_dropped_by_read_offset(app: BatchApp, tp: TP) -> None:
    read_offset = app.consumer._read_offset
    read_offset[tp] = 50
    assert read_offset[tp] is None
    source = inspect.getsource(Consumer._drain_messages)
    assert "get_read_offset = self._read_offset.__getitem__" in source
    assert "if r_offset is None or offset >= r_offset" in source


async def test_getmany_yields_one_message_per_partition_that_streams_do_not_skip(app: BatchApp, tp: TP) -> None:
    consumer = app.consumer
    records = [InputRecord("clicks", 2, offset, 1_000 + offset, b"k", b"v") for offset in (7, 8, 11)]
    consumer._set_active_tps({tp})
    consumer.resume_flow()
    app.consumer_generation_id = 5

    async def fetched(active_partitions: Any, timeout: float) -> dict[TP, Poll]:
        assert active_partitions == {tp}
        return {tp: Poll(0, records)}

    consumer._getmany = fetched
    ((yielded, message),) = [pair async for pair in consumer.getmany(timeout=1.0)]
    assert yielded == tp
    assert isinstance(message, ConsumerMessage)
    assert (message.offset, message.generation_id, message.value.records) == (11, 5, records)

    event = await WholePolls().compile(app)(message)
    assert event.value.records is records
    assert event.message is message


async def test_polls_from_before_the_seek_are_not_yielded(app: BatchApp, tp: TP) -> None:
    consumer = app.consumer
    consumer._set_active_tps({tp})
    consumer.resume_flow()

    async def fetched(active_partitions: Any, timeout: float) -> dict[TP, Poll]:
        consumer._thread.epoch += 1
        return {tp: Poll(0, [InputRecord("clicks", 2, 7, 1_000, None, None)])}

    consumer._getmany = fetched
    assert [pair async for pair in consumer.getmany(timeout=1.0)] == []


async def test_a_current_poll_waits_for_the_flow_instead_of_being_dropped(app: BatchApp, tp: TP) -> None:
    consumer = app.consumer
    consumer._set_active_tps({tp})
    consumer.resume_flow()

    async def fetched(active_partitions: Any, timeout: float) -> dict[TP, Poll]:
        consumer.stop_flow()
        return {tp: Poll(0, [InputRecord("clicks", 2, 7, 1_000, None, None)])}

    consumer._getmany = fetched
    polls = consumer.getmany(timeout=1.0)
    waiting = asyncio.ensure_future(anext(polls))
    done, _ = await asyncio.wait({waiting}, timeout=0.05)
    assert not done
    consumer.resume_flow()
    assert (await waiting)[0] == tp
    await polls.aclose()


async def test_with_all_partitions_paused_getmany_returns_at_once(app: BatchApp, tp: TP) -> None:
    consumer = app.consumer
    consumer._set_active_tps({tp})
    consumer.resume_flow()
    consumer.pause_partitions({tp})
    async with asyncio.timeout(0.5):  # stock Faust sleeps for a second
        assert [pair async for pair in consumer.getmany(timeout=1.0)] == []


def test_assignment_is_prepared_before_the_seek_and_the_seek_comes_before_the_flow() -> None:
    assert rising(
        order_of(
            Recovery._resume_streams,
            "app.on_rebalance_complete.send()",
            "self.app.consumer_generation_id != generation_id",
            "consumer.resume_partitions(",
            "consumer.perform_seek()",
            "app.flow_control.resume()",
            "consumer.resume_flow()",
        )
    )
    assert "_resume_streams)(generation_id=generation_id)" in inspect.getsource(Recovery._restart_recovery.fun)
    source = inspect.getsource(Recovery._restart_recovery.fun)
    assert rising([source.index("try:"), source.index("_resume_streams)"), source.index("except RebalanceAgain")])
    assert "except IllegalStateError" in source
    assert "await self.seek_to_committed()" in inspect.getsource(Consumer.perform_seek)
    assert "self._thread.seek_to_committed()" in inspect.getsource(ThreadDelegateConsumer.seek_to_committed)


class Seeking:
    """As much of aiokafka's consumer as a seek needs."""

    def __init__(self, tp: aiokafka.TopicPartition, committed: int | None) -> None:
        self._tp, self._committed = tp, committed
        self._subscription = SimpleNamespace(subscription=SimpleNamespace(assignment=object()))
        self.positions: dict[aiokafka.TopicPartition, int] = {}
        self.rebalanced = False

    def assignment(self) -> set[aiokafka.TopicPartition]:
        return {self._tp}

    async def committed(self, tp: aiokafka.TopicPartition) -> int | None:
        if self.rebalanced:
            self._subscription.subscription.assignment = object()
        return self._committed

    async def beginning_offsets(self, partitions: list[aiokafka.TopicPartition]) -> dict[Any, int]:
        return dict.fromkeys(partitions, 4)

    def seek(self, tp: aiokafka.TopicPartition, offset: int) -> None:
        self.positions[tp] = offset


@pytest.mark.parametrize(("committed", "position"), [(17, 17), (0, 0), (None, 4)])
async def test_a_seek_goes_to_the_committed_offset_or_the_beginning(
    app: BatchApp, tp: TP, committed: int | None, position: int
) -> None:
    thread = app.consumer._thread
    thread._consumer = consumer = Seeking(aiokafka.TopicPartition(*tp), committed)
    thread.handed_out[tp] = 99
    assert await thread._seek_to_committed() == {tp: position}
    assert consumer.positions == {aiokafka.TopicPartition(*tp): position}
    assert (thread.epoch, thread.handed_out) == (1, {})
    thread._consumer = None


async def test_a_seek_overtaken_by_a_rebalance_does_nothing(app: BatchApp, tp: TP) -> None:
    thread = app.consumer._thread
    thread._consumer = consumer = Seeking(aiokafka.TopicPartition(*tp), 17)
    consumer.rebalanced = True
    with pytest.raises(IllegalStateError):
        await thread._seek_to_committed()
    assert (thread.epoch, consumer.positions) == (0, {})
    thread._consumer = None


def test_revocation_stops_the_flow_and_empties_the_queues_before_we_are_told() -> None:
    assert rising(
        order_of(
            App._on_partitions_revoked,
            "T(consumer.stop_flow)()",
            "T(self.flow_control.clear)()",
            "await T(self.on_partitions_revoked.send)(revoked)",
        )
    )


async def test_faust_commits_nothing(app: BatchApp, tp: TP) -> None:
    app.topics.add(app.topic("clicks", acks=False, schema=WholePolls()))
    await app.topics._update_indices()
    assert not app.topics.acks_enabled_for("clicks")
    message = ConsumerMessage("clicks", 2, 9, 0.0, 0, (), None, b"", None, tp=tp)
    app.consumer.ack(message)
    assert list(app.consumer._filter_tps_with_pending_acks()) == []
    assert not app.conf.stream_wait_empty
