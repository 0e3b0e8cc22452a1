"""Detection measured on streams of outcomes, whose hit rates are known at every event.

The model's list hits with a chance of 40 %, the shadow baseline's with 15 %, independently of each other: the hardest
case, since what both have in common would cancel. A season moves both by as many points.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np

from models.drift import Trigger
from streamproc.worker.evidence import EVENTS

MODEL_HITS, BASELINE_HITS = 0.40, 0.15
EVENTS_PER_DAY = 100_000
SEEDS = 20
CALM_EVENTS = 20_000  # before a change, and after it until the change counts as missed
GRADUAL_EVENTS = 20_000
_CHUNK = 10_000


@dataclass(frozen=True)
class World:
    """How the hit rates move.

    Attributes
    ----------
    season : points by which both rates swing with the day, and as many with the week.
    loss : share of the model's hit rate that is lost from event `change_at` on, over `span` events.
    """

    season: float = 0.0
    loss: float = 0.0
    change_at: int = 0
    span: int = 0

    def outcomes(self, events: int, seed: int) -> Iterator[tuple[bool, bool]]:
        """A stream of so many events: whether the model hits, and whether the baseline does.

        >>> hits = [model for model, _ in World(loss=0.5, change_at=5_000).outcomes(10_000, seed=1)]
        >>> round(sum(hits[:5_000]) / 5_000, 1), round(sum(hits[5_000:]) / 5_000, 1)
        (0.4, 0.2)
        """
        rng = np.random.default_rng(seed)
        for first in range(0, events, _CHUNK):
            at = np.arange(first, min(first + _CHUNK, events))
            turn = 2 * math.pi * at / EVENTS_PER_DAY
            season = self.season * (np.sin(turn) + np.sin(turn / 7))
            lost = np.clip((at - self.change_at) / self.span, 0, 1) if self.span else at >= self.change_at
            model = rng.random(len(at)) < MODEL_HITS * (1 - self.loss * lost) + season
            baseline = rng.random(len(at)) < BASELINE_HITS + season
            yield from zip(model.tolist(), baseline.tolist(), strict=True)


def triggers(world: World, events: int, seed: int, workers: int = 1) -> Iterator[int]:
    """Events at which a trigger was raised, where each worker reports its share of the stream `EVENTS` at a time."""
    trigger = Trigger()
    windows: list[list[tuple[bool, bool]]] = [[] for _ in range(workers)]
    for event, hits in enumerate(world.outcomes(events, seed)):
        window = windows[event % workers]
        window.append(hits)
        if len(window) == EVENTS:
            yield from (event for model, baseline in window if trigger.update(model, baseline))
            window.clear()


def seasonal(events: int) -> dict[str, Any]:
    """Alarms where nothing but the season changes."""
    alarms = sum(1 for _ in triggers(World(season=0.05), events, seed=1))
    return {"seasonal_events": events, "seasonal_alarms_per_million": alarms * 1e6 / events}


def sudden(loss: float, workers: int) -> dict[str, Any]:
    """Delays after a sudden loss, in events of all workers together; the misses are no part of the median."""
    delays, early = [], 0
    for seed in range(SEEDS):
        world = World(loss=loss, change_at=CALM_EVENTS)
        raised = list(triggers(world, 2 * CALM_EVENTS, seed, workers))
        early += sum(event < CALM_EVENTS for event in raised)
        delays += [event - CALM_EVENTS for event in raised if event >= CALM_EVENTS][:1]
    return {
        "delay_median_events": median(delays) if delays else None,
        "missed": SEEDS - len(delays),
        "seeds": SEEDS,
        "false_alarms_before": early,
    }


def gradual(loss: float, workers: int) -> dict[str, Any]:
    """How often a gradual loss is noticed before half of it has come."""
    world = World(loss=loss, change_at=CALM_EVENTS, span=GRADUAL_EVENTS)
    noticed = 0
    for seed in range(SEEDS):
        half = CALM_EVENTS + GRADUAL_EVENTS // 2
        noticed += any(event >= CALM_EVENTS for event in triggers(world, half, seed, workers))
    return {"noticed_before_half": noticed, "seeds": SEEDS}


def measure(quick: bool) -> dict[str, Any]:
    """All figures of detection; the contract's are those of one worker and a loss of a tenth."""
    parts: dict[str, Any] = seasonal(300_000 if quick else 2_000_000)
    for workers in (1, 4):
        parts[f"sudden_tenth_{workers}_workers"] = sudden(0.10, workers)
        if not quick:
            parts[f"sudden_quarter_{workers}_workers"] = sudden(0.25, workers)
            parts[f"gradual_tenth_{workers}_workers"] = gradual(0.10, workers)
    tenth = parts["sudden_tenth_1_workers"]
    return {"sudden_delay_median_events": tenth["delay_median_events"], "sudden_missed": tenth["missed"], **parts}
