"""The trainer's learning without Kafka: records in, candidates out. Runs in one thread; the clock is injected."""

from __future__ import annotations

import logging
import math
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch

from models.base import BaseParameters
from models.learner import BaseLearner
from models.meta import MetaReport
from models.trigger import kept
from schemas.evidence import decode_evidence, is_evidence
from schemas.knowledge import PrivacySpent
from schemas.outputs import DriftSignal
from schemas.record import RecordError, decode
from schemas.training import TrainingExample, decode_training
from streamproc.learning import learner_config
from streamproc.metrics import TrainerMetrics
from streamproc.settings import Settings
from streamproc.trainer.held_out import judge
from streamproc.trainer.ledger import Ledger
from streamproc.trainer.live import LiveEvidence
from streamproc.trainer.proof import Verdict

log = logging.getLogger(__name__)

Kind = Literal["refresh", "meta"]

MAX_REJECTIONS = 3  # shown to be worse in a row, before the learner goes back to the version in service
QUIET_SECONDS = 5.0  # without examples, before what was learned is published ahead of the cadence
QUIET_EXAMPLES = 50  # needed for that
HASTE_EXAMPLES = 150  # between candidates after a rejection, since what serves grows old
META_SECONDS = 20.0  # a meta-update stops after the pass in which this is over


@dataclass(frozen=True, slots=True)
class Candidate:
    """A version to be proven, why it was made, what its meta-update measured, and what all of them have spent."""

    parameters: BaseParameters
    kind: Kind
    reason: str
    metrics: dict[str, float]
    privacy: PrivacySpent | None = None

    @property
    def version(self) -> int:
        """Its number."""
        return self.parameters.version


class Training:
    """Learn from records and say when a version is wanted.

    Parameters
    ----------
    settings
        Cadence, cooldown, seed.
    serving
        The version in service; learning goes on from it.
    metrics
        Counts what is done.
    clock
        Monotonic seconds.
    spent
        What earlier meta-updates have spent of the users' privacy.
    """

    def __init__(
        self,
        settings: Settings,
        serving: BaseParameters,
        metrics: TrainerMetrics,
        clock: Callable[[], float],
        spent: PrivacySpent | None = None,
    ) -> None:
        device = "cuda" if torch.cuda.is_available() else "cpu"
        self._learner = BaseLearner(serving, learner_config(settings, secrets.randbits(63), device))
        self._ledger = Ledger(settings, spent) if settings.privacy_noise_multiplier else None
        if self._ledger:
            metrics.privacy(self._ledger.spent.epsilon)
        self._settings = settings
        self._serving = serving
        self._metrics = metrics
        self._clock = clock
        self._published = 0  # examples learned when the last version went into service
        self._proposed = 0  # ... when the last candidate was made
        self._rejected = False  # the last candidate was
        self._rejections = 0
        self._last_example = self._last_timer = clock()
        self._last_drift = -math.inf
        self._why = ""  # a meta-update is asked for, and why
        self._commanded = False
        self.pending: Candidate | None = None
        """The candidate in the shadow."""
        self.live = LiveEvidence(settings, clock)
        """What workers report of the versions."""

    @property
    def unpublished(self) -> int:
        """Examples learned that no version in service has seen."""
        return self._learner.learned - self._published

    def know(self, parameters: BaseParameters) -> None:
        """Make examples of another version readable."""
        self._learner.know(parameters)

    def take(self, values: Sequence[bytes | None]) -> int:
        """Take records of `training-examples`, in order, until there is something to do; returns how many.

        That is: a version is due, a verdict was reached, or an alarm raised.
        """
        learner, before, steps = self._learner, self._learner.learned, self._learner.steps
        skipped, damaged, taken = learner.skipped, 0, 0
        for raw in values:
            taken += 1
            try:
                if is_evidence(raw) and raw is not None:
                    if self.live.add(decode_evidence(raw)):
                        break
                    continue
                decoded = decode_training(raw)
            except RecordError as error:
                damaged += 1
                log.debug("skipped a training record: %s", error)
                continue
            if isinstance(decoded, TrainingExample):
                learner.observe(decoded)
                if learner.due and self.pending is None:
                    break
            else:
                learner.merge(decoded)
        if learner.learned > before:
            self._last_example = self._clock()
        for result, count in (("skipped", learner.skipped - skipped), ("damaged", damaged)):
            if count:
                self._metrics.examples(count, result)
        self._metrics.examples(learner.learned - before)
        self._metrics.stepped(learner.steps - steps, learner.loss)
        return taken

    def signal(self, raw: bytes | None) -> float:
        """Take a record of `drift-signals`: a trigger or a command asks for a meta-update, evidence does not.

        Returns what to keep of the weight of what workers have learned of items, 0 to 1: less than 1 after a trigger,
        but for floods, which take hits from lists that are as good as they were.
        """
        try:
            signal = decode(DriftSignal, raw)
        except RecordError as error:
            log.warning("skipped a drift signal: %s", error)
            return 1.0
        self._metrics.signal(signal.kind)
        if signal.kind == "evidence":
            return 1.0
        self._commanded = self._commanded or signal.kind == "command"
        if signal.kind == "trigger":
            self._learner.hasten()
        change = f" ({signal.before:.3f} -> {signal.after:.3f})" if signal.kind == "trigger" else ""
        beside = f", beside {' and '.join(self.live.floods)}" if self.live.floods else ""
        self._why = f"{signal.kind} {signal.name}{change} from {signal.worker}{beside}"[:500]
        log.info("%s", self._why)
        return kept(signal.before, signal.after) if change and not beside else 1.0

    def wanted(self) -> Kind | None:
        """Which version is wanted now, if any; a meta-update does not wait for the verdict on a refresh."""
        now, proving = self._clock(), self.pending
        if proving is not None and proving.kind == "meta":
            return None
        if self._why and (self._commanded or now - self._last_drift >= self._settings.meta_cooldown_seconds):
            return "meta"
        if proving is not None:
            return None
        if now - self._last_timer >= self._settings.meta_interval_seconds:
            if self.unpublished:
                self._why = "timer"
                return "meta"
            self._last_timer = now
        fresh = self._learner.learned - self._proposed
        if self._learner.due or (self._rejected and fresh >= HASTE_EXAMPLES):
            return "refresh"
        quiet = now - self._last_example >= QUIET_SECONDS
        return "refresh" if quiet and fresh >= QUIET_EXAMPLES else None

    def candidate(self, kind: Kind, version: int) -> Candidate:
        """Make a version, after a meta-update if that is its kind.

        Raises
        ------
        ValueError
            It is not fit to serve; learning goes on from the version in service.
        """
        why, metrics = "refresh", {"examples": float(self._learner.learned)}
        if kind == "meta":
            why, report = self._meta_update()
            metrics |= _numbers(report)
            why = f"{why}: {_gain(report)}"
        self._proposed = self._learner.learned
        parameters = self._learner.snapshot(version, parent=self._serving.version)
        try:
            parameters.check()
        except ValueError:
            self.adopt(self._serving)
            raise
        return Candidate(parameters, kind, why, metrics, self._ledger.spent if self._ledger else None)

    def _meta_update(self) -> tuple[str, MetaReport]:
        start = self._clock()
        why, self._why, self._commanded = self._why, "", False
        report = self._learner.meta_update(lambda: self._clock() - start > META_SECONDS)
        if self._ledger and report.spent:  # even if nothing comes of it: the learner goes on from what it has learned
            self._ledger.add(report.spent)
            self._metrics.privacy(self._ledger.spent.epsilon)
        end = self._clock()
        self._last_timer = end
        if why != "timer":
            self._last_drift = end
        self._metrics.meta_update(end - start)
        log.info("meta-update on %d users in %.2f s: %s", report.users, end - start, _gain(report))
        return why, report

    def prove(self, candidate: Candidate) -> None:
        """Take note that a candidate is published: from now on it is compared with what serves."""
        self.pending = candidate
        self.live.prove(candidate.version, self.serving, better=candidate.kind == "meta")

    def judge(self) -> Verdict:
        """The verdict on the candidate in the shadow that live traffic has not given in time: on held-out examples."""
        candidate, proof = self.pending, self.live.proof
        if candidate is None or proof is None:
            raise ValueError("no candidate is waiting for a verdict")
        adapted = bool(candidate.metrics.get("meta_adopted"))
        losses = self._learner.adapted_losses if adapted else self._learner.held_out_losses
        verdict = judge(losses(candidate.parameters), losses(self._serving))
        late = f"{proof.metrics['comparisons']:.0f} live events in {self._settings.promotion_timeout_seconds:.0f} s"
        return replace(verdict, reason=f"{late}; {verdict.reason}", metrics=proof.metrics | verdict.metrics)

    def decided(self, verdict: Verdict) -> None:
        """Take note that the verdict on the candidate in the shadow is published."""
        candidate, self.pending = self.pending, None
        if candidate is None:
            raise ValueError("no candidate is waiting for a verdict")
        self.live.withdraw()
        self._rejected = not verdict.accepted
        if verdict.accepted:
            self.live.on_probation(candidate.version, self.serving)
            self._serving = candidate.parameters
            self._published = int(candidate.metrics["examples"])
            self._rejections = 0
            return
        self._rejections += verdict.harm
        if self._rejections >= MAX_REJECTIONS:
            log.warning("%d versions in a row were worse: learning on from %d", self._rejections, self.serving)
            self.adopt(self._serving)

    def adopt(self, parameters: BaseParameters, parent_on_probation: int | None = None) -> None:
        """Go on from another version: a rollback has put it into service."""
        self._serving = parameters
        self._learner.adopt(parameters)
        self._rejections = 0
        self.pending = None
        self.live.withdraw()
        self.live.on_probation(parameters.version, parent_on_probation)

    @property
    def serving(self) -> int:
        """The version in service, as far as this trainer knows."""
        return self._serving.version


def _gain(report: MetaReport) -> str:
    if not report.validation_queries:
        return f"too few user windows to adapt to ({report.users} users, {report.queries} queries)"
    gain = "" if report.adopted else "no gain, start kept; "
    return f"{gain}query loss {report.loss_before:.4f} -> {report.loss_after:.4f} on {report.validation_queries}"


def _numbers(report: MetaReport) -> dict[str, float]:
    named = {
        "meta_adopted": float(report.adopted),
        "meta_users": float(report.users),
        "meta_queries": float(report.queries),
        "query_loss_before": report.loss_before,
        "query_loss_after": report.loss_after,
        "query_loss_unadapted_before": report.unadapted_before,
        "query_loss_unadapted_after": report.unadapted_after,
        "mean_step_size": report.mean_step_size,
    }
    return {name: value for name, value in named.items() if math.isfinite(value)}
