"""Guards of the benchmarks: against work for each single message, and against work that is not the same for all.

CPU times within one run are compared, never with a clock.
"""

from __future__ import annotations

import sys
import time
import uuid
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import orjson
import pytest
from confluent_kafka import Consumer, Message, TopicPartition

from benchmarks.clicks import clicks, fill, make_topics
from benchmarks.comparison import PARTITIONS, run_system
from benchmarks.job import Job
from streamproc.brokers.kafka import KafkaBroker

pytestmark = [pytest.mark.kafka, pytest.mark.slow]

EVENTS = 60_000
Cost = Callable[[str, str], float]


@pytest.fixture
def prefix(kafka_broker: KafkaBroker) -> str:
    """Return the name of a topic that holds the clicks."""
    prefix = f"speed-{uuid.uuid4().hex[:8]}"
    make_topics(kafka_broker.bootstrap_servers, PARTITIONS, prefix)
    fill(kafka_broker.bootstrap_servers, prefix, clicks(EVENTS))
    return prefix


@pytest.fixture
def cost(kafka_broker: KafkaBroker, prefix: str, tmp_path: Path) -> Cost:
    """Return a function of system and workload: CPU seconds per 1,000 events, of a process of its own."""
    bootstrap = kafka_broker.bootstrap_servers

    def measure(system: str, workload: str) -> float:
        name = f"{prefix}-{system}-{workload}"
        output, changelog = f"{name}-output", f"{name}-changelog"
        make_topics(bootstrap, PARTITIONS, output, changelog)
        names = bootstrap, name, prefix, output, changelog
        job = Job(workload, "memory", *names, PARTITIONS, str(tmp_path), EVENTS, seconds=60.0, core=-1)
        figures = run_system(system, job, sys.executable)
        assert figures.get("problem") is None, figures
        return float(figures["cpu_seconds_per_1k"])

    return measure


def test_the_engine_costs_a_few_times_what_the_client_library_costs(cost: Cost) -> None:
    # Measured: 1 and 3. The bounds leave room for a machine whose speed changes by a factor of three in between;
    # batches of a single message showed 160 and 520.
    bare = cost("bare_aiokafka", "parse")
    assert cost("streamproc", "parse") < 10 * bare
    assert cost("streamproc", "stateful") < 30 * bare


@pytest.mark.parametrize("system", ["streamproc", "kafka_streams"])
def test_stateful_is_the_same_work_for_those_who_promise_exactly_once(
    cost: Cost, prefix: str, kafka_broker: KafkaBroker, system: str
) -> None:
    cost(system, "stateful")
    expected = Counter(key for key, _ in clicks(EVENTS))
    told = outputs(kafka_broker.bootstrap_servers, f"{prefix}-{system}-stateful-output")
    assert {user: max(counts) for user, counts in told.items()} == expected
    assert all(sorted(counts) == list(range(1, expected[user] + 1)) for user, counts in told.items())


def outputs(bootstrap: str, topic: str) -> dict[bytes, list[int]]:
    """Read the counts that were sent of each user, those that are committed."""
    reader = Consumer({"bootstrap.servers": bootstrap, "group.id": topic, "isolation.level": "read_committed"})
    places = [TopicPartition(topic, number, 0) for number in range(PARTITIONS)]
    reader.assign(places)
    messages, deadline = list[Message](), time.monotonic() + 60
    while len(messages) < EVENTS and time.monotonic() < deadline:
        messages += reader.consume(10_000, timeout=1.0)
    messages += reader.consume(10_000, timeout=1.0)  # more than there should be
    reader.close()
    found: dict[bytes, list[int]] = {}
    for message in messages:
        found.setdefault(message.key(), []).append(orjson.loads(message.value())["count"])
    return found
