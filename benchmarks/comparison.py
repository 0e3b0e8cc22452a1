"""The same work for several systems, in one run on one broker: `parse`, `stateful`, and our `recovery`."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from statistics import median
from typing import Any, NamedTuple

from benchmarks.clicks import clicks, fill, make_topics, rows
from benchmarks.job import Job
from benchmarks.machine import Cores, load
from benchmarks.quix_environment import Environment

Row = dict[str, Any]

PARTITIONS = 4
_PATIENCE_SECONDS = 180
_CLICKS, _ROWS = "bench-clicks", "bench-rows"
_OURS = "exactly once"
_THEIRS = "at least once"


@dataclass(frozen=True)
class Contest:
    """One row: who does what, on how many events.

    Attributes
    ----------
    system, workload, store
        As in the row.
    program
        Module in `benchmarks.systems`.
    guarantee
        What is promised about an event when the process is killed.
    """

    system: str
    workload: str
    store: str
    program: str
    guarantee: str


CONTESTS = (
    Contest("aiokafka", "parse", "memory", "bare_aiokafka", _THEIRS),
    Contest("streamproc", "parse", "memory", "streamproc", _OURS),
    Contest("faust", "parse", "memory", "faust", _THEIRS),
    Contest("quix", "parse", "memory", "quix", _THEIRS),
    Contest("aiokafka", "stateful", "memory", "bare_aiokafka", _THEIRS),
    Contest("streamproc", "stateful", "memory", "streamproc", _OURS),
    Contest("faust", "stateful", "memory", "faust", _THEIRS),
    Contest("quix", "stateful", "rocksdb", "quix", _THEIRS),
    Contest("streamproc-rocksdb", "stateful", "rocksdb", "streamproc", _OURS),
    Contest("streamproc", "recovery", "memory", "streamproc", _OURS),
    Contest("streamproc-rocksdb", "recovery", "rocksdb", "streamproc", _OURS),
    Contest("faust-rocksdb", "stateful", "rocksdb", "faust", _THEIRS),
)
_WARM_UP = Contest("warm-up", "stateful", "memory", "streamproc", _OURS)
KAFKA_STREAMS = (
    Contest("kafka-streams", "parse", "memory", "kafka_streams", _OURS),
    Contest("kafka-streams", "stateful", "memory", "kafka_streams", _OURS),
    Contest("kafka-streams-rocksdb", "stateful", "rocksdb", "kafka_streams", _OURS),
)


class Plan(NamedTuple):
    """How much: turns of each contest, seconds of a turn, clicks in the topic, rows in a changelog; what to compare."""

    repeats: int
    seconds: float
    records: int
    rows: int
    contests: tuple[Contest, ...] = CONTESTS


def compare(bootstrap: str, cores: Cores, quix: Environment, plan: Plan) -> list[Row]:
    """Return a row for each contest, medians of turns taken round robin.

    Parameters
    ----------
    quix
        Where Quix Streams is.
    """
    make_topics(bootstrap, PARTITIONS, _CLICKS, _ROWS)
    fill(bootstrap, _CLICKS, clicks(plan.records))
    fill(bootstrap, _ROWS, rows(plan.rows))
    # The broker's JVM compiles what it meets, transactions above all: whoever comes first would pay for the others.
    _turn(_WARM_UP, -1, bootstrap, cores, Environment(sys.executable), plan)
    turns: dict[Contest, list[Row]] = {contest: [] for contest in plan.contests}
    # Round robin: what slows the machine for a minute slows one turn of each rather than all turns of one.
    for number in range(plan.repeats):
        for contest in plan.contests:
            environment = quix if contest.program == "quix" else Environment(sys.executable)
            figures = _turn(contest, number, bootstrap, cores, environment, plan)
            turns[contest].append(figures | {"load": load()})
    return [_row(contest, figures) for contest, figures in turns.items()]


def _turn(contest: Contest, turn: int, bootstrap: str, cores: Cores, environment: Environment, plan: Plan) -> Row:
    if environment.problem:
        return {"problem": environment.problem}
    name = f"bench-{contest.system}-{contest.workload}-{turn}"
    make_topics(bootstrap, PARTITIONS, f"{name}-output")
    make_topics(bootstrap, PARTITIONS, f"{name}-changelog", compact=True)
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        job = Job(
            contest.workload,
            contest.store,
            bootstrap,
            name,
            _CLICKS,
            f"{name}-output",
            _ROWS if contest.workload == "recovery" else f"{name}-changelog",
            PARTITIONS,
            folder,
            plan.records,
            plan.seconds,
            cores.of(0),
        )
        return run_system(contest.program, job, environment.python)


def run_system(program: str, job: Job, python: str) -> Row:
    """Run one system's program to its end and return what it reports, or one line of what went wrong."""
    command = [python, "-W", "ignore", "-m", f"benchmarks.systems.{program}", job.to_json()]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_PATIENCE_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return {"problem": f"not done after {_PATIENCE_SECONDS} s"}
    try:
        figures: Row = json.loads(done.stdout.splitlines()[-1])
    except (IndexError, ValueError):
        last = done.stderr.strip().splitlines() or ["it said nothing"]
        return {"problem": f"exit code {done.returncode}: {last[-1][:200]}"}
    return figures


def _row(contest: Contest, turns: list[Row]) -> Row:
    row: Row = {
        "system": contest.system,
        "workload": contest.workload,
        "events_per_second": None,
        "cpu_seconds_per_1k": None,
        "rss_mb": None,
        "store": contest.store,
        "guarantee": contest.guarantee,
    }
    if problems := [turn["problem"] for turn in turns if "problem" in turn]:
        return row | {"problem": problems[0]}
    return row | {figure: median(turn[figure] for turn in turns) for figure in turns[0]}
