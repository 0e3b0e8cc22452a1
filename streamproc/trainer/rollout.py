"""What becomes of versions: proposed, promoted or rejected, rolled back, and followed where others decided."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any

from aiokafka.structs import ConsumerRecord

from models.base import BaseParameters, initial_parameters
from schemas.knowledge import ModelUpdate
from streamproc.artefacts import ArtefactError, load
from streamproc.engine.broadcast import Broadcast
from streamproc.metrics import TrainerMetrics
from streamproc.settings import Settings
from streamproc.trainer.leadership import Progress
from streamproc.trainer.proof import Verdict
from streamproc.trainer.publisher import Publisher, built_in
from streamproc.trainer.training import Kind, Training
from streamproc.versions import VersionLog, record_key

log = logging.getLogger(__name__)

FIRST = Verdict(True, "the first version: what serves has learned nothing", {})


def load_serving(versions: VersionLog) -> BaseParameters:
    """Load the version in service.

    Raises
    ------
    ArtefactError
        Its artefact is missing or damaged.
    """
    pointer = versions.pointer
    if pointer is None or pointer.version == 0:
        return initial_parameters()
    return load(pointer.uri, pointer.sha256)


class Rollout:
    """Carries out what `Training` and the evidence of workers ask for.

    Parameters
    ----------
    versions : what `updates` have said so far.
    in_thread : runs the learner's work in the learner's thread.
    """

    def __init__(
        self,
        settings: Settings,
        training: Training,
        versions: VersionLog,
        updates: Broadcast,
        publisher: Publisher,
        progress: Progress,
        metrics: TrainerMetrics,
        in_thread: Callable[..., Awaitable[Any]],
    ) -> None:
        self._settings = settings
        self._training = training
        self._versions = versions
        self._updates = updates
        self._publisher = publisher
        self._progress = progress
        self._metrics = metrics
        self._in_thread = in_thread
        self._proposed: ModelUpdate | None = None

    async def give_up_orphans(self) -> None:
        """Reject candidates whose trainer ended before their verdict: what they learned is learned again."""
        for update in list(self._versions.kept()):
            if update.verdict == "candidate":
                await self._publisher.decide(update, Verdict(False, "its trainer ended before the verdict", {}), {})
        await self.follow(catch_up=True)

    async def act(self) -> None:
        """Do what the evidence and the cadence ask for."""
        live = self._training.live
        for alarm, timestamp_ms in live.take_alarms():
            await self._publisher.signal(alarm, timestamp_ms)
            self._metrics.alarm(alarm.name, alarm.kind)
        if live.lost:
            await self._roll_back(live.lost)
        elif live.kept:
            await self._keep(live.kept)
        if live.verdict:
            await self._decide(live.verdict)
        elif live.overdue:
            await self._decide(await self._in_thread(self._training.judge))
        if kind := self._training.wanted():
            if self._training.pending:
                await self._decide(Verdict(False, "withdrawn for a meta-update", {}))
            await self._propose(kind)

    async def discount(self, kept: float, signal: ConsumerRecord) -> None:
        """Have all workers keep so much of the weight of what they learned of items before this signal of drift."""
        await self._publisher.discount(kept, signal)

    async def commit_idle(self) -> None:
        """Commit what was read, where no version in service lacks any of it."""
        progress = self._progress
        if not self._training.unpublished and progress.read != progress.committed:
            await self._publisher.commit(progress.read)
            progress.committed |= progress.read

    async def follow(self, catch_up: bool = False) -> None:
        """Read `model-updates`, our own records among them; adopt a version that somebody else put into service."""
        records = await (self._updates.catch_up() if catch_up else self._updates.poll())
        moved = [record for record in records if self._versions.apply(record.key, record.value)]
        if not moved or self._versions.serving_version == self._training.serving:
            return
        try:
            parameters = await self._in_thread(load_serving, self._versions)
        except ArtefactError as error:
            log.error("cannot go on from version %d: %s", self._versions.serving_version, error)
            return
        if self._training.pending:
            await self._decide(Verdict(False, f"version {parameters.version} was put into service meanwhile", {}))
        await self._in_thread(self._training.adopt, parameters, self._versions.parent_on_probation())
        self._metrics.serving(parameters.version)
        log.info("learning on from version %d, as model-updates says", parameters.version)

    async def _propose(self, kind: Kind) -> None:
        try:
            candidate = await self._in_thread(self._training.candidate, kind, self._versions.next_version)
        except ValueError as error:
            log.error("learning on from version %d: %s", self._training.serving, error)
            return
        if self._training.serving == 0 and 0 not in self._versions.records:  # what the first version may lose to
            await self._publisher.write([(record_key(0), built_in(self._settings, _now_ms()))])
        started = time.monotonic()
        self._proposed = await self._publisher.propose(candidate)
        self._metrics.proposed(time.monotonic() - started)
        self._progress.proposed = dict(self._progress.read)
        self._training.prove(candidate)
        await self.follow(catch_up=True)
        if candidate.version == 1:
            await self._decide(FIRST)
        await self._publisher.expire(self._versions)

    async def _decide(self, verdict: Verdict) -> None:
        candidate = self._training.pending
        if candidate is None or self._proposed is None:
            return
        offsets = self._progress.proposed if verdict.accepted else {}
        await self._publisher.decide(self._proposed, verdict, offsets)
        self._progress.committed |= offsets
        self._training.decided(verdict)
        outcome = "promoted" if verdict.accepted else "rejected"
        self._metrics.decided(candidate.kind, outcome, verdict.metrics)
        self._metrics.serving(self._training.serving)
        log.info("version %d %s: %s; %s", candidate.version, outcome, verdict.reason, candidate.reason)
        await self.follow(catch_up=True)

    async def _keep(self, verdict: Verdict) -> None:
        """End the probation of the version in service."""
        await self._publisher.keep(self._versions.records[self._training.serving], verdict)
        self._training.live.on_probation(self._training.serving, None)
        self._metrics.proved(verdict.metrics)

    async def _roll_back(self, verdict: Verdict) -> None:
        """Put the parent of the version in service back."""
        parent = self._versions.parent_in_service()
        restored = self._versions.records.get(parent) if parent is not None else None
        if restored is None:
            log.error("version %d lost to its parent, which is not kept", self._training.serving)
            self._training.live.on_probation(self._training.serving, None)
            return
        if self._training.pending:
            await self._decide(Verdict(False, "withdrawn for a rollback", {}))
        log.warning("version %d is rolled back: %s", self._training.serving, verdict.reason)
        records = self._versions.rolled_back(restored, verdict.reason, _now_ms(), verdict.metrics)
        await self._publisher.write(records)
        self._metrics.decided("rollback", "rolled_back", verdict.metrics)
        await self.follow(catch_up=True)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
