"""What one event teaches: the user's fast weights at once, and the shared base through a training example."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.base import BaseParameters
from models.features import LAYOUT, F
from models.interaction import Interaction
from models.jit import kernel
from models.knowledge.arrays import spread
from models.rank import softmax
from models.user_state import UserState
from schemas.training import FEATURE_SCALE, Moments, TrainingExample

Floats = NDArray[np.float32]

NEGATIVES = 16
_GATE_MEMORY = 0.98  # of the running advantage at each event
_GATE_MARGIN = 0.3  # nats of running advantage, and ...
_GATE_DEVIATIONS = 1.5  # ... standard deviations of it that open the gate: never lost on four streams, 1.0 did on one
_LARGEST = 4.0  # of any fast weight: far beyond what is learned, well within float16


def served(state: UserState) -> bool:
    """Whether the fast weights have earned their say: their running log-loss advantage is beyond chance."""
    return bool(state.gate[0] > max(_GATE_MARGIN, _GATE_DEVIATIONS * float(state.gate[1]) ** 0.5))


def adapt(state: UserState, base: BaseParameters, inputs: Floats, scores: Floats, row: int, event_type: int) -> None:
    """Update the gate, then take one gradient step of the listwise loss on the fast weights.

    First-order ANIL with Meta-SGD step sizes: d <- decay d - step_sizes[event_type] g, with g the gradient at the
    adapted scores.

    Parameters
    ----------
    inputs : float32[n, F + H2], the head's inputs of all candidates.
    scores : float32[n], without fast weights.
    row : the candidate that the user chose.
    """
    gain = step(
        inputs, scores, row, base.step_sizes[event_type], np.float32(base.decay), np.float32(_LARGEST), state.fast
    )
    state.gate[0] = _GATE_MEMORY * state.gate[0] + gain
    state.gate[1] = _GATE_MEMORY**2 * state.gate[1] + gain * gain
    state.fast = state.fast.astype(np.float16).astype(np.float32)
    state.base_version = base.version


@kernel
def step(inputs, scores, row, step_sizes, decay, largest, fast):
    """Move the fast weights by one gradient; returns by how many nats they had bettered the prediction."""
    n, width = inputs.shape
    shares = np.empty(n, np.float32)
    highest_plain = np.float32(-np.inf)
    highest = np.float32(-np.inf)
    for i in range(n):
        adapted = scores[i]
        for f in range(width):
            adapted += inputs[i, f] * fast[f]
        shares[i] = adapted
        highest = max(highest, adapted)
        highest_plain = max(highest_plain, scores[i])
    gain = (shares[row] - highest) - (scores[row] - highest_plain)
    total = 0.0
    total_plain = 0.0
    for i in range(n):
        shares[i] = np.exp(shares[i] - highest)
        total += shares[i]
        total_plain += np.exp(scores[i] - highest_plain)
    gain += np.log(total_plain) - np.log(total)
    gradient = np.zeros(width, np.float32)
    for i in range(n):
        error = np.float32(shares[i] / total)
        if i == row:
            error -= np.float32(1)
        for f in range(width):
            gradient[f] += error * inputs[i, f]
    moved = False
    for f in range(width):
        moved = moved or fast[f] != 0
        fast[f] = min(max(decay * fast[f] - step_sizes[f] * gradient[f], -largest), largest)
    return gain if moved else 0.0


def example(
    base: BaseParameters, event: Interaction, x: Floats, scores: Floats, row: int, seed: int, source: tuple[int, int]
) -> TrainingExample | None:
    """The compact example of an event: its item and 16 negatives, half uniform, half drawn from the served softmax.

    Negatives are drawn with replacement; the correction -log(m q) makes the sampled softmax an unbiased estimate of
    the whole one (Bengio and Senecal 2008). None where there was nothing to choose from.

    Parameters
    ----------
    x : float32[n, F], standardised.
    seed : of the draw, a function of the event.
    """
    if len(scores) < 2:
        return None
    correction = np.zeros(NEGATIVES + 1, np.float32)
    features = np.empty((NEGATIVES + 1, F), np.int8)
    draw(x, softmax(scores), row, np.uint64(seed), correction, features)
    return TrainingExample(
        layout=LAYOUT,
        event_type=int(event.event_type),
        user=event.user,
        timestamp_ms=event.timestamp_ms,
        base_version=base.version,
        partition=source[0],
        offset=source[1],
        correction=correction.astype(np.float16),
        features=features,
    )


@kernel
def draw(x, shares, row, seed, correction, features):
    """Fill `correction` and `features` with the positive and the negatives drawn.

    Draw number i takes the point (i + u_i) / m of the proposal's distribution function: stratified, so that no part of
    the candidates is left out by chance.
    """
    n = len(shares)
    total = np.float64(1e-12)
    for i in range(n):
        if i != row:
            total += shares[i]
    for f in range(x.shape[1]):
        features[0, f] = np.int8(np.rint(x[row, f] * np.float32(FEATURE_SCALE)))
    drawn = len(correction) - 1
    passed = 0.0
    at = -1
    share = 0.0
    for i in range(drawn):
        seed = spread(seed + np.uint64(0x9E3779B97F4A7C15))
        point = (i + np.float64(seed >> np.uint64(11)) / 9007199254740992.0) / drawn
        while at < 0 or (passed < point and at < n - 1):
            at += 1
            share = 0.0 if at == row else 0.5 * shares[at] / total + 0.5 / (n - 1)
            passed += share
        if share == 0.0:  # rounding left the last point behind the positive at the end of the list
            at = n - 2
            share = 0.5 * shares[at] / total + 0.5 / (n - 1)
        correction[i + 1] = -np.log(drawn * share)
        for f in range(x.shape[1]):
            features[i + 1, f] = np.int8(np.rint(x[at, f] * np.float32(FEATURE_SCALE)))


def seed_of(event: Interaction, events: int) -> int:
    """Seed of everything drawn at an event."""
    return int(spread(np.uint64((event.user ^ (event.timestamp_ms * 0x9E3779B97F4A7C15) ^ events) & (2**64 - 1))))


class RunningMoments:
    """Moments of the raw candidate features since they were last taken (Chan, Golub and LeVeque 1979)."""

    def __init__(self) -> None:
        self._count = 0
        self._sum = np.zeros(F)
        self._squares = np.zeros(F)

    def add(self, raw: Floats) -> None:
        """Add rows `[n, F]`."""
        self._count += len(raw)
        add_moments(raw, self._sum, self._squares)

    def take(self) -> Moments | None:
        """The moments, which start anew; None where there are none."""
        if self._count == 0:
            return None
        mean = self._sum / self._count
        moments = Moments(LAYOUT, float(self._count), mean, np.maximum(self._squares - self._count * mean**2, 0.0))
        self._count = 0
        self._sum[:] = 0
        self._squares[:] = 0
        return moments


@kernel
def add_moments(raw, total, squares):
    """Add the columns' sums, and those of their squares, in float64."""
    for i in range(len(raw)):
        for f in range(raw.shape[1]):
            value = np.float64(raw[i, f])
            total[f] += value
            squares[f] += value * value
