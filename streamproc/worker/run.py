"""The worker process: shared knowledge first, then the engine, with metrics and health beside it."""

import asyncio
import logging
import signal
import time
import uuid
from collections.abc import Coroutine
from typing import Final

from prometheus_client import CollectorRegistry

from models.base import initial_parameters
from models.recommender import Recommender
from streamproc import topics
from streamproc.engine import Broadcast, Engine, InputRecord
from streamproc.http import HttpServer
from streamproc.metrics import WorkerMetrics
from streamproc.recommending import recommender_config, warm_up
from streamproc.settings import Settings
from streamproc.worker.health import Progress
from streamproc.worker.knowledge import SharedKnowledge
from streamproc.worker.processor import WorkerProcessor

log = logging.getLogger(__name__)

_INPUTS: Final = ("clicks", "purchases", "recommendation-requests", "items")
_POLL_SECONDS: Final = 0.2


def run_worker(settings: Settings) -> None:
    """Serve until stopped by SIGINT or SIGTERM.

    Raises
    ------
    StreamprocError
        In one line: a topic is missing, the broker is away, another worker took over, or a bug.
    """
    topics.check(settings)
    asyncio.run(_serve(settings))


async def _serve(settings: Settings) -> None:
    registry = CollectorRegistry()
    metrics = WorkerMetrics(registry, settings.k)
    recommender = Recommender(initial_parameters(), recommender_config(settings))
    # The instance, unlike the worker's id, is new with each start: what an earlier life wrote must be read again.
    instance = f"{settings.worker_id}-{uuid.uuid4().hex[:12]}"
    processor = WorkerProcessor(settings, recommender, metrics, instance, time.time)
    shared = SharedKnowledge(settings, recommender, metrics, instance)
    engine = Engine(
        settings,
        [settings.topic(name) for name in _INPUTS],
        settings.topic("user-state"),
        processor,
        on_batch=lambda stats: progress.batch_done(),
        on_commit=lambda stats: metrics.committed(stats.seconds),
    )
    # While partitions come and go, and state is recovered, records may wait for as long as that takes.
    progress = Progress(lambda: sum(engine.lag().values()) if engine.ready else 0, time.monotonic)
    metrics.watch(lag=engine.lag, users=engine.rows, items=lambda: len(recommender.knowledge.items))
    http = HttpServer(settings.http_host, settings.worker_http_port, registry, progress.healthy, lambda: engine.ready)
    catalogue = Broadcast(settings, shared.catalogue_topics)
    log_of_interactions = Broadcast(settings, shared.interaction_topics)
    async with http, catalogue, log_of_interactions:
        log.info("worker %s: metrics on http://%s:%d/metrics", settings.worker_id, settings.http_host, http.port)
        await asyncio.to_thread(warm_up, settings)
        # Items are best known before they are met.
        for reader in (catalogue, log_of_interactions):
            await reader.catch_up(lambda records: asyncio.to_thread(shared.apply, records))
        log.info("caught up: %d items, serving base version %d", len(recommender.knowledge.items), shared.serving)
        followers = [_follow(reader, shared, processor) for reader in (catalogue, log_of_interactions)]
        await _until_stopped(engine, followers)


async def _follow(reader: Broadcast, shared: SharedKnowledge, processor: WorkerProcessor) -> None:
    def apply(records: list[InputRecord]) -> None:
        with processor.lock:
            shared.apply(records)

    while True:
        if records := await reader.poll(_POLL_SECONDS):
            await asyncio.to_thread(apply, records)


async def _until_stopped(engine: Engine, followers: list[Coroutine[None, None, None]]) -> None:
    """Run all until a signal stops the engine, or one fails: then its exception is raised."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, engine.stop)
    running = asyncio.create_task(engine.run())
    beside = [asyncio.create_task(follower) for follower in followers]
    done, _ = await asyncio.wait({running, *beside}, return_when=asyncio.FIRST_COMPLETED)
    if running not in done:
        engine.stop()
        await asyncio.wait({running})
    for task in beside:
        task.cancel()
    await asyncio.gather(*beside, return_exceptions=True)
    for task in (*done, running):
        task.result()
