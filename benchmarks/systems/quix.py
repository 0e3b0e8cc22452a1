"""Quix Streams as its manual has it: a streaming dataframe with state in RocksDB and its changelog. At least once."""

from __future__ import annotations

from typing import Any

from quixstreams import Application, State

from benchmarks.job import Job, Meter, read_job, updated


def run(job: Job) -> None:
    """Process until enough events are done, and report."""
    meter = Meter(job)

    def processed(topic: str, partition: int, offset: int) -> None:
        if meter.add(1):
            app.stop()

    app = Application(
        job.bootstrap,
        consumer_group=job.group,
        auto_offset_reset="earliest",
        state_dir=job.folder,
        commit_interval=1.0,
        on_message_processed=processed,
        loglevel="ERROR",
    )
    rows = app.dataframe(app.topic(job.topic, key_deserializer="str", value_deserializer="json"))
    if job.workload == "parse":
        rows.update(lambda event: None)
    else:
        rows = rows.apply(_count, stateful=True)
        rows.to_topic(app.topic(job.output, key_serializer="str", value_serializer="json"))
    app.run()  # returns when the last checkpoint is flushed and committed
    meter.report()


def _count(event: dict[str, Any], state: State) -> dict[str, float]:
    now = updated(state.get("totals"), [event])
    state.set("totals", now)
    return now


if __name__ == "__main__":
    run(read_job())
