"""Records out of aiokafka 0.14.0 a record batch at a time, as named tuples: half the cost of its own reading.

Aiokafka decodes in C and then makes a `ConsumerRecord` for each record in a Python generator. Here its compiled reader
is asked for whole batches. Private parts of aiokafka are used; ``tests/contract/engine`` fails loudly
when they change.
"""

import asyncio
import time
from collections import OrderedDict
from typing import Any

from aiokafka import AIOKafkaConsumer
from aiokafka.consumer.fetcher import READ_COMMITTED, FetchResult, PartitionRecords
from aiokafka.errors import CorruptRecordException
from aiokafka.structs import TopicPartition

from streamproc.engine.records import InputRecord

_SMALL_POLL = 100  # records; a poll costs a millisecond of CPU however few there are,
_REST_SECONDS = 0.025  # so after a small one the next fetch is not sent at once: a lone event does not notice

_new = tuple.__new__  # half the time of calling the class, which unpacks its arguments in Python


def read_input_records(consumer: AIOKafkaConsumer) -> None:
    """Make a started consumer, before its first fetch, return :class:`InputRecord` instead of ``ConsumerRecord``."""
    # Assumption: the fetcher keeps what it has fetched in `_records` until somebody asks for it.
    consumer._fetcher._records = _Fetched()


class Pace:
    """A rest between a small poll that left nothing on the broker and the next fetch.

    It is the fetch that rests, not the poll: a fetch sent at once would bring what is there by then, and that would
    lie in the buffer for the whole rest, while everything after it waited for the fetch behind.
    """

    def __init__(self) -> None:
        self._until = 0.0  # monotonic

    def polled(self, records: int) -> None:
        """Rest if so many records were few; no fetch may have been sent since they left the buffer."""
        if 0 < records < _SMALL_POLL:
            self._until = time.monotonic() + _REST_SECONDS

    def hold(self, consumer: AIOKafkaConsumer) -> None:
        """Let the fetches of a started consumer wait for the end of a rest."""
        # Assumption: the fetcher drops what comes back of a partition that has been sought or lost in between, and
        # awaits what it has cancelled: that brought nothing, and must not raise.
        fetch = consumer._fetcher._proc_fetch_request

        async def rested(*request: Any) -> bool:
            try:
                await asyncio.sleep(self._until - time.monotonic())
            except asyncio.CancelledError:
                return False
            fetched: bool = await fetch(*request)
            return fetched

        consumer._fetcher._proc_fetch_request = rested


class _Fetched(OrderedDict[TopicPartition, Any]):
    def __setitem__(self, tp: TopicPartition, fetched: Any) -> None:
        if type(fetched) is FetchResult:
            # Assumption: the fetcher tells results from errors by their exact type, and asks results for `getall`.
            records = _Records(fetched)
            fetched._partition_records = records
            fetched.getall = records.getall
        super().__setitem__(tp, fetched)


class _Records(PartitionRecords):
    """What one fetch brought of a partition.

    Assumption: `next_fetch_offset` is where the position goes when what was handed out is taken.
    """

    def __init__(self, fetched: FetchResult) -> None:
        self.__dict__.update(fetched._partition_records.__dict__)
        self._fetched = fetched
        self._left: list[InputRecord] = []
        self._end: int = self.next_fetch_offset

    def getall(self, max_records: int | None = None) -> list[InputRecord]:
        """Hand out up to `max_records` records and move the position behind them."""
        fetched = self._fetched
        if not fetched.has_more() or not fetched.check_assignment(self._tp):
            return []
        taken, self._left = self._left, []
        more = True
        while more and (max_records is None or len(taken) < max_records):
            more = self._read_batch(taken)
        if max_records is not None and len(taken) > max_records:
            taken, self._left = taken[:max_records], taken[max_records:]
            self.next_fetch_offset = self._left[0].offset
        else:
            self.next_fetch_offset = self._end
        fetched._update_position()
        if not more and not self._left:
            fetched._partition_records = None
        return taken

    def _read_batch(self, taken: list[InputRecord]) -> bool:
        """Append the records of the next batch; ``False`` when there is none."""
        if not self._records.has_next():
            return False
        batch = self._records.next_batch()
        if self._check_crcs and not batch.validate_crc():
            self._fetched._partition_records = None  # fetched again, from where the position stands
            raise CorruptRecordException(f"Invalid CRC - {self._tp}")
        if not self._is_to_skip(batch):
            topic, partition = self._tp
            first = self.next_fetch_offset  # a batch fetched from its middle comes whole
            taken += [
                _new(
                    InputRecord,
                    (
                        topic,
                        partition,
                        offset,
                        record.timestamp,
                        record.key,
                        record.value,
                        tuple(headers) if (headers := record.headers) else (),
                    ),
                )
                for record in batch
                if (offset := record.offset) >= first
            ]
        self._end = batch.next_offset  # also behind records that compaction removed
        return True

    def _is_to_skip(self, batch: Any) -> bool:
        # As `PartitionRecords._unpack_records` does: markers are never data, aborted batches not for us.
        if self._isolation_level == READ_COMMITTED and batch.producer_id is not None:
            self._consume_aborted_up_to(batch.base_offset)
            if batch.is_control_batch and self._contains_abort_marker(batch):
                self._aborted_producers.discard(batch.producer_id)
            if batch.is_transactional and batch.producer_id in self._aborted_producers:
                return True
        return bool(batch.is_control_batch)
