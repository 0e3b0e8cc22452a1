"""Explanations of a trained ranker: they add up to the score, and what they name first matters."""

from __future__ import annotations

import numpy as np
import pytest

from models.base import initial_parameters
from models.evaluation.trainer import InlineTrainer
from models.explain import attributions, reasons
from models.features import INDEX, F
from models.interaction import Interaction
from models.learner import BaseLearner
from models.rank import Ranker, by_feature, top
from models.recommender import Recommender
from models.retrieval import Retriever
from models.user_state import UserState
from tests.unit.models.streams import stream


def trained(rows: list[Interaction]) -> tuple[Recommender, dict[int, UserState]]:
    base = initial_parameters()
    recommender, states = Recommender(base), dict[int, UserState]()
    trainer = InlineTrainer(recommender, BaseLearner(base))
    for row in rows:
        trainer.take(recommender.learn(states.setdefault(row.user, UserState()), row))
    return recommender, states


@pytest.mark.slow
@pytest.mark.parametrize("fast_weights", [False, True])
def test_reasons_of_a_trained_ranker(fast_weights: bool) -> None:
    rows = stream(2_500, users=60, items=200)
    recommender, states = trained(rows)
    assert recommender.base.version > 5
    retriever, ranker = Retriever(recommender.knowledge), Ranker(recommender.base)
    changed = []
    for state in states.values():
        candidates = retriever.retrieve(state, rows[-1].timestamp_ms)
        x = ranker.rank(candidates.features)[1][:, :F]
        fast = state.fast if fast_weights else None

        def score(x: np.ndarray, fast: np.ndarray | None = fast) -> np.ndarray:
            scores, inputs = ranker.score(x)
            return scores if fast is None else scores + inputs @ fast

        scores = score(x)
        best = top(scores, 20)
        contributions, level = attributions(recommender.base, x[best], fast)
        np.testing.assert_allclose(contributions.sum(axis=1) + level, scores[best], atol=1e-4)
        for at, because in zip(best.tolist(), reasons(recommender.base, by_feature(x), best, fast), strict=True):
            without = x.copy()
            without[at, INDEX[because[0][0]]] = 0
            changed.append((score(without) > score(without)[at]).sum() != (scores > scores[at]).sum())
    assert np.mean(changed) >= 0.9
