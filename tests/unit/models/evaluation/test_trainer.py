"""The trainer in line: what it does when the world changes."""

from __future__ import annotations

from itertools import pairwise

import pytest

from models.base import initial_parameters
from models.cadence import HASTE_GAP
from models.drift import Alarm
from models.evaluation import trainer as module
from models.evaluation.trainer import InlineTrainer
from models.learner import BaseLearner, LearnerConfig
from models.recommender import Recommender
from models.trigger import Trigger
from models.user_state import UserState
from tests.unit.models.streams import stream

CALM, ROWS = 2_000, 3_500


class Notices(Trigger):
    """Raised at one event."""

    def update(self, promise: float, model_hit: bool, baseline_hit: bool) -> Alarm | None:
        self.events += 1
        return Alarm("scripted", "trigger", "none", 0.0, 0.0, 1) if self.events == CALM + 1 else None


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
