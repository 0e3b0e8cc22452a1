"""Aiokafka alone: what the client library allows. A dict for state, no recovery, at least once."""

from __future__ import annotations

import asyncio

import orjson
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from benchmarks.job import Job, Meter, read_job, updated


async def run(job: Job) -> None:
    """Consume until enough events are done, and report."""
    consumer = AIOKafkaConsumer(
        job.topic,
        bootstrap_servers=job.bootstrap,
        group_id=job.group,
        auto_offset_reset="earliest",
        max_poll_records=2_000,
    )
    meter = Meter(job)
    async with consumer:
        if job.workload == "parse":
            await _parse(consumer, meter)
        else:
            async with AIOKafkaProducer(bootstrap_servers=job.bootstrap, acks="all", linger_ms=5) as producer:
                await _stateful(job, consumer, producer, meter)
        await consumer.commit()
        meter.report()


async def _parse(consumer: AIOKafkaConsumer, meter: Meter) -> None:
    done = False
    while not done:
        for records in (await consumer.getmany(timeout_ms=1_000)).values():
            for record in records:
                orjson.loads(record.value)
            done = meter.add(len(records))


async def _stateful(job: Job, consumer: AIOKafkaConsumer, producer: AIOKafkaProducer, meter: Meter) -> None:
    states: dict[bytes, dict[str, float]] = {}
    done = False
    while not done:
        for tp, records in (await consumer.getmany(timeout_ms=1_000)).items():
            sent = []
            for record in records:
                states[record.key] = updated(states.get(record.key), [orjson.loads(record.value)])
                value = orjson.dumps(states[record.key])
                sent.append(await producer.send(job.changelog, value, record.key, partition=tp.partition))
                sent.append(await producer.send(job.output, value, record.key, partition=tp.partition))
            await asyncio.gather(*sent)
            done = meter.add(len(records))


if __name__ == "__main__":
    asyncio.run(run(read_job()))
