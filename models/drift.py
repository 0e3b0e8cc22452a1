"""Detectors on the prequential signals of one worker, which tell people what changed and start nothing.

Raw signals swing with the season: on misses under +-5 points a day ADWIN (Bifet and Gavalda, 2007) raises about ten
false alarms per 100,000 events. What starts a meta-update is `models.trigger`.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from river.drift import ADWIN

from models.interaction import hash_id
from models.lists import Learned

Kind = Literal["trigger", "evidence"]


class Outcome(NamedTuple):
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
    delta : ADWIN's confidence.
    histogram_events : events per popularity histogram; `histogram_buckets` hashed buckets each.
    histogram_distance : total variation distance of two successive histograms, beyond what sampling explains,
        that counts as evidence.
    """

    delta: float = 0.0002
    histogram_events: int = 2_000
    histogram_buckets: int = 256
    histogram_distance: float = 0.10


class _Watch:
    """ADWIN that tells the mean before the cut and after it."""

    def __init__(self, delta: float) -> None:
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


class DriftMonitor:
    """Watch one worker's stream of outcomes for evidence."""

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
