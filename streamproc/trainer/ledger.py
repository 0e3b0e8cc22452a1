"""What meta-updates spend of the users' privacy, added up over restarts by an accountant."""

from __future__ import annotations

import importlib
from typing import Any

from models.privacy import Spent
from schemas.knowledge import PrivacySpent, PrivateSteps
from streamproc.errors import StreamprocError
from streamproc.settings import PREFIX, Settings

_ORDERS = [1 + x / 10 for x in range(1, 100)] + [*range(11, 64), 128, 256, 512, 1024]


class LedgerError(StreamprocError):
    """The accountant is not installed."""

    exit_code = 2


class Ledger:
    """The steps of all meta-updates, published or not, and the epsilon that they come to.

    Steps of one kind are one entry, so that a version's record holds all of them, however old the versions are that
    they made. The accountant is that of Opacus, by Renyi differential privacy (Mironov et al., 2019), for the sampled
    Gaussian mechanism; neighbouring data differ by one user's window, there or not.

    Parameters
    ----------
    settings
        Clip and delta.
    before
        What the newest version's record says was spent.

    Raises
    ------
    LedgerError
        Opacus is missing.
    """

    def __init__(self, settings: Settings, before: PrivacySpent | None) -> None:
        try:
            self._accountant: Any = importlib.import_module("opacus.accountants").RDPAccountant()  # takes seconds
        except ImportError as error:
            variable = f"{PREFIX}PRIVACY_NOISE_MULTIPLIER"
            raise LedgerError(
                f"{variable} needs the package opacus: install it or streamproc's extra privacy"
            ) from error
        self._clip, self._delta = settings.privacy_clip, settings.privacy_delta
        self._steps = {(s.noise_multiplier, s.sampling_rate): s.steps for s in before.steps} if before else {}
        self.spent = self._add_up()
        """The total, for the record of a version."""

    def add(self, spent: Spent) -> None:
        """Add what a meta-update spent."""
        kind = spent.noise_multiplier, spent.sampling_rate
        self._steps[kind] = self._steps.get(kind, 0) + spent.steps
        self.spent = self._add_up()

    def _add_up(self) -> PrivacySpent:
        self._accountant.history = [(*kind, steps) for kind, steps in self._steps.items()]
        epsilon = float(self._accountant.get_epsilon(self._delta, alphas=_ORDERS)) if self._steps else 0.0
        return PrivacySpent(
            epsilon, self._delta, self._clip, [PrivateSteps(*kind, steps) for kind, steps in self._steps.items()]
        )
