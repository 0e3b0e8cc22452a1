"""The worker process: shared knowledge first, then the engine, with metrics and health beside it."""

import asyncio
import logging
import time
import uuid
from collections.abc import Coroutine
from dataclasses import replace
from typing import Final

from prometheus_client import CollectorRegistry

from models.base import initial_parameters
from models.recommender import Recommender
from streamproc import artefacts, topics
from streamproc.engine import Broadcast, Engine
from streamproc.engine.garbage import collect_patiently
from streamproc.http import HttpServer
from streamproc.metrics import WorkerMetrics
from streamproc.recommending import recommender_config, warm_up
from streamproc.settings import Settings
from streamproc.stopping import LastResort, stop_signals
from streamproc.worker.expiry import expiry
from streamproc.worker.following import Following
from streamproc.worker.health import Progress
from streamproc.worker.knowledge import SharedKnowledge
from streamproc.worker.processor import WorkerProcessor
from streamproc.worker.snapshots import Snapshot, Snapshots

log = logging.getLogger(__name__)

_INPUTS: Final = ("clicks", "purchases", "recommendation-requests", "items")


def run_worker(settings: Settings) -> None:
    """Serve until a signal asks it to stop.

    Raises
    ------
    StreamprocError
        In one line: a topic or the driver of the artefacts is missing, the broker is away, another worker took over, or
        a bug.
    """
    artefacts.check(settings.artefacts)
    topics.check(settings)
    asyncio.run(_serve(settings))


async def _serve(settings: Settings) -> None:
    registry = CollectorRegistry()
    metrics = WorkerMetrics(registry, settings.k)
    config = replace(recommender_config(settings), track_unadapted=True)
    snapshots = Snapshots(settings, config.knowledge, time.time)
    catalogue = Broadcast(settings, [settings.topic("items"), settings.topic("model-updates")])
    interactions = Broadcast(settings, [settings.topic("item-stats")])
    async with catalogue, interactions:
        kept = await _resume(snapshots, catalogue, interactions)
        recommender = Recommender(initial_parameters(), config, kept.knowledge if kept else None)
        # The instance, unlike the worker's id, is new with each start: what an earlier life wrote must be read again.
        instance = f"{settings.worker_id}-{uuid.uuid4().hex[:12]}"
        processor = WorkerProcessor(settings, recommender, metrics, instance, time.time)
        shared = SharedKnowledge(settings, recommender, metrics, instance, kept.sources if kept else {})
        last_resort = LastResort()
        engine = Engine(
            settings,
            [settings.topic(name) for name in _INPUTS],
            settings.topic("user-state"),
            processor,
            expired=expiry(settings.state_ttl_days),
            before_assigned=processor.before_assigned,
            on_batch=lambda stats: progress.batch_done(),
            on_commit=lambda stats: metrics.committed(stats.seconds),
            on_failure=lambda error: last_resort.arm(error=error),
        )
        # While partitions come and go, and state is recovered, records may wait for as long as that takes.
        progress = Progress(lambda: sum(engine.lag().values()) if engine.ready else 0, time.monotonic)
        metrics.watch(lag=engine.lag, users=engine.rows, items=lambda: len(recommender.knowledge.items))
        http_address = settings.http_host, settings.worker_http_port
        async with HttpServer(*http_address, registry, progress.healthy, lambda: engine.ready) as http:
            log.info("worker %s: metrics on http://%s:%d/metrics", settings.worker_id, settings.http_host, http.port)
            await asyncio.to_thread(warm_up, settings)
            following = Following(catalogue, interactions, shared, processor)
            await following.catch_up()
            collect_patiently()
            log.info("caught up: %d items, serving base version %d", len(recommender.knowledge.items), shared.serving)
            beside = [following.follow()]
            if settings.snapshot_interval_seconds:
                beside.append(following.keep_snapshots(snapshots, settings.snapshot_interval_seconds, engine.at_rest))
            await _until_stopped(engine, beside, last_resort)
            if settings.snapshot_interval_seconds:
                last = await following.copy()
                last_resort.disarm()  # from here on there is only the disk to wait for
                await asyncio.to_thread(snapshots.write, *last)


async def _resume(snapshots: Snapshots, *readers: Broadcast) -> Snapshot | None:
    """The snapshot, with the readers where it ends; None where they start from the beginning."""
    kept = await asyncio.to_thread(snapshots.read)
    if kept is None:
        return None
    if not all([await reader.holds(kept.positions) for reader in readers]):
        log.warning("learning from the start: the topics do not reach to where the snapshot ends")
        return None
    for reader in readers:
        reader.seek(kept.positions)
    log.info("going on from a snapshot of %d items", len(kept.knowledge.items))
    return kept


async def _until_stopped(engine: Engine, followers: list[Coroutine[None, None, None]], last_resort: LastResort) -> None:
    """Run all until a signal stops the engine, or one fails: then its exception is raised."""

    def asked_to_stop() -> None:
        last_resort.arm()
        engine.stop()

    loop = asyncio.get_running_loop()
    for number in stop_signals():
        loop.add_signal_handler(number, asked_to_stop)
    running = asyncio.create_task(engine.run())
    beside = [asyncio.create_task(follower) for follower in followers]
    done, _ = await asyncio.wait({running, *beside}, return_when=asyncio.FIRST_COMPLETED)
    if running not in done:
        last_resort.arm(error=next(iter(done)).exception())
        engine.stop()
        await asyncio.wait({running})
    for task in beside:
        task.cancel()
    await asyncio.gather(*beside, return_exceptions=True)
    for task in (*done, running):
        task.result()
