"""What a worker reports of its live traffic."""

from __future__ import annotations

import pytest

from models.base import initial_parameters
from models.interaction import EventType, Interaction
from models.recommender import Recommender
from models.user_state import UserState
from schemas.evidence import outcome
from streamproc.worker.evidence import EVENTS, EvidenceWindow


@pytest.mark.parametrize(
    ("rank", "popularity_rank", "hits"),
    [(None, None, (False, False)), (1, None, (True, False)), (None, 20, (False, True)), (20, 1, (True, True))],
)
def test_what_a_list_promised_and_whose_foretold_an_event_is_told(
    rank: int | None, popularity_rank: int | None, hits: tuple[bool, bool]
) -> None:
    event = Interaction(1, "tea", EventType.CLICK, 1_700_000_000_000)
    stranger = Recommender(initial_parameters()).learn(UserState(), event)
    window = EvidenceWindow()
    learned = stranger._replace(rank=rank, promise=0.6, popularity_rank=popularity_rank)
    *before, last = (window.add(event, each) for each in [stranger] * (EVENTS - 1) + [learned])
    assert before == [None] * (EVENTS - 1)
    assert last is not None
    assert last.outcomes.tolist() == [0] * (EVENTS - 1) + [outcome(0.6, *hits)]
