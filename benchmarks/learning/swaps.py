"""Swaps between two versions that are equally good: what the lists lose by them, and how long they take."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.base import BaseParameters, initial_parameters
from models.evaluation.bootstrap import BlockBootstrap, interval
from models.evaluation.trainer import InlineTrainer
from models.interaction import Interaction
from models.learner import BaseLearner, LearnerConfig
from models.recommender import Learned, Recommender, RecommenderConfig
from models.user_state import UserState
from schemas.training import Moments, TrainingExample
from streamproc.evaluating import interaction
from streamproc.files import FileEvent
from streamproc.simulator.config import WorldConfig
from streamproc.simulator.events import Event
from streamproc.simulator.world import World

BETWEEN = 1_000  # events from one swap to the next
LEARNED = 10_000  # events that the versions are learned from
SWAPS, QUICK_SWAPS = 100, 10


class Shop:
    """A recommender with its users, over item knowledge that others may share."""

    def __init__(
        self, base: BaseParameters, like: Recommender | None = None, config: RecommenderConfig | None = None
    ) -> None:
        self.recommender = Recommender(base, config, like.knowledge if like else None)
        self._users: dict[int, UserState] = {}

    def learn(self, event: Interaction) -> Learned:
        """Score the list of 20 before the event, and learn its user; the item knowledge is left as it was."""
        return self.recommender.learn_user(self._users.setdefault(event.user, UserState()), event)


def stream() -> Iterator[Interaction]:
    """Events of the simulated shop, without a feedback loop."""
    world = World(WorldConfig(users=2_000, items=1_000, feedback_share=0.0), seed=1)
    while True:
        yield as_interaction(world.step())


def as_row(event: Event) -> FileEvent:
    """An event of the simulator as a row of an event file."""
    return FileEvent(event.timestamp_ms, event.user_id, event.item_id, event.kind, event.category, event.price)


def as_interaction(event: Event) -> Interaction:
    """What the recommender learns from an event of the simulator."""
    return interaction(as_row(event))


class Twins:
    """Two learners taught the same, that differ by the order of replay alone; the first one's versions are served."""

    def __init__(self, base: BaseParameters) -> None:
        self._each = [BaseLearner(base, LearnerConfig(seed=seed)) for seed in (1, 2)]

    @property
    def due(self) -> bool:
        """Whether a version should be published."""
        return self._each[0].due

    def observe(self, example: TrainingExample) -> bool:
        """Learn from an example."""
        return min([learner.observe(example) for learner in self._each])

    def merge(self, moments: Moments) -> bool:
        """Take moments of the raw features."""
        return min([learner.merge(moments) for learner in self._each])

    def meta_update(self) -> object:
        """Learn where users start and how fast they adapt."""
        return [learner.meta_update() for learner in self._each]

    def hasten(self) -> None:
        """Have versions follow each other quickly for a while."""
        for learner in self._each:
            learner.hasten()

    def snapshot(self, version: int) -> BaseParameters:
        """The first one's version."""
        return self.snapshots(version)[0]

    def snapshots(self, version: int) -> list[BaseParameters]:
        """Both versions, of that number and the next."""
        return [learner.snapshot(version + number) for number, learner in enumerate(self._each)]


def equals(events: Iterator[Interaction]) -> tuple[Recommender, list[BaseParameters]]:
    """A recommender that knows the items of the first events, and two equally good versions learned from them."""
    shop = Shop(initial_parameters())
    twins = Twins(shop.recommender.base)
    trainer = InlineTrainer(shop.recommender, twins, meta=False)
    for _ in range(LEARNED):
        event = next(events)
        learned = shop.learn(event)
        shop.recommender.observe(event)
        trainer.take(learned)
    return shop.recommender, twins.snapshots(trainer.versions + 1)


def measure(quick: bool) -> dict[str, Any]:
    """Hit rate over the 1,000 events after each swap, beside the mean of two shops that keep one version each."""
    events, swaps = stream(), QUICK_SWAPS if quick else SWAPS
    knowledge, versions = equals(events)
    shops = [Shop(version, like=knowledge) for version in (*versions, versions[0])]
    hits: NDArray[np.float64] = np.zeros((3, swaps * BETWEEN))
    longest = 0.0
    for number in range(swaps * BETWEEN):
        event = next(events)
        if number % BETWEEN == 0:
            began = time.perf_counter()
            shops[2].recommender.swap(versions[number // BETWEEN % 2])
            longest = max(longest, time.perf_counter() - began)
        hits[:, number] = [shop.learn(event).rank is not None for shop in shops]
        knowledge.observe(event)
    kept, swapped = hits[:2].mean(axis=0), hits[2]
    bootstrap = BlockBootstrap(len(swapped))
    return {
        "swaps": swaps,
        "swap_hit_rate_loss": 1 - float(swapped.mean() / kept.mean()),
        "swap_hit_rate_loss_interval": interval(1 - bootstrap.means(swapped) / bootstrap.means(kept)),
        "kept_hit_rates": hits[:2].mean(axis=1).tolist(),
        "swap_seconds_longest": longest,
    }
