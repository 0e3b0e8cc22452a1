"""User-level privacy of the meta-update: what one user can change, how much noise there is, and what is left out."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

import pytest
import torch
from torch import Tensor

from models.inner_loop import Start, Windows, learning
from models.meta import MetaConfig, meta_learn
from models.privacy import Mechanism, Privacy, Spent, clipped
from tests.unit.models.test_meta import P, start, windows

USERS = 50


@pytest.fixture(autouse=True)
def _learning() -> Iterator[None]:
    with learning():
        yield


class Recording(Mechanism):
    """Keeps the means that it gave."""

    def __init__(self, privacy: Privacy) -> None:
        super().__init__(privacy)
        self.means: list[Tensor] = []

    def mean(self, contributions: Tensor, expected: float) -> Tensor:
        self.means.append(super().mean(contributions, expected))
        return self.means[-1]


def learn(mechanism: Mechanism, training: Windows) -> None:
    meta_learn(training, windows(80, 8, own=1.0, seed=9), start(), MetaConfig(users=USERS), mechanism=mechanism)


def someone_else(training: Windows, size: float) -> Windows:
    """The same users but one, whose events are of another kind altogether."""
    other = windows(1, training.inputs.shape[1], own=5.0, seed=77)
    return Windows(
        *(
            torch.cat([new * size if new.is_floating_point() else new, old[1:]])
            for new, old in zip(other, training, strict=True)
        )
    )


def test_a_contribution_keeps_its_direction_and_no_more_than_the_clip() -> None:
    given = torch.tensor([[3.0, 4.0], [0.3, 0.4], [0.0, 0.0], [float("nan"), 2.0], [float("inf"), 0.0]])
    expected = torch.tensor([[0.6, 0.8], [0.3, 0.4], [0.0, 0.0], [0.0, 1.0], [0.0, 0.0]])
    torch.testing.assert_close(clipped(given, 1.0), expected)


@pytest.mark.parametrize("size", [1.0, 1_000.0, float("inf")])
def test_one_user_moves_a_step_by_at_most_twice_the_clip_over_the_users(size: float) -> None:
    clip, training = 0.5, windows(USERS, 8, own=1.0)
    both = []
    for given in (training, someone_else(training, size)):
        mechanism = Recording(Privacy(clip, noise_multiplier=0.0, seed=1, sampling_rate=1.0, steps=1))
        learn(mechanism, given)
        both.append(mechanism.means[0])
    moved = float((both[0] - both[1]).norm())
    assert 0 < moved <= 2 * clip / USERS * 1.0001
    assert both[0].norm() > 0.2 * clip  # the others are heard


def test_without_a_clip_the_same_user_would_move_it_by_far_more() -> None:
    training, both = windows(USERS, 8, own=1.0), []
    for given in (training, someone_else(training, 1_000.0)):
        mechanism = Recording(Privacy(1e9, noise_multiplier=0.0, seed=1, sampling_rate=1.0, steps=1))
        learn(mechanism, given)
        both.append(mechanism.means[0])
    assert float((both[0] - both[1]).norm()) > 100 * 2 * 0.5 / USERS


def test_the_noise_has_the_promised_deviation_and_is_new_each_time() -> None:
    mechanism = Mechanism(Privacy(clip=0.5, noise_multiplier=3.0, seed=1))
    nobody = torch.zeros(0, 2_000)
    draws = torch.stack([mechanism.mean(nobody, expected=20) for _ in range(50)])
    assert float(draws.std()) == pytest.approx(3.0 * 0.5 / 20, rel=0.02)
    assert abs(float(draws.mean())) < 0.001
    assert float(torch.corrcoef(draws).fill_diagonal_(0).abs().max()) < 0.15
    other = Mechanism(Privacy(clip=0.5, noise_multiplier=3.0, seed=2)).mean(nobody, expected=20)
    assert abs(float(torch.corrcoef(torch.stack([draws[0], other]))[0, 1])) < 0.15


def test_every_user_takes_part_with_the_same_chance_and_by_oneself() -> None:
    mechanism = Mechanism(Privacy(1.0, 1.0, seed=1, sampling_rate=0.1))
    taken = torch.zeros(2_000, 40)
    for step in range(len(taken)):
        taken[step, mechanism.sample(40)] = 1
    assert taken.mean(0).sub(0.1).abs().max() < 0.03
    assert float(taken.sum(1).var()) == pytest.approx(40 * 0.1 * 0.9, rel=0.15)  # binomial: their number varies


def test_nothing_is_chosen_by_what_users_did_next() -> None:
    begin = Start(torch.ones(P), torch.full((3, P), 0.1), torch.tensor(0.9))  # what those alike need, but the steps
    training, config = windows(USERS, 8, own=1.0), MetaConfig(users=USERS, rate=0.05)
    results = [
        meta_learn(training, unseen, begin, config, mechanism=Mechanism(Privacy(1.0, 3.0, seed=3)))
        for unseen in (windows(80, 8, own=0.0, seed=5), windows(80, 8, own=3.0, seed=6))
    ]
    assert results[0].report.loss_after > results[0].report.loss_before  # and yet it is taken over
    for first, second in zip(*(result.start for result in results), strict=True):
        torch.testing.assert_close(first, second, rtol=0, atol=0)
    assert not torch.equal(results[0].start.head, begin.head)


def test_the_report_says_what_was_spent_in_time() -> None:
    asked = count()
    given = windows(USERS, 8, own=1.0), windows(80, 8, own=1.0, seed=9)
    mechanism = Mechanism(Privacy(1.0, 2.0, seed=1, sampling_rate=0.2, steps=30))
    report = meta_learn(*given, start(), MetaConfig(users=USERS), mechanism=mechanism).report
    assert report.spent == Spent(2.0, 0.2, 30)
    report = meta_learn(
        *given, start(), MetaConfig(users=USERS), out_of_time=lambda: next(asked) >= 7, mechanism=mechanism
    ).report
    assert report.spent == Spent(2.0, 0.2, 7)
    assert meta_learn(*given, start(), MetaConfig(users=USERS)).report.spent is None


def test_users_enough_are_learned_from_under_noise() -> None:
    mechanism = Mechanism(Privacy(clip=5.0, noise_multiplier=1.0, seed=1, steps=200))
    result = meta_learn(
        windows(2_000, 12, own=0.2),
        windows(300, 12, own=0.2, seed=9),
        start(0.0),
        MetaConfig(users=2_000, rate=1e-2),
        mechanism=mechanism,
    )
    assert result.report.unadapted_after < result.report.unadapted_before - 0.2
