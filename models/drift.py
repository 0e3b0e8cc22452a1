"""Detectors on the prequential signals: a paired trigger for the stream of all workers, raw evidence for each.

The trigger is ADWIN (Bifet and Gavalda, 2007) on the *paired* difference between a shadow baseline's hit and the
model's hit on the same event. A season that moves both cancels; a model that falls behind does not. On raw misses
under +-5-point daily seasonality the same detector raises about ten false alarms per 100,000 events, which is why
hit rate, log loss, recall and the rest only ever count as evidence.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Literal

import numpy as np
from river.drift import ADWIN

from models.interaction import hash_id
from models.lists import Learned

Kind = Literal["trigger", "evidence"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one prequential prediction turned out to be.

    Attributes
    ----------
    model_hit : whether the next item was in the model's list.
    recalled : whether it was among the candidates at all.
    new_item : whether nobody had interacted with it before.
    item : a hash of the item, for the popularity histogram.
    log_loss : nats of the listwise softmax; None where the item was no candidate.
    """

    model_hit: bool
    recalled: bool
    new_item: bool
    item: int
    log_loss: float | None = None

    @classmethod
    def of(cls, learned: Learned, item_id: str) -> Outcome:
        """What the prediction of an event on `item_id` turned out to be."""
        return cls(
            model_hit=learned.rank is not None,
            recalled=learned.recalled,
            new_item=learned.new_item,
            item=hash_id(item_id),
            log_loss=learned.log_loss,
        )


@dataclass(frozen=True, slots=True)
class Alarm:
    """A change of a signal: its mean `before` and `after`, over the last `window` observations."""

    name: str
    kind: Kind
    detector: str
    before: float
    after: float
    window: int


@dataclass(frozen=True, slots=True)
class DriftConfig:
    """Settings of `DriftMonitor`.

    Attributes
    ----------
    delta : ADWIN's confidence, stricter than the trigger's: evidence decides nothing.
    histogram_events : events per popularity histogram; `histogram_buckets` hashed buckets each.
    histogram_distance : total variation distance of two successive histograms, beyond what sampling explains,
        that counts as evidence.
    """

    delta: float = 0.0002
    histogram_events: int = 2_000
    histogram_buckets: int = 256
    histogram_distance: float = 0.10


class _Watch:
    """ADWIN that tells the mean before the cut and after it, and can start afresh."""

    def __init__(self, delta: float) -> None:
        self._delta = delta
        self._adwin = ADWIN(delta=delta)

    def update(self, value: float) -> tuple[float, float, int] | None:
        """Mean of what ADWIN dropped, mean and length of what it kept; None as long as it drops nothing."""
        total, width = float(self._adwin.total) + value, int(self._adwin.width) + 1
        self._adwin.update(value)
        kept = int(self._adwin.width)
        if not self._adwin.drift_detected or kept >= width:
            return None
        after = float(self._adwin.total)
        return (total - after) / (width - kept), after / kept, kept

    def reset(self) -> None:
        self._adwin = ADWIN(delta=self._delta)


class Trigger:
    """Watch the merged stream of all workers: raised only when the model loses ground *relative to the baseline*.

    A model that gains makes the window shrink silently.

    Parameters
    ----------
    delta : ADWIN's confidence: one false alarm in 4 million simulated stationary events.
    holdoff : events after a trigger in which no second one is raised (the loop is already at work).

    Examples
    --------
    >>> import random
    >>> rng, trigger, alarms = random.Random(1), Trigger(), []
    >>> for t in range(6_000):
    ...     hit = rng.random() < (0.4 if t < 4_000 else 0.2)
    ...     if alarm := trigger.update(hit, rng.random() < 0.2):
    ...         alarms.append((t, alarm))
    >>> [(4_000 < t < 4_600, a.name, a.before < a.after) for t, a in alarms]
    [(True, 'relative_hit_rate', True)]
    """

    def __init__(self, delta: float = 0.005, holdoff: int = 500) -> None:
        self.events = 0
        self._holdoff = holdoff
        self._holdoff_until = 0
        self._watch = _Watch(delta)

    def update(self, model_hit: bool, baseline_hit: bool) -> Alarm | None:
        """Take whether an event's item was in the model's list, and in the shadow baseline's."""
        self.events += 1
        cut = self._watch.update(float(baseline_hit) - float(model_hit))
        if cut is None:
            return None
        before, after, window = cut
        if after <= before or self.events < self._holdoff_until:
            return None
        # A fresh window: otherwise the tail of the old world raises the same alarm again while it is being mended.
        self._watch.reset()
        self._holdoff_until = self.events + self._holdoff
        return Alarm("relative_hit_rate", "trigger", "ADWIN", before, after, window)


class DriftMonitor:
    """Watch one worker's stream of outcomes for evidence: it tells people what changed and starts nothing."""

    def __init__(self, config: DriftConfig | None = None) -> None:
        config = config or DriftConfig()
        names = ("hit_rate", "log_loss", "new_item_share", "candidate_recall")
        self._watches = {name: _Watch(config.delta) for name in names}
        self._histogram = _PopularityHistogram(config)

    def update(self, outcome: Outcome) -> list[Alarm]:
        """Take one outcome; returns the alarms it raised, mostly none."""
        alarms = []
        values = {
            "hit_rate": float(outcome.model_hit),
            "log_loss": outcome.log_loss,
            "new_item_share": float(outcome.new_item),
            "candidate_recall": float(outcome.recalled),
        }
        for name, value in values.items():
            if value is not None and (cut := self._watches[name].update(value)):
                alarms.append(Alarm(name, "evidence", "ADWIN", *cut))
        if moved := self._histogram.update(outcome.item):
            alarms.append(moved)
        return alarms


class _PopularityHistogram:
    """Distance between two successive histograms of hashed items, beyond the noise of two samples of one source."""

    def __init__(self, config: DriftConfig) -> None:
        self._config = config
        self._current = np.zeros(config.histogram_buckets)
        self._previous: np.ndarray[tuple[int], np.dtype[np.float64]] | None = None
        self._distances: deque[float] = deque(maxlen=20)
        self._count = 0

    def update(self, item: int) -> Alarm | None:
        self._current[item % self._config.histogram_buckets] += 1
        self._count += 1
        if self._count < self._config.histogram_events:
            return None
        share = self._current / self._count
        previous, self._previous = self._previous, share
        self._current = np.zeros_like(share)
        self._count = 0
        if previous is None:
            return None
        # Expected total variation of two samples: E|N(0, 2p/n)| per bucket, halved.
        pooled = (share + previous) / 2
        noise = float(np.sqrt(pooled / (np.pi * self._config.histogram_events)).sum())
        distance = max(0.0, 0.5 * float(np.abs(share - previous).sum()) - noise)
        usual = float(np.median(self._distances)) if self._distances else 0.0
        self._distances.append(distance)
        if distance - usual < self._config.histogram_distance:
            return None
        return Alarm("popularity", "evidence", "total_variation", usual, distance, self._config.histogram_events)
