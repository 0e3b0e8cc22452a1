"""What a system is asked to do, and how it measures itself. Only the standard library: rivals run it in their own
environment."""

from __future__ import annotations

import json
import os
import re
import sys
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

_WARM_SECONDS = 1.0


@dataclass(frozen=True)
class Job:
    """Work for one process, on records that lie ready in a topic.

    Attributes
    ----------
    workload
        ``parse``: consume and decode. ``stateful``: read the user's state, write it with its changelog, send one
        output for each event. ``recovery``: read a changelog into the store.
    store
        ``memory`` or ``rocksdb``, where a system offers both.
    bootstrap, group, topic, output, changelog
        Names on the broker.
    partitions
        Of each of these topics.
    folder
        For local state.
    events
        How many lie there.
    seconds
        The measurement ends after so long, or with the last event. The first second, or tenth of the events, before it
        is for warming up.
    core
        The core to run on; negative: any.
    """

    workload: str
    store: str
    bootstrap: str
    group: str
    topic: str
    output: str
    changelog: str
    partitions: int
    folder: str
    events: int
    seconds: float
    core: int

    def to_json(self) -> str:
        """Encode it for a command line.

        >>> job = Job("parse", "memory", "127.0.0.1:9092", "g", "clicks", "out", "log", 4, "/tmp", 100, 5.0, -1)
        >>> Job(**json.loads(job.to_json())) == job
        True
        """
        return json.dumps(asdict(self))


def read_job() -> Job:
    """Take the job from the command line, and the core that it names."""
    job = Job(**json.loads(sys.argv[1]))
    use_core(job.core)
    return job


def use_core(core: int) -> None:
    """Keep this process, and what it starts from now on, on one core; a negative number changes nothing."""
    if core >= 0:
        os.sched_setaffinity(0, {core})


class Meter:
    """Counts events and holds the clocks."""

    def __init__(self, job: Job) -> None:
        self._events, self._seconds = job.events, job.seconds
        self._seen, self._first = 0, 0
        self._warming, self._began, self._cpu_began = 0.0, 0.0, 0.0

    def add(self, count: int) -> bool:
        """Count events that are done; tell whether it was enough."""
        now = time.perf_counter()
        self._seen += count
        self._warming = self._warming or now
        if self._began:
            return self._seen >= self._events or now - self._began >= self._seconds
        if self._seen >= self._events / 10 or now - self._warming >= _WARM_SECONDS:
            self.start()
        return False

    def start(self) -> None:
        """Start the clocks now."""
        self._first = self._seen
        self._began, self._cpu_began = time.perf_counter(), time.process_time()

    def report(self) -> None:
        """Print the figures as the last line: everything that was counted is delivered by now."""
        seconds, cpu = time.perf_counter() - self._began, time.process_time() - self._cpu_began
        events = self._seen - self._first
        figures = {
            "events": events,
            "events_per_second": events / seconds,
            "cpu_seconds_per_1k": 1000 * cpu / events,
            "rss_mb": peak_mb(),
        }
        # Faust turns `sys.stdout` into a log.
        print(json.dumps(figures), file=sys.__stdout__, flush=True)


def peak_mb() -> float:
    """Return the most memory that this process has had."""
    # Not `getrusage`: it begins with what the parent had at the fork.
    found = re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())
    return int(found[1]) / 1024 if found else 0.0


def updated(state: dict[str, float] | None, events: Iterable[dict[str, float]]) -> dict[str, float]:
    """Return a user's state after some events: the work of `stateful`, the same for every system.

    >>> updated({"count": 2, "spent": 10.0}, [{"price": 2.5}])
    {'count': 3, 'spent': 12.5}
    """
    count, spent = (state["count"], state["spent"]) if state else (0, 0.0)
    for event in events:
        count, spent = count + 1, spent + event["price"]
    return {"count": count, "spent": spent}
