"""Our engine, exactly once: state, changelog, outputs and offsets of a partition in one transaction."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import orjson

from benchmarks.job import Job, Meter, read_job, updated
from streamproc.connection import aiokafka_options
from streamproc.engine import CommitStats, Engine, InputRecord, Output, StateView, Writes
from streamproc.engine.changelog import recover
from streamproc.engine.garbage import collect_patiently
from streamproc.engine.store import open_store
from streamproc.settings import Settings


class Parse:
    """Decode and nothing else."""

    def process(self, partition: int, records: Sequence[InputRecord], state: StateView) -> Writes:
        """Decode a batch."""
        for record in records:
            orjson.loads(record.value or b"")
        return Writes()


class Count:
    """One output for each event; a user's state is read once and written once in a batch."""

    def __init__(self, output: str) -> None:
        self._output = output

    def process(self, partition: int, records: Sequence[InputRecord], state: StateView) -> Writes:
        """Update the states of a batch's users."""
        keys = list({record.key or b"" for record in records})
        stored = state.get_many(keys)
        states = {key: orjson.loads(row) if row else None for key, row in zip(keys, stored, strict=True)}
        rows: dict[bytes, bytes | None] = {}
        outputs = []
        for record in records:
            key = record.key or b""
            states[key] = now = updated(states[key], [orjson.loads(record.value or b"")])
            rows[key] = value = orjson.dumps(now)
            outputs.append(Output(self._output, key, value, partition=partition))
        return Writes(rows, outputs)


async def run(job: Job) -> None:
    """Process until enough events are committed, or recover a state table, and report."""
    settings = Settings(
        bootstrap_servers=job.bootstrap,
        application_id=job.group,
        store="rocksdb" if job.store == "rocksdb" else "memory",
        data_dir=Path(job.folder),
        max_poll_records=2_000,  # as the others
    )
    if job.workload == "recovery":
        await _recover(job, settings)
    else:
        await _process(job, settings)


async def _recover(job: Job, settings: Settings) -> None:
    stores = {number: open_store(settings.store, settings.data_dir, number) for number in range(job.partitions)}
    meter = Meter(job)
    meter.start()
    found = await recover(aiokafka_options(settings), job.changelog, stores)
    meter.add(sum(stats.rows for stats in found))
    meter.report()


async def _process(job: Job, settings: Settings) -> None:
    meter = Meter(job)
    committed: dict[int, int] = {}

    def on_commit(stats: CommitStats) -> None:
        offset = stats.offsets[job.topic]
        if meter.add(offset - committed.get(stats.partition, 0)):
            engine.stop()
        committed[stats.partition] = offset

    processor = Parse() if job.workload == "parse" else Count(job.output)
    collect_patiently()  # as a worker does
    engine = Engine(settings, [job.topic], job.changelog, processor, on_commit=on_commit)
    await engine.run()
    meter.report()


if __name__ == "__main__":
    asyncio.run(run(read_job()))
