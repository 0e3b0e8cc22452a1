"""The recommender learns the simulated world, and the drift trigger notices when that world changes."""

from __future__ import annotations

import numpy as np
import pytest

from models.base import initial_parameters
from models.interaction import CatalogueItem, EventType, Interaction, hash_id
from models.recommender import Recommender
from models.trigger import Trigger
from models.user_state import UserState
from streamproc.simulator import DriftKind, World, WorldConfig

DRIFT_AT, END = 6_000, 7_500
TYPES = {"click": EventType.CLICK, "cart": EventType.CART, "purchase": EventType.PURCHASE}


@pytest.mark.slow
def test_a_sudden_change_is_noticed_and_nothing_before_it() -> None:
    world = World(WorldConfig(drift=DriftKind.SUDDEN, drift_at=DRIFT_AT, feedback_share=0.0), seed=3)
    recommender, trigger = Recommender(initial_parameters()), Trigger()
    states: dict[str, UserState] = {}
    hits: list[tuple[bool, bool, bool]] = []
    triggers: list[int] = []
    for number in range(END):
        event = world.step()
        for notice in world.take_announcements():
            recommender.put_item(
                CatalogueItem(
                    item_id=notice.item_id,
                    timestamp_ms=notice.timestamp_ms,
                    category=notice.category,
                    price=notice.price,
                    text=notice.title,
                    tags=(),
                    vector=notice.vector,
                    available=notice.available,
                )
            )
        state = states.setdefault(event.user_id, UserState.decode(None))
        interaction = Interaction(
            hash_id(event.user_id), event.item_id, TYPES[event.kind], event.timestamp_ms, event.category, event.price
        )
        learned = recommender.learn(state, interaction, 20)
        model, popularity = learned.rank is not None, learned.popularity_rank is not None
        recommender.show(state, recommender.recommend(state, event.timestamp_ms, explain=False))
        hits.append((model, popularity, learned.unadapted_rank is not None))
        if trigger.update(learned.promise, model, popularity):
            triggers.append(number)
    rates = np.array(hits, dtype=float)
    before, after = rates[DRIFT_AT - 2_000 : DRIFT_AT].mean(0), rates[DRIFT_AT : DRIFT_AT + 500].mean(0)
    assert before[0] > before[1] + 0.2
    assert before[0] > before[2] + 0.1
    assert after[0] < before[0] - 0.1
    assert triggers
    assert DRIFT_AT <= triggers[0] < DRIFT_AT + 1_000
