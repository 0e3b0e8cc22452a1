"""User-level differential privacy of the meta-update, by DP-FedAvg (McMahan et al., 2018).

Each outer step takes every user with the same chance, whoever else takes part (Poisson sampling). What a user
contributes, one vector over all meta-learned parameters however many events there are, is clipped in its L2 norm; the
sum gets Gaussian noise in proportion to the clip and is divided by a constant. So the result hardly tells whether any
one user's window was there, and the moments accountant (Abadi et al., 2016) says how little, from `Spent` alone.

Everything after that is post-processing: the outer optimiser, its averages, the projection. What would look at users
again without noise, early stopping and the choice of how far to trust adaptation, is left out (`models.meta`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Privacy:
    """Settings of the mechanism.

    Attributes
    ----------
    clip : largest L2 norm of a user's contribution to a step.
    noise_multiplier : standard deviation of the noise on the sum of contributions, in clips.
    seed : of sampling and noise. Whoever knows it can take the noise off again: never one constant in service.
    sampling_rate : chance of each user to take part in a step.
    steps : outer steps of a meta-update; fixed, as to stop by what users' windows say would tell of them.
    """

    clip: float
    noise_multiplier: float
    seed: int
    sampling_rate: float = 0.064
    steps: int = 80


class Spent(NamedTuple):
    """What a meta-update has spent: so many steps of the sampled Gaussian mechanism."""

    noise_multiplier: float
    sampling_rate: float
    steps: int


class Mechanism:
    """The sampled Gaussian mechanism; its random numbers go on from one meta-update to the next.

    Examples
    --------
    >>> mechanism = Mechanism(Privacy(clip=1.0, noise_multiplier=0.0, seed=1, sampling_rate=1.0))
    >>> mechanism.sample(3).tolist()
    [0, 1, 2]
    >>> mechanism.mean(torch.tensor([[0.6, 0.0], [0.0, 400.0]]), expected=2).tolist()
    [0.30000001192092896, 0.5]
    """

    def __init__(self, privacy: Privacy) -> None:
        self.privacy = privacy
        self._generator = torch.Generator().manual_seed(privacy.seed)

    def sample(self, users: int) -> Tensor:
        """Which of `users` take part in a step: their indices."""
        return torch.nonzero(torch.rand(users, generator=self._generator) < self.privacy.sampling_rate).flatten()

    def mean(self, contributions: Tensor, expected: float) -> Tensor:
        """The noisy mean of contributions [n, D], one row for each user that was sampled.

        Parameters
        ----------
        contributions : gradients; what is not finite counts as zero, for it has no norm to clip.
        expected : what the sum is divided by; a constant, for how many were sampled is a secret, too.
        """
        total = clipped(contributions, self.privacy.clip).sum(0)
        noise = torch.randn(len(total), generator=self._generator).to(total.device)
        return (total + noise * (self.privacy.noise_multiplier * self.privacy.clip)) / expected


def clipped(contributions: Tensor, clip: float) -> Tensor:
    """Rows [n, D] of an L2 norm of at most `clip`, in their directions."""
    finite = torch.nan_to_num(contributions, posinf=0.0, neginf=0.0)
    norms: Tensor = torch.linalg.vector_norm(finite, dim=1, keepdim=True)
    return finite * (clip / norms.clamp(min=clip))
