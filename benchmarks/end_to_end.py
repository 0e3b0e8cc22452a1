"""A worker process on a real Kafka, exactly once: from records on the topics to committed recommendations."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition

from benchmarks.world import Message, messages
from streamproc import topics
from streamproc.brokers.kafka import KafkaBroker
from streamproc.settings import Settings

_WARM_UP = 2_000
_EVENT_TOPICS = ("clicks", "purchases")
_PATIENCE_SECONDS = 600.0


def run(events: int, users: int, items: int) -> dict[str, float]:
    """Return figures over `events` events that wait on the topics when the clock starts.

    Raises
    ------
    RuntimeError
        If the worker ends, or does not commit everything in time.
    """
    catalogue, interactions = messages(_WARM_UP + events, users, items)
    with KafkaBroker() as broker:
        settings = Settings(bootstrap_servers=broker.bootstrap_servers)
        topics.create(settings)
        _send(settings, catalogue + interactions[:_WARM_UP])
        command = [sys.executable, "-m", "streamproc", "worker", "--bootstrap-servers", settings.bootstrap_servers]
        environ = {**os.environ, "STREAMPROC_WORKER_HTTP_PORT": "0", "STREAMPROC_LOG_LEVEL": "WARNING"}
        with subprocess.Popen(command, env=environ) as worker:
            try:
                _wait_for_commits(settings, worker, _WARM_UP)
                sending = time.perf_counter()
                _send(settings, interactions[_WARM_UP:])
                sent = time.perf_counter()
                _wait_for_commits(settings, worker, _WARM_UP + events)
                done = time.perf_counter()
            finally:
                worker.terminate()
    return {
        "events": events,
        "events_per_second": events / (done - sending),
        "seconds_to_send": sent - sending,
        "seconds_to_commit_all": done - sending,
    }


def _send(settings: Settings, batch: list[Message]) -> None:
    producer = Producer({"bootstrap.servers": settings.bootstrap_servers, "linger.ms": 5})
    for message in batch:
        producer.produce(settings.topic(message.role), message.value, message.key, timestamp=message.timestamp_ms)
        producer.poll(0)
    if left := producer.flush(60):
        raise RuntimeError(f"{left} records were not acknowledged")


def _wait_for_commits(settings: Settings, worker: subprocess.Popen[bytes], events: int) -> None:
    """Return when the group's committed offsets on the event topics add up to `events`."""
    # A consumer that never joins: librdkafka's admin client crashes when asked for a group that is still being set up.
    group = Consumer({"bootstrap.servers": settings.bootstrap_servers, "group.id": settings.application_id})
    names = [settings.topic(role) for role in _EVENT_TOPICS]
    asked = [TopicPartition(name, partition) for name in names for partition in range(settings.partitions)]
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < deadline:
        # These topics are written without transactions, whose markers take offsets: so here offsets count events.
        with contextlib.suppress(KafkaException):
            if sum(max(0, each.offset) for each in group.committed(asked, timeout=5.0)) >= events:
                group.close()
                return
        if worker.poll() is not None:
            raise RuntimeError(f"the worker ended with exit code {worker.returncode}")
        time.sleep(0.02)
    raise RuntimeError(f"not all events were committed within {_PATIENCE_SECONDS:.0f} s")
