"""The trainer's shell: Kafka in, `Training` in a thread, versions out, metrics and health beside it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar, TypeVarTuple

import torch
from aiokafka import AIOKafkaConsumer
from aiokafka.errors import ProducerFenced
from aiokafka.structs import ConsumerRecord, TopicPartition
from prometheus_client import CollectorRegistry

from models.base import initial_parameters
from streamproc import artefacts, topics
from streamproc.artefacts import ArtefactError, load
from streamproc.connection import aiokafka_options
from streamproc.engine.broadcast import Broadcast
from streamproc.errors import StreamprocError
from streamproc.http import HttpServer
from streamproc.metrics import TrainerMetrics
from streamproc.recommending import compile_kernels
from streamproc.settings import Settings
from streamproc.stopping import stop_signals
from streamproc.trainer.leadership import OneLeaderAssignor, Progress
from streamproc.trainer.publisher import Publisher
from streamproc.trainer.rollout import Rollout, load_serving
from streamproc.trainer.training import Training
from streamproc.versions import VersionLog

log = logging.getLogger(__name__)

T = TypeVar("T")
Arguments = TypeVarTuple("Arguments")

POLL_SECONDS = 0.2
STUCK_SECONDS = 120.0  # a turn of the loop that takes longer than any meta-update: not healthy


class TrainerError(StreamprocError):
    """The trainer cannot go on."""


class Trainer:
    """One trainer process; `run` ends when `stop` was called.

    Parameters
    ----------
    settings
        All of them.
    registry
        Where its metrics are registered; default: a new one.
    """

    def __init__(self, settings: Settings, registry: CollectorRegistry | None = None) -> None:
        self._settings = settings
        registry = registry or CollectorRegistry()
        self._metrics = TrainerMetrics(registry)
        self._versions = VersionLog()
        self._stopping = asyncio.Event()
        self._ready = False
        self._turn = time.monotonic()
        self._thread = ThreadPoolExecutor(1, "learner")
        self.http = HttpServer(settings.http_host, settings.trainer_http_port, registry, self._healthy, self._is_ready)
        self._consumer: AIOKafkaConsumer
        self._progress: Progress
        self._updates: Broadcast
        self._training: Training
        self._rollout: Rollout

    def stop(self) -> None:
        """Ask `run` to end; what no version in service has learned is learned again."""
        self._stopping.set()

    @property
    def leads(self) -> bool:
        """Whether this trainer learns and publishes; others stand by."""
        return self._progress.leads and not self._progress.lost

    async def run(self) -> None:
        """Train until stopped.

        Raises
        ------
        StreamprocError
            Topics or the driver of the artefacts are missing, an artefact cannot be written, the HTTP port is taken, or
            another trainer has taken over.
        """
        artefacts.check(self._settings.artefacts)
        await asyncio.to_thread(topics.check, self._settings)
        await asyncio.to_thread(compile_kernels)
        async with contextlib.AsyncExitStack() as stack:
            stack.callback(self._thread.shutdown, cancel_futures=True)
            await self._join(stack)
            await stack.enter_async_context(self.http)
            await self._stand_by()
            if self._stopping.is_set():
                return
            await self._lead(stack)
            log.info(
                "trainer ready on version %d, health and metrics on port %d", self._training.serving, self.http.port
            )
            self._ready = True
            try:
                await self._loop()
            except ProducerFenced as error:
                asyncio.get_running_loop().set_exception_handler(_unless_fenced)
                raise self._taken_over() from error

    async def _join(self, stack: contextlib.AsyncExitStack) -> None:
        """Join the group of trainers."""
        settings = self._settings
        exactly_once = settings.processing_guarantee == "exactly_once"
        self._consumer = AIOKafkaConsumer(
            **aiokafka_options(settings),
            group_id=f"{settings.application_id}-trainer",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level="read_committed" if exactly_once else "read_uncommitted",
            session_timeout_ms=int(settings.session_timeout_seconds * 1000),
            heartbeat_interval_ms=int(settings.session_timeout_seconds * 1000 / 4),
            max_poll_records=1_000,
            partition_assignment_strategy=[OneLeaderAssignor()],
        )
        self._progress = Progress(self._consumer)
        stack.push_async_callback(self._consumer.stop)
        topics_read = [settings.topic("training-examples"), settings.topic("drift-signals")]
        self._consumer.subscribe(topics_read, listener=self._progress)
        await self._consumer.start()

    async def _stand_by(self) -> None:
        """Wait until this trainer leads; without one that leads that is at once."""
        if not self._consumer.assignment():
            log.info("another trainer leads: standing by")
            self._ready = True
        while not self._consumer.assignment() and not self._stopping.is_set():
            self._turn = time.monotonic()
            await self._consumer.getmany(timeout_ms=int(POLL_SECONDS * 1000))

    async def _lead(self, stack: contextlib.AsyncExitStack) -> None:
        """Become the only writer, then take over where the former leader ended."""
        settings = self._settings
        publisher = Publisher(settings, self._consumer)
        stack.push_async_callback(publisher.stop)
        await publisher.start()
        self._updates = Broadcast(settings, [settings.topic("model-updates")])
        stack.push_async_callback(self._updates.stop)
        await self._updates.start()
        await self._resume()
        self._rollout = Rollout(
            settings,
            self._training,
            self._versions,
            self._updates,
            publisher,
            self._progress,
            self._metrics,
            self._in_thread,
        )
        await self._rollout.give_up_orphans()
        self._progress.lead()

    async def _resume(self) -> None:
        """Go on from the version in service, with the feature scalers of the other kept versions."""
        for record in await self._updates.catch_up():
            self._versions.apply(record.key, record.value)
        try:
            serving = load_serving(self._versions)
        except ArtefactError as error:
            raise TrainerError(
                f"{error}; put another version into service with `streamproc models rollback`"
            ) from error
        spent = self._versions.privacy_spent()
        self._training = Training(self._settings, serving, self._metrics, time.monotonic, spent)
        self._training.know(initial_parameters())
        for update in self._versions.kept():
            with contextlib.suppress(ArtefactError):  # only needed to read examples of workers that lag behind
                self._training.know(load(update.uri, update.sha256))
        self._training.live.on_probation(serving.version, self._versions.parent_on_probation())
        self._metrics.serving(serving.version)

    async def _loop(self) -> None:
        signals = self._settings.topic("drift-signals")
        while not self._stopping.is_set():
            self._turn = time.monotonic()
            batches = await self._consumer.getmany(timeout_ms=int(POLL_SECONDS * 1000))
            if self._progress.lost:
                raise self._taken_over()
            self._progress.fetched |= {partition: records[-1].offset + 1 for partition, records in batches.items()}
            for partition, records in batches.items():
                if partition.topic == signals:
                    for record in records:
                        kept = self._training.signal(record.value)
                        if kept < 1:
                            await self._rollout.discount(kept, record)
                    self._progress.read[partition] = records[-1].offset + 1
                else:
                    await self._learn(partition, records)
            await self._rollout.follow()
            await self._rollout.act()
            if not batches:
                await self._rollout.commit_idle()

    async def _learn(self, partition: TopicPartition, records: Sequence[ConsumerRecord]) -> None:
        values = [record.value for record in records]
        start = 0
        while start < len(values):
            start += await self._in_thread(self._training.take, values[start:])
            self._progress.read[partition] = records[start - 1].offset + 1
            await self._rollout.act()

    async def _in_thread(self, work: Callable[[*Arguments], T], *arguments: *Arguments) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, *arguments)

    def _taken_over(self) -> TrainerError:
        return TrainerError(f"another trainer of application {self._settings.application_id!r} has taken over")

    def _healthy(self) -> bool:
        return time.monotonic() - self._turn < STUCK_SECONDS

    def _is_ready(self) -> bool:
        return self._ready


def _unless_fenced(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    # A fenced aiokafka producer leaves futures with that error behind which nobody can await: it has been told already.
    if not isinstance(context.get("exception"), ProducerFenced):
        loop.default_exception_handler(context)


async def serve(settings: Settings) -> None:
    """Run a trainer until a signal asks it to stop."""
    trainer = Trainer(settings)
    loop = asyncio.get_running_loop()
    for number in stop_signals():
        loop.add_signal_handler(number, trainer.stop)
    await trainer.run()


def run_trainer(settings: Settings) -> None:
    """Run the trainer process until it is interrupted or terminated."""
    logging.basicConfig(level=settings.log_level, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    torch.set_num_threads(1)  # a step is too small to share, and the other core belongs to a worker
    asyncio.run(serve(settings))
