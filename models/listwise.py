"""The base network on one flat parameter vector, with the listwise loss's gradient in closed form.

Stepping through autograd and a per-tensor optimiser costs 770 us for 24 lists of 17 candidates on one core; written out
on a flat vector it costs 400, and averaging, Adam and the scaler's moves become single vector operations. The tests
hold it against `BaseNet` and autograd.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from itertools import accumulate, pairwise
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from models.base import BaseParameters

SLOPE = 0.01  # of the leaky ReLU below zero
FIELDS = ("w1", "b1", "w2", "b2", "skip", "out")


@contextlib.contextmanager
def learning() -> Iterator[None]:
    """Torch without autograd and on one thread, as it was again afterwards.

    A step is too small to share: on a busy machine two threads that wait for each other made it ten times slower. And
    sums in one order are the same on every machine.
    """
    threads = torch.get_num_threads()
    if threads != 1:
        torch.set_num_threads(1)
    try:
        with torch.inference_mode():
            yield
    finally:
        if threads != 1:
            torch.set_num_threads(threads)


class Parts(NamedTuple):
    """Views into one flat vector: w1[H1, F], b1[H1], w2[H2, H1], b2[H2], skip[F], out[H2]."""

    w1: Tensor
    b1: Tensor
    w2: Tensor
    b2: Tensor
    skip: Tensor
    out: Tensor


class ListwiseNet:
    """Scores, losses and gradients of flat parameter vectors of one shape.

    Parameters
    ----------
    like : parameters whose shapes are taken.
    """

    def __init__(self, like: BaseParameters) -> None:
        self.shapes = [tuple(np.shape(getattr(like, name))) for name in FIELDS]
        ends = list(accumulate((int(np.prod(shape)) for shape in self.shapes), initial=0))
        self._slices = [slice(a, b) for a, b in pairwise(ends)]
        self.size = ends[-1]
        # The head, which a user's fast weights correct, lies at the end, in their order: [skip, out].
        self.head = slice(self._slices[4].start, self.size)

    def parts(self, theta: Tensor) -> Parts:
        """Views of a flat vector."""
        return Parts(*(theta[s].view(shape) for s, shape in zip(self._slices, self.shapes, strict=True)))

    def pack(self, parameters: BaseParameters) -> Tensor:
        """A flat copy of the network's weights."""
        flat = np.concatenate([np.asarray(getattr(parameters, name), np.float32).ravel() for name in FIELDS])
        return torch.from_numpy(flat)

    def unpack(self, theta: Tensor) -> dict[str, Any]:
        """The weights as named float32 arrays, copied."""
        flat = theta.detach().cpu().numpy()
        named = zip(FIELDS, self._slices, self.shapes, strict=True)
        return {name: flat[s].reshape(shape).copy() for name, s, shape in named}

    def head_inputs(self, theta: Tensor, x: Tensor) -> Tensor:
        """What the head weighs: [x, h2] of `[..., F]` inputs, `[..., F + H2]`."""
        p = self.parts(theta)
        h1 = _leaky(torch.nn.functional.linear(x, p.w1, p.b1))
        return torch.cat((x, _leaky(torch.nn.functional.linear(h1, p.w2, p.b2))), -1)

    def losses(self, theta: Tensor, x: Tensor, correction: Tensor) -> Tensor:
        """Listwise losses [B] (nats) of x[B, n, F] and correction[B, n]; row 0 is the positive."""
        logits = self.head_inputs(theta, x) @ theta[self.head] + correction
        return -torch.log_softmax(logits, -1)[..., 0]

    def gradient(self, theta: Parts, x: Tensor, correction: Tensor, into: Parts) -> float:
        """Write the gradient of the mean listwise loss of x[B, n, F] into the views `into`; returns that loss."""
        lists, rows, features = x.shape
        flat = x.view(lists * rows, features)
        a1 = torch.addmm(theta.b1, flat, theta.w1.T)
        h1 = _leaky(a1)
        a2 = torch.addmm(theta.b2, h1, theta.w2.T)
        h2 = _leaky(a2)
        logits = torch.mv(flat, theta.skip).addmv_(h2, theta.out).view(lists, rows).add_(correction)
        error = torch.softmax(logits, 1)
        loss = -float(error[:, 0].clamp(min=1e-12).log().mean())
        error[:, 0] -= 1
        error = error.div_(lists).view(-1)
        torch.mv(flat.T, error, out=into.skip)
        torch.mv(h2.T, error, out=into.out)
        d2 = _leaky_backward(torch.outer(error, theta.out), a2)
        torch.mm(d2.T, h1, out=into.w2)
        torch.sum(d2, 0, out=into.b2)
        d1 = _leaky_backward(d2 @ theta.w2, a1)
        torch.mm(d1.T, flat, out=into.w1)
        torch.sum(d1, 0, out=into.b1)
        return loss


class AveragedAdam:
    """Adam (Kingma and Ba, 2015) with L2 weight decay on a flat vector, and an average of its recent iterates.

    Parameters
    ----------
    theta : start; a copy is stepped in place.
    window : steps the average remembers; before that it covers the later half of the steps so far.
    """

    def __init__(self, theta: Tensor, rate: float, weight_decay: float, window: float) -> None:
        self.theta = theta.clone()
        self.average = theta.clone()
        self.gradient = torch.zeros_like(theta)
        self.first = torch.zeros_like(theta)
        self.second = torch.zeros_like(theta)
        self.steps = 0
        self.rate, self._weight_decay, self._window = rate, weight_decay, window

    def step(self) -> None:
        """Move by what lies in `gradient`."""
        self.steps += 1
        beta1, beta2 = 0.9, 0.999
        gradient = self.gradient.add_(self.theta, alpha=self._weight_decay)
        self.first.lerp_(gradient, 1 - beta1)
        self.second.mul_(beta2).addcmul_(gradient, gradient, value=1 - beta2)
        spread = (self.second / (1 - beta2**self.steps)).sqrt_().add_(1e-8)
        self.theta.addcdiv_(self.first, spread, value=-self.rate / (1 - beta1**self.steps))
        self.average.lerp_(self.theta, 1 / min(self._window, 1 + self.steps / 2))

    def restart(self, theta: Tensor) -> None:
        """Continue from `theta`, with the gradient statistics forgotten."""
        self.theta.copy_(theta)
        self.average.copy_(theta)
        self.first.zero_()
        self.second.zero_()
        self.steps = 0


def _leaky(a: Tensor) -> Tensor:
    return torch.nn.functional.leaky_relu(a, SLOPE)


def _leaky_backward(gradient: Tensor, a: Tensor) -> Tensor:
    # One kernel; `torch.where` with two scalars took four times as long.
    passed: Tensor = torch.ops.aten.leaky_relu_backward(gradient, a, SLOPE, False)
    return passed
