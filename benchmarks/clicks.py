"""The records of `parse` and `stateful`: JSON clicks of 183 bytes, the same each time, laid ready in a topic."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator

import orjson
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

USERS = 10_000
_SEED = 7
_START_MS = 1_735_689_600_000


def clicks(count: int, users: int = USERS) -> Iterator[tuple[bytes, bytes]]:
    """Yield keys and values.

    >>> key, value = next(clicks(1))
    >>> len(value), key.decode() == orjson.loads(value)["user_id"]
    (183, True)
    """
    rng = random.Random(_SEED)
    for number in range(count):
        user = f"user-{rng.randrange(users):07d}"
        event = {
            "schema_version": "1.0",
            "user_id": user,
            "item_id": f"item-{rng.randrange(100_000):07d}",
            "timestamp_ms": _START_MS + number,
            "event_type": "click",
            "category": f"cat-{rng.randrange(100):03d}",
            "price": rng.randrange(10, 100) + 0.25,
            "event_id": f"{number:010d}",
        }
        yield user.encode(), orjson.dumps(event)


def rows(count: int) -> Iterator[tuple[bytes, bytes]]:
    """Yield rows of a state table as its changelog holds them: 500 bytes, each user once.

    >>> [(len(key), len(value)) for key, value in rows(2)]
    [(12, 500), (12, 500)]
    """
    rng = random.Random(_SEED)
    for user in range(count):
        yield f"user-{user:07d}".encode(), rng.randbytes(500)


def make_topics(bootstrap: str, partitions: int, *names: str, compact: bool = False) -> None:
    """Create topics and wait until they are there."""
    config = {"cleanup.policy": "compact"} if compact else {}
    client = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
    for future in client.create_topics([NewTopic(name, partitions, 1, config=config) for name in names]).values():
        future.result()


def fill(bootstrap: str, topic: str, records: Iterable[tuple[bytes, bytes]]) -> None:
    """Write keys and values to a topic.

    Raises
    ------
    RuntimeError
        If the broker does not take them all.
    """
    producer = Producer(
        {
            "bootstrap.servers": bootstrap,
            "log_level": 0,
            "linger.ms": 5,
            "partitioner": "murmur2_random",
            "enable.idempotence": True,
            "queue.buffering.max.messages": 1_000_000,
        }
    )
    for key, value in records:
        producer.produce(topic, value, key)
        producer.poll(0)
    if left := producer.flush(60):
        raise RuntimeError(f"{left} records were not acknowledged")
