"""Reads the counters of worker and trainer, and their course over the run."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from typing import Literal

from prometheus_client.parser import text_string_to_metric_families

Arm = Literal["model", "popularity", "unadapted", "shown"]
ARMS: tuple[Arm, ...] = ("model", "popularity", "unadapted", "shown")

_Sample = dict[tuple[str, str], float]


@dataclass(frozen=True, slots=True)
class Reading:
    """The worker's counters at one moment.

    Attributes
    ----------
    processed : int
        Input events dealt with: learned, dropped as repeats, or sent to the dead letters.
    lag : int
        Records taken in but not committed.
    predictions, hits, reciprocal : dict
        Sums since the start, by arm.
    version : int
        Base version in service.
    """

    processed: int
    lag: int
    predictions: dict[Arm, float]
    hits: dict[Arm, float]
    reciprocal: dict[Arm, float]
    version: int

    def hit_rate(self, arm: Arm) -> float | None:
        """HR@k since the start; None before the first prediction."""
        return self.hits[arm] / self.predictions[arm] if self.predictions[arm] else None

    def mrr(self, arm: Arm) -> float | None:
        """MRR@k since the start; None before the first prediction."""
        return self.reciprocal[arm] / self.predictions[arm] if self.predictions[arm] else None


def read_worker(text: str) -> Reading:
    """Read the worker's `/metrics`.

    Examples
    --------
    >>> reading = read_worker('streamproc_prequential_hits_total{arm="model"} 3.0')
    >>> reading.hits["model"], reading.hit_rate("model") is None
    (3.0, True)
    """
    sums: dict[str, float] = {}
    by_arm: _Sample = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            sums[sample.name] = sums.get(sample.name, 0.0) + sample.value
            if "arm" in sample.labels:
                by_arm[sample.name, sample.labels["arm"]] = sample.value

    def arms(name: str) -> dict[Arm, float]:
        return {arm: by_arm.get((f"streamproc_prequential_{name}_total", arm), 0.0) for arm in ARMS}

    return Reading(
        processed=int(
            sums.get("streamproc_events_total", 0)
            + sums.get("streamproc_duplicates_total", 0)
            + sums.get("streamproc_dead_letters_total", 0)
        ),
        lag=int(sums.get("streamproc_consumer_lag_records", 0)),
        predictions=arms("predictions"),
        hits=arms("hits"),
        reciprocal=arms("reciprocal_rank"),
        version=int(sums.get("streamproc_base_version", 0)),
    )


def read_meta_updates(text: str) -> int:
    """Read the number of finished meta-updates from the trainer's `/metrics`.

    Examples
    --------
    >>> read_meta_updates("streamproc_meta_update_seconds_count 2.0")
    2
    """
    return sum(
        int(sample.value)
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == "streamproc_meta_update_seconds_count"
    )


class Course:
    """The worker's readings in order; hit rates of any stretch of the stream are differences of two."""

    def __init__(self) -> None:
        self._readings: list[Reading] = []

    @property
    def last(self) -> Reading | None:
        return self._readings[-1] if self._readings else None

    def add(self, reading: Reading) -> None:
        """Take a reading; those that show nothing new replace the one before."""
        if self._readings and self._readings[-1].processed >= reading.processed:
            self._readings.pop()
        self._readings.append(reading)

    def hit_rate(self, arm: Arm, start: int, end: int) -> float | None:
        """HR@k over the events from `start` to before `end`, counted in processed events; None if none was scored."""
        hits = self._at(arm, "hits", end) - self._at(arm, "hits", start)
        predictions = self._at(arm, "predictions", end) - self._at(arm, "predictions", start)
        return hits / predictions if predictions > 0 else None

    def _at(self, arm: Arm, name: Literal["hits", "predictions"], processed: int) -> float:
        """A counter when so many events were processed, by interpolation between readings."""
        index = bisect_left(self._readings, processed, key=lambda reading: reading.processed)
        if index == len(self._readings):
            return getattr(self._readings[-1], name)[arm] if self._readings else 0.0
        above = self._readings[index]
        low, low_value = 0, 0.0
        if index:
            below = self._readings[index - 1]
            low, low_value = below.processed, getattr(below, name)[arm]
        if above.processed == low:
            return float(getattr(above, name)[arm])
        share = (processed - low) / (above.processed - low)
        return float(low_value + share * (getattr(above, name)[arm] - low_value))
