"""Records of one partition number waiting to be processed, merged over its topics in the order of time."""

from collections import deque
from collections.abc import Callable, Iterable, Sequence

from streamproc.engine.errors import EngineError
from streamproc.engine.records import InputRecord

# A topic that should have records but delivers none for so long is no longer waited for: what is left of it may be
# aborted transactions only.
PATIENCE_SECONDS = 1.0


class Inbox:
    """One queue per topic.

    While several topics have a backlog, the record with the smallest timestamp goes first, and a topic whose queue is
    empty is waited for as long as the broker is known to hold more of it, as Kafka Streams does with
    ``max.task.idle.ms=0``. So a replay sees things in the order in which they happened.

    Parameters
    ----------
    topics
        The input topics.
    caught_up
        Tells of a topic whether the broker is known to hold no record beyond those put here.
    """

    def __init__(self, topics: Iterable[str], caught_up: Callable[[str], bool]) -> None:
        self._queues: dict[str, deque[InputRecord]] = {topic: deque() for topic in topics}
        self._next: dict[str, int] = dict.fromkeys(self._queues, 0)
        self._caught_up = caught_up
        self._waiting_since: float | None = None

    def put(self, topic: str, records: Sequence[InputRecord]) -> int:
        """Add a poll of a topic and return how many of its records wait.

        Raises
        ------
        EngineError
            If the poll goes back in the log: processing it would repeat what is done.
        """
        if records[0].offset < self._next[topic]:
            raise EngineError(
                f"{topic}-{records[0].partition} went back from offset {self._next[topic]} to {records[0].offset}: "
                "its log was truncated or made anew"
            )
        queue = self._queues[topic]
        queue.extend(records)
        self._next[topic] = records[-1].offset + 1
        return len(queue)

    def received(self, topic: str) -> int:
        """Return the offset after the last record put here, 0 before the first."""
        return self._next[topic]

    def waiting(self, topic: str) -> int:
        """Return how many records of a topic wait."""
        return len(self._queues[topic])

    def __len__(self) -> int:
        return sum(map(len, self._queues.values()))

    def ready(self, now: float) -> bool:
        """Tell whether a batch may be taken, at monotonic time `now` in seconds."""
        queues = self._queues
        if not any(queues.values()):
            return False
        if all(queue or self._caught_up(topic) for topic, queue in queues.items()):
            self._waiting_since = None
            return True
        if self._waiting_since is None:
            self._waiting_since = now
        return now - self._waiting_since >= PATIENCE_SECONDS

    def take(self, limit: int) -> list[InputRecord]:
        """Remove and return up to `limit` records in the order of time; call it when `ready`."""
        filled = {topic: queue for topic, queue in self._queues.items() if queue}
        batch: list[InputRecord] = []
        while filled and len(batch) < limit:
            if len(filled) == 1:
                (queue,) = filled.values()
                batch += [queue.popleft() for _ in range(min(limit - len(batch), len(queue)))]
                break
            topic = min(filled, key=lambda name: filled[name][0].timestamp_ms)
            queue = filled[topic]
            batch.append(queue.popleft())
            if not queue:
                if not self._caught_up(topic):
                    break  # its next record may be older than what the others hold
                del filled[topic]
        return batch
