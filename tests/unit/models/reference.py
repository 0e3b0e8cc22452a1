"""The ranker as a torch module: what the kernels that serve and learn it are held against."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.functional import leaky_relu, linear

from models.base import BaseParameters

_WEIGHTS = ("w1", "b1", "w2", "b2", "out", "skip")


class BaseNet(nn.Module):
    """The network of `parameters`, for autograd."""

    def __init__(self, parameters: BaseParameters) -> None:
        super().__init__()
        self.weights = nn.ParameterDict({name: torch.from_numpy(getattr(parameters, name).copy()) for name in _WEIGHTS})

    def forward(self, x: torch.Tensor, delta: torch.Tensor | None = None) -> torch.Tensor:
        """Scores [B, n] of standardised x[B, n, F], with fast weights delta[B, F + H2] if any."""
        w = self.weights
        last = leaky_relu(linear(leaky_relu(linear(x, w["w1"], w["b1"])), w["w2"], w["b2"]))
        scores = x @ w["skip"] + last @ w["out"]
        if delta is not None:
            scores = scores + (torch.cat([x, last], dim=-1) @ delta.unsqueeze(-1)).squeeze(-1)
        return scores
