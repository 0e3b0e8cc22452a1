"""Records out of aiokafka 0.14.0 as named tuples, without the object it makes for each: a third of the cost of reading.

Private parts of aiokafka are used; ``tests/contract/engine/test_faust.py`` fails loudly when they change.
"""

from collections import OrderedDict
from typing import Any

from aiokafka import AIOKafkaConsumer
from aiokafka.consumer.fetcher import FetchResult
from aiokafka.structs import TopicPartition

from streamproc.engine.records import InputRecord

_new = tuple.__new__  # half the time of calling the class, which unpacks its arguments in Python


def read_input_records(consumer: AIOKafkaConsumer) -> None:
    """Make a started consumer, before its first fetch, return :class:`InputRecord` instead of ``ConsumerRecord``."""
    # Assumption: the fetcher keeps what it has fetched in `_records` until somebody asks for it.
    consumer._fetcher._records = _Fetched()


class _Fetched(OrderedDict[TopicPartition, Any]):
    def __setitem__(self, tp: TopicPartition, fetched: Any) -> None:
        if type(fetched) is FetchResult:
            # Assumption: `PartitionRecords` decodes lazily and calls this for each record.
            fetched._partition_records._consumer_record = _input_record
        super().__setitem__(tp, fetched)


def _input_record(tp: TopicPartition, record: Any) -> InputRecord:
    topic, partition = tp
    headers = record.headers
    return _new(
        InputRecord,
        (
            topic,
            partition,
            record.offset,
            record.timestamp,
            record.key,
            record.value,
            tuple(headers) if headers else (),
        ),
    )
