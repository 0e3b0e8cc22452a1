"""What one event teaches: the user's fast weights at once, and the shared base through a training example."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.base import BaseParameters
from models.features import LAYOUT, F
from models.interaction import Interaction
from models.knowledge.arrays import spread
from models.rank import softmax
from models.user_state import UserState
from schemas.training import Moments, TrainingExample, quantise

Floats = NDArray[np.float32]

NEGATIVES = 16
_GATE_MEMORY = 0.95  # of the running advantage at each event
_GATE_EVIDENCE = 3.0  # events (decayed) before the fast weights may be served
_LARGEST = 4.0  # of any fast weight: far beyond what is learned, well within float16


def served(state: UserState) -> bool:
    """Whether the fast weights have earned their say: their running log-loss advantage is positive."""
    return bool(state.gate[1] >= _GATE_EVIDENCE and state.gate[0] > 0)


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
    adapted = scores + inputs @ state.fast
    shares = softmax(adapted)
    if state.fast.any():
        plain = softmax(scores)
        gain = float(np.log(max(shares[row], 1e-9)) - np.log(max(plain[row], 1e-9)))
        state.gate[0] = _GATE_MEMORY * state.gate[0] + gain
        state.gate[1] = _GATE_MEMORY * state.gate[1] + 1
    shares[row] -= 1
    gradient = shares @ inputs
    fast = np.float32(base.decay) * state.fast - base.step_sizes[event_type] * gradient
    state.fast = np.clip(fast, -_LARGEST, _LARGEST).astype(np.float16).astype(np.float32)
    state.base_version = base.version


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
    n = len(scores)
    if n < 2:
        return None
    shares = softmax(scores).astype(np.float64)
    shares[row] = 0.0
    proposal = 0.5 * shares / max(shares.sum(), 1e-12) + 0.5 / (n - 1)
    proposal[row] = 0.0
    proposal /= proposal.sum()
    rng = np.random.Generator(np.random.PCG64(seed))
    drawn = np.searchsorted(np.cumsum(proposal), rng.random(NEGATIVES)).clip(0, n - 1)
    drawn = drawn[drawn != row]
    correction = np.zeros(len(drawn) + 1, np.float16)
    correction[1:] = -np.log(NEGATIVES * proposal[drawn])
    return TrainingExample(
        layout=LAYOUT,
        event_type=int(event.event_type),
        user=event.user,
        timestamp_ms=event.timestamp_ms,
        base_version=base.version,
        partition=source[0],
        offset=source[1],
        correction=correction,
        features=quantise(x[np.r_[row, drawn]]),
    )


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
        wide = raw.astype(np.float64)
        self._sum += wide.sum(axis=0)
        self._squares += np.einsum("nf,nf->f", wide, wide)

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
