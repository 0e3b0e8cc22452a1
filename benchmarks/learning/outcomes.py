"""Detection measured on streams of outcomes, whose hit rates are known at every event.

A list promises to hold the item with a probability p, the sum of its softmax shares; it does with a chance k(p), the
shadow baseline's with a chance b, independently: a season moves both by as many points. Fitted to recorded streams,
rows 15,000 to 40,000 and 50,000:

| shop | p | k(p) | hits | b |
|---|---|---|---|---|
| `simulated`, the project's simulator | .93 Beta(8.5, 1.3) | .96 p | .77 | .17 |
| `retail`, two years of an online gift shop | Beta(4, 3) | .85 p^1.6 | .37 | .083 |
| `bare`, no promise that tells anything | 1/2 | .40 | .40 | .15 |
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.trigger import Trigger
from streamproc.worker.evidence import EVENTS

Floats = NDArray[np.float64]

EVENTS_PER_DAY = 100_000
SEEDS = 20
CALM_EVENTS = 20_000  # before a change, and after it until the change counts as missed
GRADUAL_EVENTS = 20_000
_CHUNK = 10_000


@dataclass(frozen=True)
class Shop:
    """How much lists promise, how often that is kept, and how often the baseline hits."""

    promises: Callable[[np.random.Generator, int], Floats]
    kept: Callable[[Floats], Floats]
    baseline: float


SHOPS = {
    "simulated": Shop(lambda rng, n: 0.93 * rng.beta(8.5, 1.3, n), lambda p: 0.96 * p, 0.17),
    "retail": Shop(lambda rng, n: rng.beta(4.0, 3.0, n), lambda p: 0.85 * p**1.6, 0.083),
    "bare": Shop(lambda _, n: np.full(n, 0.5), lambda p: 0.8 * p, 0.15),
}


@dataclass(frozen=True)
class World:
    """How the hit rates of a shop move.

    Attributes
    ----------
    season : points by which both rates swing with the day, and as many with the week.
    loss : share of the model's hits that is lost from event `change_at` on, over `span` events.
    """

    shop: Shop
    season: float = 0.0
    loss: float = 0.0
    change_at: int = 0
    span: int = 0

    def outcomes(self, events: int, seed: int) -> Iterator[tuple[float, bool, bool]]:
        """A stream of so many events: what is promised, whether the model hits, and whether the baseline does.

        >>> lost = World(SHOPS["bare"], loss=0.5, change_at=5_000)
        >>> hits = [model for _, model, _ in lost.outcomes(10_000, seed=1)]
        >>> round(sum(hits[:5_000]) / 5_000, 1), round(sum(hits[5_000:]) / 5_000, 1)
        (0.4, 0.2)
        """
        rng = np.random.default_rng(seed)
        for first in range(0, events, _CHUNK):
            at = np.arange(first, min(first + _CHUNK, events))
            turn = 2 * math.pi * at / EVENTS_PER_DAY
            season = self.season * (np.sin(turn) + np.sin(turn / 7))
            lost = np.clip((at - self.change_at) / self.span, 0, 1) if self.span else at >= self.change_at
            promises = self.shop.promises(rng, len(at))
            model = rng.random(len(at)) < self.shop.kept(promises) * (1 - self.loss * lost) + season
            baseline = rng.random(len(at)) < self.shop.baseline + season
            yield from zip(promises.tolist(), model.tolist(), baseline.tolist(), strict=True)


def triggers(world: World, events: int, seed: int, workers: int = 1) -> Iterator[int]:
    """Events at which a trigger was raised, where each worker reports its share of the stream `EVENTS` at a time."""
    trigger = Trigger()
    windows: list[list[tuple[float, bool, bool]]] = [[] for _ in range(workers)]
    for event, outcome in enumerate(world.outcomes(events, seed)):
        window = windows[event % workers]
        window.append(outcome)
        if len(window) == EVENTS:
            yield from (event for each in window if trigger.update(*each))
            window.clear()


def seasonal(shop: Shop, events: int) -> dict[str, Any]:
    """Alarms where nothing but the season changes."""
    alarms = sum(1 for _ in triggers(World(shop, season=0.05), events, seed=1))
    return {"seasonal_events": events, "seasonal_alarms_per_million": alarms * 1e6 / events}


def sudden(shop: Shop, loss: float, workers: int) -> dict[str, Any]:
    """Delays after a sudden loss, in events of all workers together; the misses are no part of the median."""
    delays, early = [], 0
    for seed in range(SEEDS):
        world = World(shop, loss=loss, change_at=CALM_EVENTS)
        for event in triggers(world, 2 * CALM_EVENTS, seed, workers):
            if event >= CALM_EVENTS:
                delays.append(event - CALM_EVENTS)
                break
            early += 1
    return {
        "delay_median_events": median(delays) if delays else None,
        "missed": SEEDS - len(delays),
        "seeds": SEEDS,
        "false_alarms_before": early,
    }


def gradual(shop: Shop, loss: float, workers: int) -> dict[str, Any]:
    """How often a gradual loss is noticed before half of it has come."""
    world = World(shop, loss=loss, change_at=CALM_EVENTS, span=GRADUAL_EVENTS)
    noticed = 0
    for seed in range(SEEDS):
        half = CALM_EVENTS + GRADUAL_EVENTS // 2
        noticed += any(event >= CALM_EVENTS for event in triggers(world, half, seed, workers))
    return {"noticed_before_half": noticed, "seeds": SEEDS}


def measure(quick: bool) -> dict[str, Any]:
    """All figures of detection; the contract's are those of the simulated shop, one worker and a loss of a tenth."""
    shops = {name: _measure(shop, quick) for name, shop in SHOPS.items()}
    simulated = shops["simulated"]
    tenth = simulated["sudden_tenth_1_workers"]
    return {
        "seasonal_events": simulated["seasonal_events"],
        "seasonal_alarms_per_million": simulated["seasonal_alarms_per_million"],
        "sudden_delay_median_events": tenth["delay_median_events"],
        "sudden_missed": tenth["missed"],
        "detection": shops,
    }


def _measure(shop: Shop, quick: bool) -> dict[str, Any]:
    parts = seasonal(shop, 300_000 if quick else 2_000_000)
    for workers in (1, 4):
        parts[f"sudden_tenth_{workers}_workers"] = sudden(shop, 0.10, workers)
        if not quick:
            parts[f"sudden_quarter_{workers}_workers"] = sudden(shop, 0.25, workers)
            parts[f"gradual_tenth_{workers}_workers"] = gradual(shop, 0.10, workers)
    return parts
