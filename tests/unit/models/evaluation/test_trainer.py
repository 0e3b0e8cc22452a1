"""The trainer in line: what it does when the world changes."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from models.base import BaseParameters, initial_parameters
from models.cadence import HASTE_GAP
from models.drift import Alarm
from models.evaluation import evaluate
from models.evaluation import trainer as module
from models.evaluation.arms import make_arms
from models.evaluation.trainer import InlineTrainer
from models.learner import BaseLearner, LearnerConfig
from models.recommender import Recommender
from models.trigger import LEAST_KEPT, Trigger
from models.user_state import UserState
from tests.unit.models.streams import stream

CALM, ROWS = 2_000, 3_500


def published() -> list[int]:
    """Rows at which versions went into service."""
    recommender = Recommender(initial_parameters())
    trainer = InlineTrainer(recommender, BaseLearner(recommender.base, LearnerConfig(publish_every=400)))
    states: dict[int, UserState] = {}
    at = []
    for number, row in enumerate(stream(ROWS)):
        before = trainer.versions
        trainer.take(recommender.learn(states.setdefault(row.user, UserState()), row))
        if trainer.versions > before:
            at.append(number)
    return at


class Notices(Trigger):
    """Raised at one event."""

    before, after = 0.0, 0.0

    def update(self, promise: float, model_hit: bool, baseline_hit: bool) -> Alarm | None:
        self.events += 1
        raised = self.events == CALM + 1
        return Alarm("scripted", "trigger", "none", self.before, self.after, 1) if raised else None


class NoticesLoss(Notices):
    """... by the loss of nearly all hits."""

    before, after = 0.6, 0.1


def longest(at: list[int]) -> int:
    """Longest gap between two versions since the change."""
    return max(later - earlier for earlier, later in pairwise(row for row in at if row >= CALM))


def test_after_a_drift_versions_follow_at_once_and_quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    calm = published()
    monkeypatch.setattr(module, "Trigger", Notices)
    drifted = published()
    assert drifted[: drifted.index(CALM)] == [row for row in calm if row < CALM]
    assert longest(calm) > 2 * HASTE_GAP
    assert longest(drifted) < 1.5 * HASTE_GAP


def test_an_alarm_discounts_the_item_knowledge_once_whatever_arms_share_it(monkeypatch: pytest.MonkeyPatch) -> None:
    totals = []
    for trigger in (Notices, NoticesLoss):
        monkeypatch.setattr(module, "Trigger", trigger)
        recommender = Recommender(initial_parameters())

        def learner(_: object = None, base: BaseParameters = recommender.base) -> BaseLearner:
            return BaseLearner(base)

        arms = make_arms(["no_meta_update", "every_event"], recommender, learner, CALM)
        evaluate(stream(CALM + 1), recommender, learner(), baselines={}, arms=arms)
        totals.append(recommender.knowledge.pairs.total[: recommender.knowledge.items.used])
    assert totals[0].any()
    np.testing.assert_array_equal(totals[1], totals[0] * np.float32(LEAST_KEPT))
