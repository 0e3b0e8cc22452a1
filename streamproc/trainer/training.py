"""The trainer's work without Kafka: records in, candidate versions out. Runs in one thread; the clock is injected."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from models.base import BaseParameters
from models.learner import BaseLearner, LearnerConfig
from models.meta import MetaReport
from schemas.outputs import DriftSignal
from schemas.record import RecordError, decode
from schemas.training import TrainingExample, decode_training
from streamproc.metrics import TrainerMetrics
from streamproc.settings import Settings

log = logging.getLogger(__name__)

Kind = Literal["refresh", "meta"]

MIN_HELD_OUT = 30  # fewer examples prove nothing against a version
HALF_LIFE = 75  # of held-out examples, in examples: 750 events
MAX_REJECTIONS = 3  # in a row, before the learner goes back to the version in service
QUIET_SECONDS = 5.0  # without examples, before what was learned is published ahead of the cadence
QUIET_EXAMPLES = 50  # needed for that
META_SECONDS = 20.0  # a meta-update stops after the pass in which this is over


@dataclass(frozen=True, slots=True)
class Candidate:
    """A version and what the held-out window says about it."""

    parameters: BaseParameters
    kind: Kind
    promoted: bool
    reason: str
    metrics: dict[str, float]


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
    """

    def __init__(
        self, settings: Settings, serving: BaseParameters, metrics: TrainerMetrics, clock: Callable[[], float]
    ) -> None:
        device = "cuda" if torch.cuda.is_available() else "cpu"
        config = LearnerConfig(publish_every=settings.publish_every, seed=settings.shuffle_seed, device=device)
        self._learner = BaseLearner(serving, config)
        self._settings = settings
        self._serving = serving
        self._metrics = metrics
        self._clock = clock
        self._published = 0  # examples learned when the last version went into service
        self._rejections = 0
        self._last_example = self._last_timer = clock()
        self._last_drift = -math.inf
        self._why = ""  # a meta-update is asked for, and why
        self._commanded = False

    @property
    def unpublished(self) -> int:
        """Examples learned that no version in service has seen."""
        return self._learner.learned - self._published

    def know(self, parameters: BaseParameters) -> None:
        """Make examples of another version readable."""
        self._learner.know(parameters)

    def take(self, values: Sequence[bytes | None]) -> int:
        """Learn from records of `training-examples`, in order, until a version is due; returns how many were taken."""
        learner, before, steps = self._learner, self._learner.learned, self._learner.steps
        skipped, damaged, taken = learner.skipped, 0, 0
        for raw in values:
            taken += 1
            try:
                decoded = decode_training(raw)
            except RecordError as error:
                damaged += 1
                log.debug("skipped a training record: %s", error)
                continue
            if isinstance(decoded, TrainingExample):
                learner.observe(decoded)
                if learner.due:
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

    def signal(self, raw: bytes | None) -> None:
        """Take a record of `drift-signals`: a trigger or a command asks for a meta-update, evidence does not."""
        try:
            signal = decode(DriftSignal, raw)
        except RecordError as error:
            log.warning("skipped a drift signal: %s", error)
            return
        self._metrics.signal(signal.kind)
        if signal.kind == "evidence":
            return
        self._commanded = self._commanded or signal.kind == "command"
        change = f" ({signal.before:.3f} -> {signal.after:.3f})" if signal.kind == "trigger" else ""
        self._why = f"{signal.kind} {signal.name}{change} from {signal.worker}"[:500]
        log.info("%s", self._why)

    def wanted(self) -> Kind | None:
        """Which version is wanted now, if any."""
        now = self._clock()
        if self._why and (self._commanded or now - self._last_drift >= self._settings.meta_cooldown_seconds):
            return "meta"
        if now - self._last_timer >= self._settings.meta_interval_seconds:
            if self.unpublished:
                self._why = "timer"
                return "meta"
            self._last_timer = now
        if self._learner.due:
            return "refresh"
        quiet = now - self._last_example >= QUIET_SECONDS
        return "refresh" if quiet and self.unpublished >= QUIET_EXAMPLES else None

    def candidate(self, kind: Kind, version: int) -> Candidate:
        """Make a version, after a meta-update if that is its kind, and judge it on the held-out window."""
        why, report = "refresh", None
        if kind == "meta":
            why, report = self._meta_update()
        parameters = self._learner.snapshot(version, parent=self._serving.version)
        learner, adapted = self._learner, report is not None and report.adopted
        losses = learner.adapted_losses if adapted else learner.held_out_losses
        promoted, verdict, metrics = judge(losses(parameters), losses(self._serving))
        try:
            parameters.check()
        except ValueError as error:
            promoted, verdict = False, str(error)
            self._rejections = MAX_REJECTIONS  # broken beyond what more examples mend
        metrics["examples"] = float(learner.learned)
        if report is not None:
            metrics |= _numbers(report)
            verdict += f"; {_gain(report)}"
        if "held_out_loss_after" in metrics:
            self._metrics.held_out(metrics["held_out_loss_after"], metrics["held_out_loss_before"])
        return Candidate(parameters, kind, promoted, f"{why}: {verdict}", metrics)

    def _meta_update(self) -> tuple[str, MetaReport]:
        start = self._clock()
        why, self._why, self._commanded = self._why, "", False
        report = self._learner.meta_update(lambda: self._clock() - start > META_SECONDS)
        end = self._clock()
        self._last_timer = end
        if why != "timer":
            self._last_drift = end
        self._metrics.meta_update(end - start)
        log.info("meta-update on %d users in %.2f s: %s", report.users, end - start, _gain(report))
        return why, report

    def decided(self, candidate: Candidate) -> None:
        """Take note that a candidate's verdict is published."""
        if candidate.promoted:
            self._serving = candidate.parameters
            self._published = self._learner.learned
            self._rejections = 0
            return
        self._rejections += 1
        if self._rejections >= MAX_REJECTIONS:
            log.warning("%d versions in a row were rejected: learning on from %d", self._rejections, self.serving)
            self.adopt(self._serving)

    def adopt(self, parameters: BaseParameters) -> None:
        """Go on from another version: a rollback has put it into service."""
        self._serving = parameters
        self._learner.adopt(parameters)
        self._rejections = 0

    @property
    def serving(self) -> int:
        """The version in service, as far as this trainer knows."""
        return self._serving.version


def judge(candidate: NDArray[np.float32], serving: NDArray[np.float32]) -> tuple[bool, str, dict[str, float]]:
    """Compare losses of two versions on the same examples, the oldest first.

    An example weighs half as much as one that is `HALF_LIFE` younger: after a shift the new world must soon outweigh
    the old one.

    Returns
    -------
    Whether the candidate may serve, the reason in words, and the numbers. It may unless its mean loss is higher by more
    than one standard error of the paired difference, or not finite.

    Examples
    --------
    >>> better, same = np.full(50, 1.0, np.float32), np.linspace(1.0, 1.3, 50, dtype=np.float32)
    >>> judge(better, same)[:2]
    (True, 'held-out loss 1.1617 -> 1.0000 +- 0.0125 on 50 examples')
    >>> judge(same, better)[0]
    False
    """
    if len(candidate) < MIN_HELD_OUT:
        return True, f"only {len(candidate)} held-out examples yet", {}
    weight = 0.5 ** (np.arange(len(candidate))[::-1] / HALF_LIFE)
    weight /= weight.sum()
    before, after = float(weight @ serving), float(weight @ candidate)
    surprise = candidate.astype(np.float64) - serving - (after - before)
    error = float(np.sqrt(np.sum((weight * surprise) ** 2)))
    words = f"held-out loss {before:.4f} -> {after:.4f} +- {error:.4f} on {len(candidate)} examples"
    numbers = {"held_out_loss_before": before, "held_out_loss_after": after, "standard_error": error}
    metrics = {name: value for name, value in numbers.items() if math.isfinite(value)}
    metrics["held_out_examples"] = float(len(candidate))
    return bool(after - before <= error), words, metrics


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
