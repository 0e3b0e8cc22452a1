"""What the engine assumes about private parts of aiokafka: decoding of fetched batches, and batches of producers."""

import asyncio
import inspect
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from itertools import islice
from types import SimpleNamespace
from typing import Any

import aiokafka
import pytest
from aiokafka.consumer.fetcher import READ_COMMITTED, Fetcher, FetchResult, PartitionRecords
from aiokafka.consumer.subscription_state import Assignment, TopicPartitionState
from aiokafka.errors import CorruptRecordException, InvalidTxnState, ProducerFenced
from aiokafka.producer import sender
from aiokafka.producer.message_accumulator import MessageAccumulator
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.record.util import calc_crc32c

from streamproc.engine import EngineError, InputRecord, Output, delivery
from streamproc.engine.fetching import read_input_records
from streamproc.engine.sending import Sender

TP = aiokafka.TopicPartition("clicks", 2)
CONTROL = 0x20  # KIP-98: isControlBatch


def batch_of(first: int, *values: bytes, producer: int = -1, control: bool = False) -> bytes:
    """A record batch; `producer` makes it transactional."""
    builder = DefaultRecordBatchBuilder(
        2, 0, is_transactional=producer >= 0, producer_id=producer, producer_epoch=0, base_sequence=0, batch_size=10_000
    )
    for number, value in enumerate(values):
        key = b"\0\0\0\0" if control else b"k"  # a control record of type 0 is an abort marker
        builder.append(number, 1_000 + first + number, key, value, [("h", b"x")] if value == b"1" else [])
    built = bytearray(builder.build())
    built[0:8] = first.to_bytes(8, "big")
    built[22] |= CONTROL if control else 0
    built[17:21] = calc_crc32c(bytes(built[21:])).to_bytes(4, "big")
    return bytes(built)


class Fetch:
    """One fetch of a partition in a consumer that reads our records."""

    def __init__(self, *batches: bytes, position: int = 0, aborted: list[tuple[int, int]] | None = None) -> None:
        self.consumer = aiokafka.AIOKafkaConsumer(isolation_level="read_committed")
        self.consumer._fetcher = Fetcher(self.consumer._client, self.consumer._subscription)
        assert isinstance(self.consumer._fetcher._records, OrderedDict)
        read_input_records(self.consumer)
        self.assignment = Assignment({TP})
        self.assignment.state_value(TP).reset_to(position)
        log = MemoryRecords(b"".join(batches))
        decoded = PartitionRecords(TP, log, aborted, position, None, None, True, READ_COMMITTED)
        fetched = FetchResult(TP, assignment=self.assignment, partition_records=decoded, backoff=0)
        self.consumer._fetcher._records[TP] = fetched
        self.result = self.consumer._fetcher._records[TP]

    @property
    def position(self) -> int:
        return self.assignment.state_value(TP)._position

    def offsets(self, limit: int | None = None) -> list[int]:
        return [record.offset for record in self.result.getall(limit)]


@pytest.fixture
async def fetch() -> AsyncIterator[Callable[..., Fetch]]:
    made: list[Fetch] = []

    def make(*batches: bytes, **more: Any) -> Fetch:
        made.append(Fetch(*batches, **more))
        return made[-1]

    yield make
    for each in made:
        await each.consumer.stop()


def test_the_fetcher_asks_results_of_this_very_type_for_all_records() -> None:
    source = inspect.getsource(Fetcher.fetched_records)
    assert "type(res_or_error) is FetchResult" in source
    assert "res_or_error.getall(max_records)" in source


async def test_batches_become_our_records(fetch: Callable[..., Fetch]) -> None:
    log = fetch(batch_of(0, b"0", b"1", b"2"))
    records = log.result.getall(10)
    assert records == [
        InputRecord("clicks", 2, 0, 1_000, b"k", b"0", ()),
        InputRecord("clicks", 2, 1, 1_001, b"k", b"1", (("h", b"x"),)),
        InputRecord("clicks", 2, 2, 1_002, b"k", b"2", ()),
    ]
    assert all(type(record) is InputRecord for record in records)
    assert log.position == 3
    assert not log.result.has_more()


async def test_a_poll_ends_within_a_batch_and_the_next_goes_on_there(fetch: Callable[..., Fetch]) -> None:
    log = fetch(batch_of(0, b"a", b"b", b"c"), batch_of(3, b"d"), batch_of(7, b"e"))
    assert (log.offsets(2), log.position) == ([0, 1], 2)
    assert (log.offsets(1), log.position) == ([2], 3)
    assert log.result.has_more()
    assert (log.offsets(10), log.position) == ([3, 7], 8)
    assert not log.result.has_more()


async def test_what_lies_before_the_position_is_left_out(fetch: Callable[..., Fetch]) -> None:
    assert fetch(batch_of(0, b"a", b"b", b"c"), position=2).offsets() == [2]


async def test_a_seek_makes_what_was_fetched_void(fetch: Callable[..., Fetch]) -> None:
    log = fetch(batch_of(0, b"a", b"b"), batch_of(2, b"c"))
    assert log.offsets(1) == [0]
    log.assignment.state_value(TP).seek(0)
    assert log.offsets() == []
    assert not log.result.has_more()


async def test_aborted_batches_and_markers_are_passed_over(fetch: Callable[..., Fetch]) -> None:
    log = fetch(
        batch_of(0, b"aborted", producer=5),
        batch_of(1, b"open", producer=6),
        batch_of(2, b"\0\0\0\0\0\0", producer=5, control=True),
        batch_of(3, b"kept", producer=5),
        batch_of(4, b"\0\0\0\0\0\0", producer=5, control=True),
        aborted=[(5, 0)],
    )
    assert log.offsets() == [1, 3]
    assert log.position == 5


async def test_a_damaged_batch_is_an_error_and_is_not_passed_over(fetch: Callable[..., Fetch]) -> None:
    damaged = bytearray(batch_of(1, b"b"))
    damaged[-2] ^= 1
    log = fetch(batch_of(0, b"a"), bytes(damaged), batch_of(2, b"c"))
    with pytest.raises(CorruptRecordException):
        log.offsets()
    assert log.position == 0
    assert log.offsets() == []
    assert not log.result.has_more()


async def test_what_aiokafka_keeps_per_partition() -> None:
    state = TopicPartitionState(None)
    assert (state.highwater, state.lso, state._position) == (None, None, None)


async def test_batches_of_a_transactional_producer_are_marked_as_such() -> None:
    producer = aiokafka.AIOKafkaProducer(bootstrap_servers="127.0.0.1:1", transactional_id="contract")
    try:
        batch = producer.create_batch()
        assert batch.append(timestamp=None, key=b"k", value=b"v", headers=[("h", b"x")]) is not None
        attributes = int.from_bytes(batch._build()[21:23], "big")
        assert attributes & 0x10  # KIP-98: isTransactional
        assert "asyncio.shield(batch.future)" in inspect.getsource(MessageAccumulator.add_batch)
    finally:
        producer._closed = True


async def test_batches_are_filled_as_aiokafka_fills_them_until_the_next_record_has_no_place() -> None:
    records = [
        Output("out", b"a", bytes(400), (("h", b"x"),), 1_000),
        Output("out", b"b", None, (), 999),
        Output("out", None, bytes(5_000), (), 1_001),  # larger than a batch: one of its own
        Output("out", b"c", bytes(400), (), 1_002),
        Output("out", b"d", bytes(400), (), 1_003),
        Output("out", b"e", bytes(400), (), 1_004),
    ]
    accumulator = MessageAccumulator(None, 1_000, 0, 1.0)
    ours = Sender({"bootstrap_servers": "127.0.0.1:1"})
    ours.producer._closed = True
    ours.producer.create_batch = accumulator.create_builder
    filled = list(ours._fill(records))
    assert [batch.record_count() for batch in filled] == [2, 1, 2, 1]
    waiting = iter(records)
    for batch in filled:
        theirs = accumulator.create_builder()
        for _, key, value, headers, timestamp_ms, _ in islice(waiting, batch.record_count()):
            assert theirs.append(timestamp=timestamp_ms, key=key, value=value, headers=[*headers]) is not None
        assert batch._build() == theirs._build()
        assert batch.record_count() == theirs.record_count()


async def test_an_output_to_the_changelog_takes_no_row_away(exactly_once: delivery.ExactlyOnce) -> None:
    sent: list[int] = []
    send_batch = exactly_once._sender.producer.send_batch

    async def noted(batch: Any, topic: str, *, partition: int) -> asyncio.Future[Any]:
        sent.append(batch.record_count())
        answer: asyncio.Future[Any] = await send_batch(batch, topic, partition=partition)
        return answer

    exactly_once._sender.producer.send_batch = noted
    outputs = [Output("changelog", b"k", b"by hand", partition=2)]
    await exactly_once.send(aiokafka.TopicPartition("changelog", 2), {b"k": b"row", b"l": b"row"}, outputs)
    assert sent == [2, 1]


def test_a_transaction_soon_after_another_is_begun_as_soon_as_we_say() -> None:
    assert delivery.sender is sender
    assert sender.BACKOFF_OVERRIDE < 0.02
    producer = SimpleNamespace(_txn_manager=SimpleNamespace(txn_partitions=set()), _retry_backoff=0.1)
    handler = sender.AddPartitionsToTxnHandler(producer, [])
    concurrent_transactions = 51
    answer = SimpleNamespace(errors=[("clicks", [(0, concurrent_transactions)])])
    assert handler.handle_response(answer) == sender.BACKOFF_OVERRIDE


@pytest.fixture
async def exactly_once(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[delivery.ExactlyOnce]:
    """Of partition 2, on a producer whose requests all succeed, to topics of four partitions."""
    made = delivery.ExactlyOnce({"bootstrap_servers": "127.0.0.1:1"}, "shop", 2)
    producer = made._sender.producer
    manager = producer._txn_manager
    manager.set_pid_and_epoch(7, 0)

    async def partitions_for(topic: str) -> set[int]:
        return {0, 1, 2, 3}

    async def send_batch(batch: Any, topic: str, *, partition: int) -> asyncio.Future[Any]:
        assert manager.is_in_transaction()
        manager.maybe_add_partition_to_txn(aiokafka.TopicPartition(topic, partition))
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        answer.set_result(SimpleNamespace(offset=10))
        return answer

    async def send_offsets(offsets: Any, group_id: str) -> None:
        assert manager.is_in_transaction()

    async def commit_transaction() -> None:
        manager.committing_transaction()
        for place in set(manager.partitions_to_add()):
            manager.partition_added(place)
        manager.complete_transaction()

    for name, replaced in (
        ("partitions_for", partitions_for),
        ("send_batch", send_batch),
        ("send_offsets_to_transaction", send_offsets),
        ("commit_transaction", commit_transaction),
    ):
        assert hasattr(producer, name)
        monkeypatch.setattr(producer, name, replaced)
    yield made
    producer._closed = True


async def test_a_transaction_is_begun_with_the_partitions_of_the_one_before(
    exactly_once: delivery.ExactlyOnce,
) -> None:
    to_add = exactly_once._transactions.partitions_to_add
    changelog = aiokafka.TopicPartition("changelog", 2)
    await exactly_once.prepare()
    assert to_add() == set()
    for output in (Output("out", None, b"1"), Output("stats", b"k", b"2", partition=5)):
        assert await exactly_once.send(changelog, {b"k": b"row"}, [output]) == 11
    places = {changelog, ("out", 2), ("stats", 1)}
    assert to_add() == places
    await exactly_once.commit({})
    await exactly_once.prepare()
    await exactly_once.prepare()
    assert to_add() == places
    await exactly_once.commit({})  # nothing was sent
    await exactly_once.prepare()
    assert to_add() == set()
    assert ".maybe_add_partition_to_txn(tp)" in inspect.getsource(MessageAccumulator)


@pytest.mark.parametrize(
    ("failure", "said"), [(ProducerFenced(), "fenced: another worker"), (InvalidTxnState(), "is lost")]
)
async def test_a_request_that_failed_while_a_batch_was_processed_is_told_as_what_it_is(
    exactly_once: delivery.ExactlyOnce, failure: Exception, said: str
) -> None:
    await exactly_once.prepare()
    exactly_once._transactions.fatal_error(failure)
    with pytest.raises(EngineError, match=said) as raised:
        await exactly_once.send(aiokafka.TopicPartition("changelog", 2), {b"k": b"row"}, [])
    assert raised.value.__cause__ is not None
