"""The whole job: a worker process on a real Kafka, exactly once, from events on the topics to recommendations."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import orjson
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition

from benchmarks import latency
from benchmarks.machine import Cores, Usage, usage
from benchmarks.served import served_mrr
from benchmarks.shop import Source, history, message
from streamproc import topics
from streamproc.demo.children import environment
from streamproc.files import FileEvent
from streamproc.settings import Settings

Row = dict[str, Any]

_EVENT_TOPICS = ("clicks", "purchases")
_PATIENCE_SECONDS = 600.0
_PROBE_EVENTS = 1_000  # tell how many events fill the time of a measurement
_LONE_EVENTS = 500  # of a hundred, the 99th percentile would be the worst
# A JVM broker compiles for a minute what transactions use; a lone core of it is busy with that, and everything waits.
_WARM_SECONDS, _WARM_SHARE = 60.0, 0.15
_SERVED_EVENTS, _SERVED_PER_SECOND = 6_000, 100.0  # a second; one worker on a small machine does more


class Bench:
    """An application on the broker, its workers, and a stream that is sent piece by piece.

    Parameters
    ----------
    known
        Events that item knowledge holds when the workers start.
    """

    def __init__(self, bootstrap: str, name: str, cores: Cores, shop: Source, known: int, folder: Path) -> None:
        self.settings = Settings(
            bootstrap_servers=bootstrap, application_id=name, topic_prefix=f"{name}.", data_dir=folder
        )
        topics.create(self.settings)
        self._cores = cores
        self._stream = shop.events()
        self._producer = Producer(
            {
                "bootstrap.servers": bootstrap,
                "log_level": 0,
                "linger.ms": 5,
                "partitioner": "murmur2_random",
                "queue.buffering.max.messages": 1_000_000,
            }
        )
        self._sent = 0
        for key, value in shop.catalogue():
            self._produce("items", key, value, None)
        for value in history(self._stream, known):
            self._producer.produce(self.settings.topic("item-stats"), value, partition=0)
        self._flush()

    @contextlib.contextmanager
    def workers(self, count: int) -> Iterator[list[subprocess.Popen[bytes]]]:
        """Run workers, each on a core of its own as far as there are any."""
        with self._running([("worker", self._cores.of(number)) for number in range(count)]) as running:
            yield running

    @contextlib.contextmanager
    def trainer(self) -> Iterator[list[subprocess.Popen[bytes]]]:
        """Run a trainer, beside the broker."""
        with self._running([("trainer", self._cores.broker)]) as running:
            yield running

    @contextlib.contextmanager
    def _running(self, commands: Sequence[tuple[str, int]]) -> Iterator[list[subprocess.Popen[bytes]]]:
        """Run commands, each on a core."""
        changes = {"worker_http_port": 0, "trainer_http_port": 0, "log_level": "WARNING"}
        environ = environment(self.settings.model_copy(update=changes))
        on_core = [sys.executable, "-m", "benchmarks.on_core"]
        running: list[subprocess.Popen[bytes]] = []
        try:
            for command, core in commands:
                running.append(subprocess.Popen([*on_core, str(core), command], env=environ))
            yield running
        finally:
            for process in running:
                process.terminate()
            for process in running:
                process.wait()

    def take(self, count: int) -> list[FileEvent]:
        """Take the next events off the stream."""
        return list(islice(self._stream, count))

    def send(self, events: Sequence[FileEvent]) -> None:
        """Send events as fast as the broker takes them."""
        for event in events:
            topic, key, value, timestamp_ms = message(event)
            self._produce(topic, key, value, timestamp_ms)
        self._sent += len(events)
        self._flush()

    def note_sent(self, count: int) -> None:
        """Somebody else has sent so many events."""
        self._sent += count

    def drain(self, workers: Sequence[subprocess.Popen[bytes]]) -> None:
        """Return when the group's committed offsets on the event topics add up to what was sent.

        Raises
        ------
        RuntimeError
            If a worker ends, or they do not commit everything in time.
        """
        # A consumer that never joins: librdkafka's admin client crashes when asked for a group that is being set up.
        group = Consumer(
            {
                "bootstrap.servers": self.settings.bootstrap_servers,
                "group.id": self.settings.application_id,
                "log_level": 0,
            }
        )
        names = [self.settings.topic(role) for role in _EVENT_TOPICS]
        asked = [TopicPartition(name, partition) for name in names for partition in range(self.settings.partitions)]
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while time.monotonic() < deadline:
            # These topics are written without transactions, whose markers take offsets: so here offsets count events.
            with contextlib.suppress(KafkaException):
                if sum(max(0, each.offset) for each in group.committed(asked, timeout=5.0)) >= self._sent:
                    group.close()
                    return
            for worker in workers:
                if worker.poll() is not None:
                    raise RuntimeError(f"a worker ended with exit code {worker.returncode}")
            time.sleep(0.02)
        raise RuntimeError(f"not all events were committed within {_PATIENCE_SECONDS:.0f} s")

    def dialogue(self) -> latency.Dialogue:
        """Return where recommendations come."""
        settings = self.settings
        return latency.Dialogue(
            settings.bootstrap_servers,
            settings.topic("recommendations"),
            settings.partitions,
            lambda value: int(orjson.loads(value)["timestamp_ms"]),
        )

    def as_sent(self, events: Sequence[FileEvent]) -> list[latency.Sent]:
        """Return events as the latency measurement sends them."""
        sent = []
        for event in events:
            topic, key, value, timestamp_ms = message(event)
            sent.append(latency.Sent(self.settings.topic(topic), key, value, timestamp_ms))
        return sent

    def _produce(self, topic: str, key: bytes, value: bytes, timestamp_ms: int | None) -> None:
        more = {} if timestamp_ms is None else {"timestamp": timestamp_ms}
        self._producer.produce(self.settings.topic(topic), value, key, **more)
        self._producer.poll(0)

    def _flush(self) -> None:
        if left := self._producer.flush(60):
            raise RuntimeError(f"{left} records were not acknowledged")


def throughput(
    bench: Bench, workers: Sequence[subprocess.Popen[bytes]], seconds: float, events: int | None = None
) -> Row:
    """Send as many events at once as take about `seconds`, or `events`, and return a row when all are committed."""
    bench.send(bench.take(_PROBE_EVENTS))
    bench.drain(workers)  # compiled, caught up, tables grown
    began = time.perf_counter()
    bench.send(bench.take(_PROBE_EVENTS))
    bench.drain(workers)
    filling = max(_PROBE_EVENTS, int(seconds * _PROBE_EVENTS / (time.perf_counter() - began)))
    backlog = bench.take(events or filling)
    before, began = usage(workers), time.perf_counter()
    bench.send(backlog)
    bench.drain(workers)
    return _row("recommend", len(backlog), time.perf_counter() - began, before, usage(workers))


def quality(bench: Bench, workers: Sequence[subprocess.Popen[bytes]]) -> dict[str, float]:
    """Return what the lists were worth at a rate that does not overload one worker.

    To be called before `throughput`, after which the stream stands elsewhere for another number of workers.
    """
    bench.send(bench.take(_PROBE_EVENTS))
    bench.drain(workers)
    sent = bench.as_sent(bench.take(_SERVED_EVENTS))
    mrr = served_mrr(latency.converse(bench.dialogue(), sent, _SERVED_PER_SECOND))
    bench.note_sent(len(sent))
    bench.drain(workers)
    return {"served_mrr": mrr}


def latencies(bench: Bench, workers: Sequence[subprocess.Popen[bytes]], capacity: float, seconds: float) -> list[Row]:
    """Return rows for a lone event, and at half and four fifths of the capacity (events per second).

    The broker is warmed up before, with the same work at a moderate rate.
    """
    warming = bench.as_sent(bench.take(int(capacity * _WARM_SHARE * _WARM_SECONDS)))
    latency.converse(bench.dialogue(), warming, capacity * _WARM_SHARE)
    bench.note_sent(len(warming))
    bench.drain(workers)
    rows = []
    for workload, share in (("recommend-lone", 0.0), ("recommend-load-50", 0.5), ("recommend-load-80", 0.8)):
        events = bench.take(int(capacity * share * seconds) if share else _LONE_EVENTS)
        sent = bench.as_sent(events)
        before, began = usage(workers), time.perf_counter()
        if share:
            found = latency.under_load(bench.dialogue(), sent, capacity * share)
        else:
            found = latency.lone(bench.dialogue(), sent)
        row = _row(workload, len(events), time.perf_counter() - began, before, usage(workers))
        rows.append(row | found)
        bench.note_sent(len(events))
        bench.drain(workers)
    return rows


def _row(workload: str, events: int, seconds: float, before: Usage, after: Usage) -> Row:
    return {
        "system": "streamproc",
        "workload": workload,
        "events_per_second": events / seconds,
        "cpu_seconds_per_1k": 1000 * (after.cpu_seconds - before.cpu_seconds) / events,
        "rss_mb": after.rss_mb,
        "store": "memory",
        "guarantee": "exactly once",
        "events": events,
    }
