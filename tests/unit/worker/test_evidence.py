"""What a worker reports of its live traffic."""

from __future__ import annotations

from dataclasses import replace

import pytest

from models.base import initial_parameters
from models.interaction import EventType, Interaction
from models.recommender import Recommender
from models.user_state import UserState
from schemas.evidence import BASELINE_HIT, MODEL_HIT
from streamproc.worker.evidence import EVENTS, EvidenceWindow


@pytest.mark.parametrize(
    ("rank", "popularity_rank", "outcome"),
    [(None, None, 0), (1, None, MODEL_HIT), (None, 20, BASELINE_HIT), (20, 1, MODEL_HIT + BASELINE_HIT)],
)
def test_whose_list_foretold_an_event_is_told(rank: int | None, popularity_rank: int | None, outcome: int) -> None:
    event = Interaction(1, "tea", EventType.CLICK, 1_700_000_000_000)
    stranger = Recommender(initial_parameters()).learn(UserState(), event)
    window = EvidenceWindow()
    learned = replace(stranger, rank=rank, popularity_rank=popularity_rank)
    *before, last = (window.add(event, each) for each in [stranger] * (EVENTS - 1) + [learned])
    assert before == [None] * (EVENTS - 1)
    assert last is not None
    assert last.outcomes.tolist() == [0] * (EVENTS - 1) + [outcome]
