"""Serving kernels agree with the torch module; explanations add up."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from models.base import BaseParameters, D, F, initial_parameters
from models.explain import attributions, reasons
from models.features import FEATURES, INDEX
from models.rank import Ranker, by_feature, exponentiate, softmax, top
from tests.unit.models.reference import BaseNet
from tests.unit.models.streams import random_base


def inputs(n: int) -> np.ndarray:
    return np.random.default_rng(1).standard_normal((n, F)).astype(np.float32) * 2


@pytest.mark.parametrize("n", [1, 127, 256, 300])
def test_serving_scores_equal_the_torch_module(n: int) -> None:
    base, x = random_base(), inputs(n)
    fast = np.random.default_rng(2).standard_normal(D).astype(np.float32)
    scores, head = Ranker(base).score(x)
    net = BaseNet(base)
    with torch.no_grad():
        plain = net(torch.from_numpy(x[None]))[0].numpy()
        adapted = net(torch.from_numpy(x[None]), torch.from_numpy(fast[None]))[0].numpy()
    np.testing.assert_allclose(scores, plain, atol=1e-4)
    np.testing.assert_allclose(scores + head @ fast, adapted, atol=2e-4)


def test_raw_features_are_standardised_clipped_and_scored() -> None:
    base = random_base()
    ranker, raw = Ranker(base), 20 * inputs(300)
    scores, head = ranker.rank(raw)
    x = np.clip((raw - base.mean) / base.std, -6, 6)
    assert np.abs(x).max() == 6
    np.testing.assert_allclose(head[:, :F], x, atol=1e-5)
    np.testing.assert_allclose(scores, ranker.score(x)[0], atol=1e-3)


@pytest.mark.parametrize("adapted", [False, True])
def test_all_of_a_request_is_what_its_steps_give(adapted: bool) -> None:
    base, raw = random_base(), inputs(200)
    fast = np.random.default_rng(2).standard_normal(D).astype(np.float32) if adapted else None
    scored = Ranker(base).assess(raw, fast, 20)
    plain, head = Ranker(base).rank(raw)
    scores = plain if fast is None else plain + head @ fast
    np.testing.assert_array_equal(scored.inputs.T, head)
    np.testing.assert_array_equal(scored.plain, plain)
    np.testing.assert_allclose(scored.scores, scores, atol=2e-4)
    np.testing.assert_allclose(scored.shares, softmax(scored.scores), rtol=1e-5)
    assert scored.best.tolist() == np.argsort(-scored.scores, stable=True)[:20].tolist()


def test_the_unadapted_score_is_that_of_personal_features_at_their_mean() -> None:
    base, raw = random_base(), inputs(40)
    x = Ranker(base).rank(raw)[1][:, :F]
    nobody = np.where([feature.personal for feature in FEATURES], np.float32(0), x)
    unadapted = Ranker(base).score_unadapted(Ranker(base).assess(raw, None, 20).inputs)
    np.testing.assert_allclose(unadapted, Ranker(base).score(nobody)[0], atol=1e-4)


def test_parameters_survive_bytes() -> None:
    base = random_base()
    again = BaseParameters.from_bytes(base.to_bytes())
    assert (again.version, again.parent, again.layout, again.decay) == (base.version, 0, base.layout, base.decay)
    assert all(np.array_equal(getattr(again, name), getattr(base, name)) for name in ("w1", "skip", "out", "mean"))


def test_same_parameters_give_the_same_bytes() -> None:
    base = random_base()
    assert {base.to_bytes() for _ in range(20)} == {BaseParameters.from_bytes(base.to_bytes()).to_bytes()}


def test_damaged_parameters_are_refused() -> None:
    raw = random_base().to_bytes()
    for damaged in (b"", raw[:100], raw.replace(b"layout", b"liyout"), b"\x00" * 50):
        with pytest.raises(ValueError, match="base model"):
            BaseParameters.from_bytes(damaged)


def test_top_keeps_the_earlier_of_equals() -> None:
    scores = np.array([1, 3, 2, 3, 0, 2], np.float32)
    assert top(scores, 4).tolist() == [1, 3, 2, 5]
    assert top(scores, 10).tolist() == [1, 3, 2, 5, 0, 4]


@pytest.mark.parametrize("n", range(20, 60))
def test_shares_do_not_depend_on_where_they_lie(n: int) -> None:
    scores = 2 * np.random.default_rng(1).standard_normal(n).astype(np.float32)
    room = np.empty(4 * n, np.float32)
    found = set()
    for gap in range(n):
        beside, shares = room[:n], room[n + gap :][:n]
        beside[:] = scores
        exponentiate(beside, shares)
        found.add(shares.tobytes())
    assert len(found) == 1


def test_attributions_sum_to_the_score() -> None:
    base, x = random_base(), inputs(50)
    fast = 0.3 * np.random.default_rng(2).standard_normal(D).astype(np.float32)
    scores, head = Ranker(base).score(x)
    contributions, level = attributions(base, x, fast)
    np.testing.assert_allclose(contributions.sum(axis=1) + level, scores + head @ fast, atol=1e-4)


def test_reasons_name_the_three_that_speak_most_for_the_item_and_never_the_moment() -> None:
    names = ["own", "pop_mid", "price", "next_last", "gap"]
    base, x = initial_parameters(), np.zeros((5, F), np.float32)
    base.skip[[INDEX[name] for name in names]] = (2.00004, 3.0, 1.0, 4.0, 9.0)
    for many in range(5):
        x[many, [INDEX[name] for name in names[:many] + names[-1:]]] = 1
    own, popular, price, following = [(name, round(base.skip[INDEX[name]])) for name in names[:4]]
    assert reasons(base, by_feature(x), np.arange(5)) == [
        (),
        (own,),
        (popular, own),
        (popular, own, price),
        (following, popular, own),
    ]
