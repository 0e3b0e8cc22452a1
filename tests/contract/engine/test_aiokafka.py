"""What the engine assumes about private parts of aiokafka: decoding of fetched batches, and batches of producers."""

import inspect
from collections import OrderedDict

import aiokafka
from aiokafka.consumer.fetcher import Fetcher, FetchResult, PartitionRecords
from aiokafka.consumer.subscription_state import Assignment, TopicPartitionState
from aiokafka.producer.message_accumulator import MessageAccumulator
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords

from streamproc.engine import InputRecord
from streamproc.engine.fetching import read_input_records


def log_of(*values: bytes) -> MemoryRecords:
    builder = DefaultRecordBatchBuilder(
        2, 0, is_transactional=0, producer_id=-1, producer_epoch=-1, base_sequence=0, batch_size=10_000
    )
    for offset, value in enumerate(values):
        builder.append(offset, 1_000 + offset, b"k", value, [("h", b"x")] if value == b"1" else [])
    return MemoryRecords(bytes(builder.build()))


async def test_aiokafka_decodes_lazily_and_through_the_hook_that_makes_our_records() -> None:
    tp = aiokafka.TopicPartition("clicks", 2)
    consumer = aiokafka.AIOKafkaConsumer()
    consumer._fetcher = Fetcher(consumer._client, consumer._subscription)
    try:
        assert isinstance(consumer._fetcher._records, OrderedDict)
        read_input_records(consumer)
        assignment = Assignment({tp})
        assignment.state_value(tp).reset_to(0)
        decoded = PartitionRecords(tp, log_of(b"0", b"1", b"2"), [], 0, None, None, True, 1)
        consumer._fetcher._records[tp] = FetchResult(tp, assignment=assignment, partition_records=decoded, backoff=0)
        records = consumer._fetcher._records[tp].getall(10)
        assert records == [
            InputRecord("clicks", 2, 0, 1_000, b"k", b"0", ()),
            InputRecord("clicks", 2, 1, 1_001, b"k", b"1", (("h", b"x"),)),
            InputRecord("clicks", 2, 2, 1_002, b"k", b"2", ()),
        ]
        assert all(type(record) is InputRecord for record in records)
        assert assignment.state_value(tp)._position == 3
    finally:
        await consumer.stop()


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


async def test_a_record_larger_than_a_batch_is_a_batch_of_its_own() -> None:
    builder = MessageAccumulator(None, 1_000, 0, 1.0).create_builder()
    assert builder.append(timestamp=None, key=None, value=bytes(5_000), headers=[]) is not None
    assert builder.append(timestamp=None, key=None, value=bytes(10), headers=[]) is None
