"""Broadcast topics: every worker reads every partition, without a group, read committed, from the start."""

from collections.abc import Awaitable, Callable, Mapping, Sequence

from aiokafka import AIOKafkaConsumer
from aiokafka.structs import TopicPartition

from streamproc.connection import aiokafka_options
from streamproc.engine.changelog import partitions_of
from streamproc.engine.fetching import read_input_records
from streamproc.engine.records import InputRecord
from streamproc.settings import Settings

_POLL_RECORDS = 5_000


class Broadcast:
    """Reader of all partitions of some topics; an async context manager.

    Parameters
    ----------
    settings
        How to reach the brokers.
    topics
        Their names as they are on the brokers.

    Notes
    -----
    Records of one partition come in order; between partitions there is none. Compacted topics may hold several records
    of a key: the last one counts.
    """

    def __init__(self, settings: Settings, topics: Sequence[str]) -> None:
        self._topics = list(topics)
        self._consumer = AIOKafkaConsumer(
            **aiokafka_options(settings),
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
            max_poll_records=_POLL_RECORDS,
            fetch_max_wait_ms=100,
        )
        self._partitions: list[TopicPartition] = []

    async def start(self) -> None:
        """Connect and take all partitions.

        Raises
        ------
        EngineError
            If a topic does not exist.
        """
        await self._consumer.start()
        read_input_records(self._consumer)
        for topic in self._topics:
            known = await partitions_of(self._consumer, topic)
            self._partitions += [TopicPartition(topic, partition) for partition in sorted(known)]
        self._consumer.assign(self._partitions)

    async def holds(self, positions: Mapping[tuple[str, int], int]) -> bool:
        """Whether each of these offsets, by topic and partition, lies within its log: not in a topic made anew."""
        wanted = self._those_in(positions)
        first, end = await self._consumer.beginning_offsets(wanted), await self._consumer.end_offsets(wanted)
        return all(first[tp] <= offset <= end[tp] for tp, offset in wanted.items())

    def seek(self, positions: Mapping[tuple[str, int], int]) -> None:
        """Read on from these offsets; partitions that are not among them stay where they are."""
        for tp, offset in self._those_in(positions).items():
            self._consumer.seek(tp, offset)

    def _those_in(self, positions: Mapping[tuple[str, int], int]) -> dict[TopicPartition, int]:
        return {
            tp: positions[tp.topic, tp.partition] for tp in self._partitions if (tp.topic, tp.partition) in positions
        }

    async def positions(self) -> dict[tuple[str, int], int]:
        """Return the offset of the next record of each topic and partition."""
        return {(tp.topic, tp.partition): await self._consumer.position(tp) for tp in self._partitions}

    async def stop(self) -> None:
        """Disconnect."""
        await self._consumer.stop()

    async def __aenter__(self) -> "Broadcast":
        """Connect."""
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Disconnect."""
        await self.stop()

    async def catch_up(
        self, deliver: Callable[[list[InputRecord]], Awaitable[object]] | None = None
    ) -> list[InputRecord]:
        """Read from where the reader stands up to the end of the topics at the time of the call.

        Parameters
        ----------
        deliver
            Awaited with each poll as it comes; without it everything is returned at the end.
        """
        end = await self._consumer.end_offsets(self._partitions)
        kept: list[InputRecord] = []
        while [tp for tp in self._partitions if await self._consumer.position(tp) < end[tp]]:
            records = await self.poll(timeout_seconds=0.5)
            if deliver is None:
                kept += records
            else:
                await deliver(records)
        return kept

    async def poll(self, timeout_seconds: float = 0.0) -> list[InputRecord]:
        """Return what has arrived; wait up to `timeout_seconds` if nothing has."""
        fetched = await self._consumer.getmany(timeout_ms=int(timeout_seconds * 1000))
        return [record for records in fetched.values() for record in records]

    async def lag(self) -> dict[tuple[str, int], int]:
        """Return the number of records not read yet, by topic and partition (transaction markers count)."""
        end = await self._consumer.end_offsets(self._partitions)
        return {(tp.topic, tp.partition): end[tp] - await self._consumer.position(tp) for tp in self._partitions}
