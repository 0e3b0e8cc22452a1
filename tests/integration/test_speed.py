"""A guard against work for each single message: CPU times within one run are compared, never with a clock."""

from __future__ import annotations

import sys
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.clicks import clicks, fill, make_topics
from benchmarks.comparison import PARTITIONS, run_system
from benchmarks.job import Job
from streamproc.brokers.kafka import KafkaBroker

pytestmark = [pytest.mark.kafka, pytest.mark.slow]

EVENTS = 60_000
Cost = Callable[[str, str], float]


@pytest.fixture
def cost(kafka_broker: KafkaBroker, tmp_path: Path) -> Cost:
    """Return a function of system and workload: CPU seconds per 1,000 events, of a process of its own."""
    prefix = f"speed-{uuid.uuid4().hex[:8]}"
    bootstrap = kafka_broker.bootstrap_servers
    make_topics(bootstrap, PARTITIONS, prefix)
    fill(bootstrap, prefix, clicks(EVENTS))

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
