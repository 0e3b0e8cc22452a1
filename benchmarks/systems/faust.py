"""Stock Faust as its manual has it: an agent over a stream, a table with a changelog, `topic.send`. At least once."""

from __future__ import annotations

import os
import sys
from typing import Any

import faust

from benchmarks.job import Job, Meter, read_job, updated


def make_app(job: Job) -> faust.App:
    """Return the app; its agent ends the process when enough events are done."""
    app = faust.App(
        job.group,
        broker=f"kafka://{job.bootstrap}",
        store="rocksdb://" if job.store == "rocksdb" else "memory://",
        datadir=job.folder,
        topic_partitions=job.partitions,
        web_enabled=False,
        stream_wait_empty=False,
        broker_max_poll_records=2_000,
        producer_linger=0.005,  # the default, 0, makes a request of nearly every record
    )
    meter = Meter(job)
    clicks = app.topic(job.topic, key_type=str, key_serializer="raw", value_serializer="json")

    def end() -> None:
        meter.report()
        os._exit(0)  # its own shutdown takes seconds and is not what is measured

    if job.workload == "parse":

        @app.agent(clicks)
        async def parse(events: Any) -> None:
            async for _ in events:
                if meter.add(1):
                    end()

    else:
        output = app.topic(job.output, key_serializer="raw", value_serializer="json")
        states = app.Table("states", key_type=str, default=dict, partitions=job.partitions)

        @app.agent(clicks)
        async def count(events: Any) -> None:
            async for user, event in events.items():
                states[user] = state = updated(states[user] or None, [event])
                await output.send(key=user, value=state)
                if meter.add(1):
                    await app.producer.flush()
                    end()

    return app


if __name__ == "__main__":
    app = make_app(read_job())
    sys.argv = ["faust", "worker", "--loglevel", "warn"]
    app.main()
