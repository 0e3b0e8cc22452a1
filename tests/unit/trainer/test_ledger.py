"""The ledger of privacy: what the accountant says, over meta-updates and restarts."""

from __future__ import annotations

import math
import sys

import pytest
from opacus.accountants import RDPAccountant

from models.privacy import Spent
from schemas.knowledge import PrivacySpent
from streamproc.settings import Settings
from streamproc.trainer.ledger import Ledger, LedgerError

ORDERS = [1 + x / 10 for x in range(1, 100)] + [*range(11, 64), 128, 256, 512, 1024]


def ledger(before: PrivacySpent | None = None, delta: float = 1e-5) -> Ledger:
    return Ledger(Settings(privacy_noise_multiplier=1.0, privacy_delta=delta, privacy_clip=3.0), before)


def test_nothing_done_is_nothing_spent() -> None:
    assert ledger().spent == PrivacySpent(0.0, 1e-5, 3.0, [])


def test_epsilon_is_what_the_accountant_says_after_every_step() -> None:
    ours, accountant = ledger(), RDPAccountant()
    for noise, rate, steps in ((1.0, 0.064, 80), (2.0, 0.1, 30), (1.0, 0.064, 80)):
        ours.add(Spent(noise, rate, steps))
        for _ in range(steps):
            accountant.step(noise_multiplier=noise, sample_rate=rate)
        assert ours.spent.epsilon == pytest.approx(accountant.get_epsilon(1e-5), rel=1e-9)
    assert [(s.noise_multiplier, s.steps) for s in ours.spent.steps] == [(1.0, 160), (2.0, 30)]


def test_epsilon_without_sampling_is_that_of_the_gaussian_mechanism() -> None:
    ours = ledger()
    ours.add(Spent(5.0, 1.0, 20))
    # Mironov (2017): alpha / (2 sigma^2) a step; to epsilon by Balle et al. (2020).
    renyi = ((a, 20 * a / (2 * 5.0**2)) for a in ORDERS)
    expected = min(r + math.log1p(-1 / a) - (math.log(1e-5) + math.log(a)) / (a - 1) for a, r in renyi)
    assert ours.spent.epsilon == pytest.approx(expected, rel=1e-6)


def test_a_published_figure_is_not_exceeded() -> None:
    ours = ledger()
    ours.add(Spent(4.0, 0.01, 10_000))
    assert 0.9 < ours.spent.epsilon <= 1.26  # Abadi et al. (2016), section 3.2


def test_it_grows_with_every_update_and_goes_on_after_a_restart() -> None:
    first, epsilons = ledger(), []
    for _ in range(4):
        first.add(Spent(1.0, 0.064, 80))
        epsilons.append(first.spent.epsilon)
        first = ledger(first.spent)
        assert first.spent.epsilon == epsilons[-1]
    assert epsilons == sorted(set(epsilons))
    assert ledger(first.spent, delta=1e-9).spent.epsilon > epsilons[-1]  # the same steps, another promise


def test_without_the_accountant_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opacus.accountants", None)
    with pytest.raises(LedgerError, match=r"^STREAMPROC_PRIVACY_NOISE_MULTIPLIER needs the package opacus"):
        ledger()
