"""The base network on one flat parameter vector, with the listwise loss's gradient in closed form.

A step on three lists of 17 candidates is too small for a tensor library: through torch's autograd it took 800 us, by
hand with torch's operators 270, and as one kernel 40. The tests hold it against autograd and torch's own Adam.
"""

from __future__ import annotations

from itertools import accumulate, pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.base import LEAK, BaseParameters
from models.jit import kernel

FIELDS = ("w1", "b1", "w2", "b2", "skip", "out")
_BETA1, _BETA2 = 0.9, 0.999

Floats = NDArray[np.float32]


class Parts(NamedTuple):
    """Views into one flat vector: w1[H1, F], b1[H1], w2[H2, H1], b2[H2], skip[F], out[H2]."""

    w1: Floats
    b1: Floats
    w2: Floats
    b2: Floats
    skip: Floats
    out: Floats


class Layout:
    """Where each weight lies in the flat vector; the head, [skip, out] in the order of the fast weights, at its end.

    Parameters
    ----------
    like : parameters whose shapes are taken.
    """

    def __init__(self, like: BaseParameters) -> None:
        self._shapes = [tuple(np.shape(getattr(like, name))) for name in FIELDS]
        ends = list(accumulate((int(np.prod(shape)) for shape in self._shapes), initial=0))
        self._slices = [slice(a, b) for a, b in pairwise(ends)]
        self.head = slice(self._slices[4].start, ends[-1])

    def parts(self, theta: Floats) -> Parts:
        """Views of a flat vector."""
        return Parts(*(theta[s].reshape(shape) for s, shape in zip(self._slices, self._shapes, strict=True)))

    def pack(self, parameters: BaseParameters) -> Floats:
        """A flat copy of the network's weights."""
        return np.concatenate([np.asarray(getattr(parameters, name), np.float32).ravel() for name in FIELDS])

    def unpack(self, theta: Floats) -> dict[str, Any]:
        """The weights as named float32 arrays, copied."""
        return {name: part.copy() for name, part in self.parts(theta)._asdict().items()}


class AveragedAdam:
    """Adam (Kingma and Ba, 2015) with L2 weight decay on a flat vector, and an average of its recent iterates.

    Parameters
    ----------
    theta : start; a copy is stepped in place.
    window : steps the average remembers; before that it covers the later half of the steps so far.
    """

    def __init__(self, theta: Floats, rate: float, weight_decay: float, window: float) -> None:
        self.theta = theta.copy()
        self.average = theta.copy()
        self.gradient = np.zeros_like(theta)
        self.first = np.zeros_like(theta)
        self.second = np.zeros_like(theta)
        self.steps = 0
        self._averaged_from = 0
        self.rate, self._weight_decay, self._window = rate, weight_decay, window

    def step(self) -> None:
        """Move by what lies in `gradient`."""
        self.steps += 1
        descend(
            self.theta,
            self.gradient,
            self.first,
            self.second,
            self.average,
            np.float32(self.rate / (1 - _BETA1**self.steps)),
            np.float32(1 / (1 - _BETA2**self.steps)),
            np.float32(self._weight_decay),
            np.float32(1 / min(self._window, 1 + (self.steps - self._averaged_from) / 2)),
        )

    def average_anew(self) -> None:
        """Forget the iterates so far: what they fitted is gone."""
        self.average[:] = self.theta
        self._averaged_from = self.steps


@kernel
def descend(theta, gradient, first, second, average, rate, unbias, weight_decay, share):
    """One step of Adam; `rate` and `unbias` carry the corrections of the two moments' start at zero."""
    for i in range(len(theta)):
        slope = gradient[i] + weight_decay * theta[i]
        first[i] += np.float32(1 - _BETA1) * (slope - first[i])
        second[i] += np.float32(1 - _BETA2) * (slope * slope - second[i])
        theta[i] -= rate * first[i] / (np.sqrt(second[i] * unbias) + np.float32(1e-8))
        average[i] += share * (theta[i] - average[i])


def gradient(theta: Parts, x: Floats, correction: Floats, into: Parts) -> float:
    """Write the gradient of the mean listwise loss of x[B, n, F] and correction[B, n] into `into`; returns that loss.

    Row 0 of each list is the positive.
    """
    loss: float = backward(*theta, x.reshape(-1, x.shape[-1]), correction, *into)
    return loss


@kernel
def backward(w1, b1, w2, b2, skip, out, x, correction, g_w1, g_b1, g_w2, g_b2, g_skip, g_out):
    """Forward and backward pass over all rows x[B n, F] at once."""
    a1, h1 = _layer(x, w1, b1)
    a2, h2 = _layer(h1, w2, b2)
    error = np.dot(x, skip) + np.dot(h2, out)
    loss = _errors(error, correction)
    g_skip[:] = np.dot(error, x)
    g_out[:] = np.dot(error, h2)
    for i in range(a2.shape[0]):
        for h in range(a2.shape[1]):
            h2[i, h] = error[i] * out[h]
    _through(h2, a2, g_b2)
    g_w2[:] = np.dot(h2.T, h1)
    d1 = np.dot(h2, w2)
    _through(d1, a1, g_b1)
    g_w1[:] = np.dot(d1.T, x)
    return loss


@kernel
def _layer(x, weights, bias):
    """Activations before and after the leaky ReLU."""
    before = np.dot(x, weights.T)
    after = np.empty_like(before)
    for i in range(before.shape[0]):
        for h in range(before.shape[1]):
            value = before[i, h] + bias[h]
            before[i, h] = value
            after[i, h] = max(value, np.float32(LEAK) * value)
    return before, after


@kernel
def _errors(logits, correction):
    """Turn the logits into d(mean loss) / d(logit); returns the mean loss."""
    lists, rows = correction.shape
    loss = 0.0
    for b in range(lists):
        scores = logits[b * rows : (b + 1) * rows]
        scores += correction[b]
        scores -= scores.max()
        total = 0.0
        for i in range(rows):
            scores[i] = np.exp(scores[i])
            total += scores[i]
        loss -= np.log(max(scores[0] / total, 1e-12))
        for i in range(rows):
            scores[i] /= np.float32(total * lists)
        scores[0] -= np.float32(1 / lists)
    return loss / lists


@kernel
def _through(delta, before, bias):
    """Pass `delta` back through the leaky ReLU in place; the sum over rows is the gradient of the bias."""
    bias[:] = 0
    for i in range(delta.shape[0]):
        for h in range(delta.shape[1]):
            if before[i, h] <= 0:
                delta[i, h] *= np.float32(LEAK)
            bias[h] += delta[i, h]
