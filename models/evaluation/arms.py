"""Arms: the same recommender with a part taken away, on the same rows and the same item knowledge.

An arm has a ranker, users' states and, where its lists depend on it, a learner of its own; what all users taught about
items it shares with the recommender under test, since that part is the same for every arm.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from models.evaluation.trainer import InlineTrainer, Learner
from models.interaction import Interaction
from models.recommender import Recommender
from models.user_state import UserState

Learning = Literal["meta", "refresh", "every_event", "retrain"]


@dataclass(frozen=True, slots=True)
class ArmConfig:
    """What sets an arm apart.

    Attributes
    ----------
    words : what it is, for readers.
    memory : what it knows of the user: the whole state, the last item alone, or nothing.
    fast_weights : whether it adapts to each user.
    versions : whose base versions it serves: those of a learner of its own, those of the recommender under test, the
        latter's but none after the freeze, or the first one for ever.
    learning : how its own learner goes about it: `meta` as in service, `refresh` without meta-updates, `every_event`
        the same, but published without averaging after every event, `retrain` from the start every so often.
    worker_delta : whether it follows what moves all users between two versions.
    """

    words: str
    memory: Literal["whole", "last", "none"] = "whole"
    fast_weights: bool = True
    versions: Literal["own", "served", "frozen", "first"] = "own"
    learning: Learning = "meta"
    worker_delta: bool = True


ARMS: dict[str, ArmConfig] = {
    "no_user_state": ArmConfig(
        "every user is taken for a new one; learns from its own lists",
        memory="none",
        fast_weights=False,
        learning="refresh",
    ),
    "last_item_only": ArmConfig(
        "of the user it knows the last event alone; learns from its own lists",
        memory="last",
        fast_weights=False,
        learning="refresh",
    ),
    "no_fast_weights": ArmConfig("the versions served, not adapted to the user", fast_weights=False, versions="served"),
    "no_worker_delta": ArmConfig(
        "the versions served, adapted to each user but not to what moves all", versions="served", worker_delta=False
    ),
    "pooled_history": ArmConfig(
        "the user's history enters as pooled features alone; plain refreshes of its own, no inner loop",
        fast_weights=False,
        learning="refresh",
    ),
    "no_meta_update": ArmConfig("fast weights over plain refreshes of its own, no meta-updates", learning="refresh"),
    "every_event": ArmConfig("a learner that serves its own parameters after every event", learning="every_event"),
    "retrained": ArmConfig(
        "a new model every 10,000 examples from the newest 40,000, no inner loop",
        fast_weights=False,
        learning="retrain",
    ),
    "frozen": ArmConfig("the versions served until 30 % of the rows, then no new one", versions="frozen"),
    "unadapted": ArmConfig(
        "the hand-set version 0 for ever, no fast weights", fast_weights=False, versions="first", worker_delta=False
    ),
}
"""By name, in the order of the table."""

FROZEN_AFTER = 0.3
"""Share of the rows after which the arm `frozen` takes no new version."""


class SharingArm:
    """An arm over the knowledge of the recommender under test.

    Parameters
    ----------
    served : the recommender under test.
    learner : makes a fresh learner of a kind; called where the arm has versions of its own.
    freeze_at : row from which the arm `frozen` keeps its version.
    """

    def __init__(
        self, config: ArmConfig, served: Recommender, learner: Callable[[Learning], Learner], freeze_at: int
    ) -> None:
        self._config = config
        self._served = served
        self._recommender = Recommender(
            served.base,
            replace(served.config, fast_weights=config.fast_weights, worker_delta=config.worker_delta),
            served.knowledge,
        )
        own = config.versions == "own"
        self._trainer = (
            InlineTrainer(self._recommender, learner(config.learning), config.learning == "meta") if own else None
        )
        self._follow_until = {"served": math.inf, "frozen": freeze_at}.get(config.versions, 0)
        self._row = 0
        self._states: dict[int, UserState] = {}
        self._last: dict[int, Interaction] = {}

    def test(self, event: Interaction, depth: int) -> list[str]:
        """The list that stood before the event; then learn from it."""
        if self._row < self._follow_until and self._recommender.base is not self._served.base:
            self._recommender.swap(self._served.base)
        self._row += 1
        learned = self._recommender.learn_user(self._state(event), event, depth)
        if self._trainer is not None:
            self._trainer.take(learned)
        return learned.items

    def _state(self, event: Interaction) -> UserState:
        """What the arm may know of the user just before the event."""
        if self._config.memory == "whole":
            return self._states.get(event.user) or self._states.setdefault(event.user, UserState())
        state = UserState()
        if self._config.memory == "last":
            last = self._last.get(event.user)
            if last is not None:
                state.take(last)
            self._last[event.user] = event
        return state


def make_arms(
    names: Sequence[str], served: Recommender, learner: Callable[[Learning], Learner], rows: int
) -> dict[str, SharingArm]:
    """Arms by name, for a stream of about so many rows."""
    return {name: SharingArm(ARMS[name], served, learner, int(FROZEN_AFTER * rows)) for name in names}
