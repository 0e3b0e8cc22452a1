"""What goes into a processor and comes out of it; no Kafka client in sight, so that tests need none."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

Headers = tuple[tuple[str, bytes], ...]


class InputRecord(NamedTuple):
    """A record as read from Kafka.

    A named tuple, since one is made for every event: a frozen dataclass costs four times as much to make.
    """

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: Headers = ()


class Output(NamedTuple):
    """A record to write.

    `timestamp_ms` ``None`` is the time of writing; `partition` ``None`` is chosen by the key as Kafka's default
    partitioner does (murmur2), or the number of the task's own partition when there is no key. It is taken modulo the
    number of partitions of the topic.
    """

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers = ()
    timestamp_ms: int | None = None
    partition: int | None = None


@dataclass(slots=True)
class Writes:
    """What one batch changes: rows of the state table (``None`` deletes) and records to send, in this order."""

    state: dict[bytes, bytes | None] = field(default_factory=dict)
    outputs: list[Output] = field(default_factory=list)


class StateView(Protocol):
    """The state table of one partition as the batch must see it: everything processed before, committed or not."""

    def get(self, key: bytes) -> bytes | None:
        """Return the value of a key, or ``None``."""

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """Return the values of several keys, in their order."""


class Processor(Protocol):
    """The work itself.

    `process` runs in one worker thread, one batch at a time over all partitions. It must change nothing but its own
    memory: everything else goes out through :class:`Writes`. An exception ends the worker and takes the batch back.
    """

    def process(self, partition: int, records: Sequence[InputRecord], state: StateView) -> Writes:
        """Process a batch of one partition number, all input topics merged in the order of time."""


class BatchStats(NamedTuple):
    """A batch whose writes the brokers have acknowledged. Durations in seconds."""

    partition: int
    records: int
    outputs: int
    state_rows: int
    process_seconds: float
    send_seconds: float


class CommitStats(NamedTuple):
    """A commit: `offsets` are the next to read, by topic."""

    partition: int
    offsets: dict[str, int]
    seconds: float


class RecoveryStats(NamedTuple):
    """The state table of a partition brought up to the end of its changelog."""

    partition: int
    rows: int
    seconds: float
