"""Runs the demonstration: broker, worker, trainer, simulated world, and those who watch."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import click

from streamproc import topics
from streamproc.brokers.embedded import EmbeddedBroker
from streamproc.demo.backlog import Place
from streamproc.demo.children import Child, ChildError, environment, free_port
from streamproc.demo.observations import Observations
from streamproc.demo.quality import Course, read_meta_updates, read_worker
from streamproc.demo.summary import Summary, story, summarise
from streamproc.demo.view import Screen, lines, status
from streamproc.errors import StreamprocError
from streamproc.recommending import compile_kernels
from streamproc.settings import Settings
from streamproc.simulator import DriftKind, World, WorldConfig
from streamproc.simulator.pacing import FollowBacklog
from streamproc.simulator.producer import Sent, Simulation, follow, recent_start_ms
from streamproc.stopping import stop_signals

_FOLLOWED = ["recommendations", "drift-signals", "model-updates", "dead-letters"]
_SCRAPE_SECONDS = 0.5
_DRAW_SECONDS = 0.25
_STATUS_SECONDS = 5.0
_DRAIN_SECONDS = 120.0  # longest wait for the last events to be processed
_QUIET_SECONDS = 2.0  # nothing new on any topic for so long: the run is over
_SETTLE_SECONDS = 45.0  # longest wait for that, for the last answers, and for a meta-update after an alarm


class DemoError(StreamprocError):
    """The demonstration could not be brought to its end."""


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """How to run it.

    Attributes
    ----------
    events : int or None
        Events to send; None goes on until Ctrl-C.
    rate : float
        Most events per second.
    seed : int
        Of the simulated world.
    drift : DriftKind
        How the world changes: at half of the events, or every 15,000 when there is no end.
    live : bool
        Draw on the terminal instead of writing a line now and then.
    summary : Path or None
        File for the numbers.
    """

    events: int | None
    rate: float
    seed: int = 1
    drift: DriftKind = DriftKind.SUDDEN
    live: bool = False
    summary: Path | None = None

    def world(self) -> WorldConfig:
        """Return the world's settings."""
        at = self.events // 2 if self.events else 10_000
        return WorldConfig(
            drift=self.drift,
            drift_at=at,
            drift_every=0 if self.events else 15_000,
            drift_span=max(1, (self.events or 10_000) // 4),
            start_ms=recent_start_ms(),
        )


def run_demo(settings: Settings, options: DemoOptions) -> Summary:
    """Run the demonstration to its end, or until Ctrl-C or the end of its terminal.

    Without a broker in the settings one is started in this process. Topics, consumer group and local data are its own.

    Raises
    ------
    StreamprocError
        If the broker cannot be used, a process ends, or events remain unprocessed.
    """
    started = time.monotonic()
    # Before worker and trainer would both do it.
    compile_kernels(lambda: click.echo("compiling for the first run of this installation: a minute or two", err=True))
    with contextlib.ExitStack() as stack:
        if "bootstrap_servers" in settings.model_fields_set:
            where = f"Kafka at {settings.bootstrap_servers}"
        else:
            broker = stack.enter_context(EmbeddedBroker())
            where = "embedded broker in this process"
            changes = {"bootstrap_servers": broker.bootstrap_servers, "processing_guarantee": "at_least_once"}
            settings = settings.model_copy(update=changes)
        name = f"demo-{uuid.uuid4().hex[:8]}"
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="streamproc-")))
        settings = settings.model_copy(
            update={
                "topic_prefix": f"{settings.topic_prefix}{name}.",
                "application_id": name,
                "data_dir": folder,
                "artefact_uri": str(folder / "artefacts"),
                "http_host": "127.0.0.1",
                "worker_http_port": free_port(),
                "trainer_http_port": free_port(),
            }
        )
        topics.create(settings)
        demo = _Demo(settings, options, folder, where)
        asyncio.run(demo.run())
        summary = demo.summarise(time.monotonic() - started)
        if options.summary:
            summary.write(options.summary)  # first: the terminal may be gone
        click.echo("")
        for line in story(demo.seen, demo.course, demo.world.drifts, summary):
            click.echo(line)
    return summary


class _Demo:
    def __init__(self, settings: Settings, options: DemoOptions, folder: Path, where: str) -> None:
        self._settings = settings
        self._options = options
        self._folder = folder
        guarantee = settings.processing_guarantee.replace("_", " ")
        self._header = f"streamproc on {where}, delivery {guarantee}"
        self._pace = FollowBacklog(options.rate)
        self._meta_updates = 0
        self._sending_since: float | None = None
        self.world = World(options.world(), options.seed, run=settings.application_id)
        self._simulation = Simulation(
            settings, self.world, self._pace, waiting=lambda: self.seen.backlog.waiting, on_sent=self._sent
        )
        self.seen = Observations(on_list=self._simulation.show)
        self.course = Course()

    async def run(self) -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in stop_signals():
            loop.add_signal_handler(number, stop.set)
        async with aiohttp.ClientSession() as session:
            children = self._start_children()
            tasks = [asyncio.create_task(self._flow(children, session)), asyncio.create_task(stop.wait())]
            tasks += [asyncio.create_task(work) for work in self._watchers(children, session)]
            try:
                done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
            except ChildError as error:
                self._say("\n".join(["the end of its log:", *error.tail]))
                raise
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
                await asyncio.gather(*(child.end() for child in children))

    def summarise(self, wall_seconds: float) -> Summary:
        flow = max(0.0, self.seen.last_answer - self._sending_since) if self._sending_since else 0.0
        return summarise(
            self.seen,
            self.course,
            meta_updates=self._meta_updates,
            flow_seconds=flow,
            wall_seconds=wall_seconds,
            guarantee=self._settings.processing_guarantee,
        )

    # -- the main line -------------------------------------------------------------------------------------------

    async def _flow(self, children: list[Child], session: aiohttp.ClientSession) -> None:
        self._say(f"{self._header}; starting a worker and a trainer")
        await asyncio.gather(*(child.until_ready(session) for child in children))
        self._say("ready: simulated users start to click")
        self._sending_since = time.monotonic()
        await self._simulation.run(self._options.events)
        await self._until(self._processed, _DRAIN_SECONDS)
        if not self._processed():
            done = self.course.last.processed if self.course.last else 0
            raise DemoError(
                f"{self.seen.events - done} of {self.seen.events} events were not processed within "
                f"{_DRAIN_SECONDS:.0f} s of the last one"
            )
        await self._until(self._settled, _SETTLE_SECONDS)
        await self._scrape(children, session)

    def _processed(self) -> bool:
        last = self.course.last
        return last is not None and last.processed >= self.seen.events and last.lag == 0

    def _settled(self) -> bool:
        quiet = time.monotonic() - self.seen.last_record > _QUIET_SECONDS
        adapted = self._meta_updates > 0 or not self.seen.triggers
        return quiet and adapted and self.seen.backlog.waiting == 0

    @staticmethod
    async def _until(condition: Callable[[], bool], seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not condition() and time.monotonic() < deadline:
            await asyncio.sleep(0.05)

    # -- those who watch -----------------------------------------------------------------------------------------

    def _start_children(self) -> list[Child]:
        variables = environment(self._settings)
        ports = {"worker": self._settings.worker_http_port, "trainer": self._settings.trainer_http_port}
        return [Child(command, port, self._folder, variables) for command, port in ports.items()]

    def _watchers(self, children: list[Child], session: aiohttp.ClientSession) -> list[Coroutine[Any, Any, None]]:
        return [
            follow(self._settings, _FOLLOWED, self._record, from_start=True),
            *(self._every(0.2, child.check) for child in children),
            self._scrape_on(children, session),
            self._show(),
        ]

    @staticmethod
    async def _every(seconds: float, work: Callable[[], object]) -> None:
        while True:
            work()
            await asyncio.sleep(seconds)

    async def _scrape_on(self, children: list[Child], session: aiohttp.ClientSession) -> None:
        while True:
            await self._scrape(children, session)
            await asyncio.sleep(_SCRAPE_SECONDS)

    async def _scrape(self, children: list[Child], session: aiohttp.ClientSession) -> None:
        worker, trainer = children
        if text := await worker.get(session, "/metrics"):
            self.course.add(read_worker(text))
        if text := await trainer.get(session, "/metrics"):
            self._meta_updates = read_meta_updates(text)

    async def _show(self) -> None:
        if not self._options.live:
            await self._every(_STATUS_SECONDS, self._say_status)
        screen = Screen(sys.stdout)
        while True:
            if self._sending_since:
                rate = self._pace.rate if self.world.number else 0.0
                view = lines(
                    self.seen,
                    self.course,
                    rate=rate,
                    title=self._title,
                    header=self._header,
                    goal=self._options.events,
                )
                try:
                    screen.draw(view)
                except OSError:
                    return  # the terminal is gone, perhaps before SIGHUP says so: an end as ordered as by that
            await asyncio.sleep(_DRAW_SECONDS)

    def _record(self, role: str, record: Any) -> None:
        self.seen.record(role, record, time.monotonic())

    def _sent(self, sent: Sent) -> None:
        self.seen.sent(sent.event, Place(*sent.place), sent.timestamp_ms, sent.at)
        if self.world.drifts and sent.event.number == self.world.drifts[-1]:
            self.seen.tell("the simulated users change their habits")

    def _title(self, item_id: str) -> str:
        row = self.world.catalogue.row(item_id)
        return item_id if row is None else self.world.catalogue.announcement(row, 0).title

    def _say_status(self) -> None:
        if self.seen.events:
            self._say(status(self.seen, self.course, self._pace.rate))

    @staticmethod
    def _say(words: str) -> None:
        click.echo(words, err=True)
