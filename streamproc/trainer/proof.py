"""Decide on live traffic: does a candidate replace the version that serves, and does a promoted one stay?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from models.sequential import BettingTest
from models.shadow import BOUND
from streamproc.settings import Settings

Gains = NDArray[np.float32]

BETTER_SHARE = 0.5  # of the comparisons allowed, after which a meta-update need no longer be better, only not worse


@dataclass(frozen=True, slots=True)
class Verdict:
    """A decision on a version, its reason in words, and the numbers behind it; `harm`: it is shown to be worse."""

    accepted: bool
    reason: str
    metrics: dict[str, float]
    harm: bool = False


class Proof:
    """One candidate in the shadow of the version that serves.

    Three tests by betting run at once on the paired gains (nats by which the candidate foretold an event better):
    that it is not worse by the margin, that it is better, and that it is worse. Each errs with a chance of at most
    `promotion_error`, however often it is looked at.

    Parameters
    ----------
    better : whether the candidate must be better rather than not worse, as long as there is hope: a meta-update.
    """

    def __init__(self, candidate: int, serving: int, settings: Settings, *, better: bool) -> None:
        self.candidate, self.serving = candidate, serving
        self._enough = 1.0 / settings.promotion_error
        self._most = settings.promotion_comparisons
        self._must_be_better = better
        self._not_worse = BettingTest(-settings.promotion_margin_nats, BOUND)
        self._better = BettingTest(0.0, BOUND)
        self._worse = BettingTest(0.0, BOUND)
        self._sum = 0.0

    def add(self, gains: Gains) -> Verdict | None:
        """Take gains of the candidate over what serves; returns the verdict once there is one."""
        self._sum += float(gains.sum())
        for test, sign in ((self._not_worse, 1), (self._better, 1), (self._worse, -1)):
            test.add(sign * gains)
        waits = self._must_be_better and self._better.count < BETTER_SHARE * self._most
        if self._better.evidence >= self._enough:
            return self._verdict(True, "better")
        if self._worse.evidence >= self._enough:
            return self._verdict(False, "worse")
        if not waits and self._not_worse.evidence >= self._enough:
            return self._verdict(True, "not worse")
        if self._better.count >= self._most:
            return self._verdict(False, "nothing proven")
        return None

    @property
    def metrics(self) -> dict[str, float]:
        """Mean gain (nats), number of comparisons, and the evidence for each claim."""
        count = self._better.count
        return {
            "comparisons": float(count),
            "gain_nats": self._sum / count if count else 0.0,
            "evidence_not_worse": self._not_worse.evidence,
            "evidence_better": self._better.evidence,
            "evidence_worse": self._worse.evidence,
        }

    def _verdict(self, accepted: bool, claim: Literal["better", "worse", "not worse", "nothing proven"]) -> Verdict:
        metrics = self.metrics
        gain = f"gain {metrics['gain_nats']:+.4f} nats over version {self.serving}"
        words = f"{claim} on {metrics['comparisons']:.0f} live events, {gain}"
        return Verdict(accepted, words, metrics, harm=claim == "worse")


class Probation:
    """A promoted version with its parent in its shadow.

    Its parent takes over again when it is shown to be better by the margin; the chance that this happens to a version
    that is not worse than its parent by that much is at most a fifth of `promotion_error`, since every version passes
    through here.
    """

    def __init__(self, serving: int, parent: int, settings: Settings) -> None:
        self.serving, self.parent = serving, parent
        self._enough = 5.0 / settings.promotion_error
        self._most = settings.probation_comparisons
        self._margin = settings.promotion_margin_nats
        self._lost = BettingTest(self._margin, BOUND)
        self._sum = 0.0

    @property
    def doubtful(self) -> bool:
        """Whether the parent has done better by the margin so far, proven or not."""
        return self._sum > self._margin * self._lost.count

    def add(self, gains: Gains) -> Verdict | None:
        """Take gains of the parent over what serves; accepted means that the version stays."""
        self._sum += float(gains.sum())
        self._lost.add(gains)
        count = self._lost.count
        lost = self._lost.evidence >= self._enough
        if not lost and count < self._most:
            return None
        mean = self._sum / count
        metrics = {"probation_comparisons": float(count), "probation_gain_nats": -mean}
        metrics["evidence_parent_better"] = self._lost.evidence
        words = f"parent {self.parent} did better by {mean:.4f} nats on {count} live events"
        return Verdict(not lost, words if lost else f"kept after {count} live events beside its parent", metrics)
