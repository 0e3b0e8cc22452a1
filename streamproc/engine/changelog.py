"""Recovery of state tables from their changelog: many partitions at once, whole polls, read committed."""

import asyncio
import time
from collections.abc import Mapping
from typing import Any

from aiokafka import AIOKafkaConsumer
from aiokafka.structs import TopicPartition

from streamproc.engine.errors import EngineError
from streamproc.engine.fetching import read_input_records
from streamproc.engine.records import RecoveryStats
from streamproc.engine.store import Store

_POLL_RECORDS = 20_000
_METADATA_SECONDS = 3.0  # a topic just created is known to the brokers by then
_FETCH_BYTES = 4 * 1024 * 1024


async def recover(consumer_options: Mapping[str, Any], topic: str, stores: Mapping[int, Store]) -> list[RecoveryStats]:
    """Bring stores up to the end of their changelog partitions.

    The end is where it stood at the call: call it when the former owner is fenced and nobody else writes.

    Parameters
    ----------
    consumer_options
        How to reach the brokers (arguments of :class:`aiokafka.AIOKafkaConsumer`).
    topic
        The changelog.
    stores
        By partition. Each is read from its own position on; one whose position is not in the log any more (the topic
        was made anew) is cleared first.

    Raises
    ------
    EngineError
        If the changelog lacks one of the partitions.
    """
    if not stores:
        return []
    began = time.monotonic()
    consumer = AIOKafkaConsumer(
        **consumer_options,
        group_id=None,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
        max_partition_fetch_bytes=_FETCH_BYTES,
    )
    await consumer.start()
    read_input_records(consumer)
    try:
        known = await partitions_of(consumer, topic)
        if missing := sorted(set(stores) - set(known)):
            raise EngineError(f"the changelog {topic!r} lacks partition {missing[0]}: it needs as many as the inputs")
        by_tp = {TopicPartition(topic, partition): store for partition, store in stores.items()}
        consumer.assign(list(by_tp))
        first = await consumer.beginning_offsets(list(by_tp))
        end = await consumer.end_offsets(list(by_tp))
        for tp, store in by_tp.items():
            if store.position is None or not first[tp] <= store.position <= end[tp]:
                store.clear()
            consumer.seek(tp, store.position or first[tp])
        return [
            RecoveryStats(tp.partition, rows, time.monotonic() - began)
            for tp, rows in (await _read(consumer, by_tp, end)).items()
        ]
    finally:
        await consumer.stop()


async def partitions_of(consumer: AIOKafkaConsumer, topic: str) -> set[int]:
    """Return the partition numbers of a topic.

    Raises
    ------
    EngineError
        If the topic does not exist.
    """
    deadline = time.monotonic() + _METADATA_SECONDS
    while True:
        # The public `partitions_for_topic` answers from a cache, which lacks topics nobody has asked for yet.
        cluster = await consumer._client.fetch_all_metadata()
        known: set[int] | None = cluster.partitions_for_topic(topic)
        if known:
            return known
        if time.monotonic() > deadline:
            raise EngineError(f"the topic {topic!r} does not exist")
        await asyncio.sleep(0.1)


async def _read(
    consumer: AIOKafkaConsumer, stores: Mapping[TopicPartition, Store], end: Mapping[TopicPartition, int]
) -> dict[TopicPartition, int]:
    rows = dict.fromkeys(stores, 0)
    behind = set(stores)
    while True:
        for tp in list(behind):
            # The position passes transaction markers, which are at the end of every committed changelog.
            position = await consumer.position(tp)
            if position >= end[tp]:
                stores[tp].write({}, position)
                consumer.pause(tp)
                behind.discard(tp)
        if not behind:
            return rows
        for tp, records in (await consumer.getmany(*behind, timeout_ms=500, max_records=_POLL_RECORDS)).items():
            stores[tp].write({record.key: record.value for record in records}, records[-1].offset + 1)
            rows[tp] += len(records)
