"""Fast weights: what a worker corrects of the ranker's head at every event, between two versions of the base.

    score(x) = base(x) + (delta + trust * d_u) . phi(x)        phi: the head's inputs, x and the last hidden layer

* delta, one for the worker: a gradient step at every event, each weight's divided by its running size, and decayed. It
  follows what has changed for everybody since the base was learned.
* d_u, one per user: d <- decay d - step_sizes[event type] g (ANIL: Raghu et al. 2020; Meta-SGD: Li et al. 2017). Decay
  and step sizes come with the base.
* trust, one factor per weight, the worker's: descends the loss as seen through d_u, first order, so that directions in
  which users are alike lose their say and those in which they differ gain it.

Neither is served unless it pays: delta while its running log-loss advantage is positive; d_u while the advantage of all
users with about as many events is beyond chance. Measured figures are in docs/quality.md.
"""

from __future__ import annotations

from struct import Struct

import numpy as np
from numpy.typing import NDArray

from models.base import BaseParameters, D
from models.features import LAYOUT
from models.jit import kernel
from models.rank import add_weighted, by_feature
from models.user_state import UserState

Floats = NDArray[np.float32]

_DELTA_RATE = 1e-3
_DELTA_KEPT = 0.999  # of the delta at each event: what proves lasting comes with the next base
_DELTA_MEMORY = 0.998  # of its running advantage at each event
_TRUST_RATE = 0.03
_TRUST_START, _TRUST_MOST = 0.4, 20.0
_MEMORY = 0.999  # of squared gradients, and of the users' advantage
_PROVEN = 20.0  # users' events before their advantage is believed
_STAGES = 8  # users of 1, 2-3, 4-7 ... 64-127 and more events
_LARGEST = 4.0  # of any fast weight: far beyond what is learned, well within float16

FORMAT = 0x81
"""First byte of a record of `FastWeights.encode`; no user record begins with it."""
_HEADER = Struct("<BIHQQQd")  # format, layout, D, events, steps of delta and of trust, the delta's advantage


class FastWeights:
    """One worker's delta, trust and gates; a function of the events it learned, in their order.

    Parameters
    ----------
    base : the version served; set another at a swap, what was learned is carried over.
    users, worker : whether the users' fast weights and the worker's delta are learned and served.

    Attributes
    ----------
    events : choices learned from.
    delta, trust : float32[F + H2].
    """

    def __init__(self, base: BaseParameters, users: bool = True, worker: bool = True) -> None:
        self.base = base
        self._of_users, self._of_worker = users, worker
        self.events = 0
        self.delta = np.zeros(D, np.float32)
        self.trust = np.full(D, _TRUST_START, np.float32)
        self._delta_square = np.zeros(D, np.float32)
        self._trust_square = np.zeros(D, np.float32)
        self._delta_steps = self._trust_steps = 0
        self._delta_advantage = 0.0
        self._users = np.zeros((_STAGES, 3))  # per stage: weight, sum and sum of squares of the advantages
        self._gradient = np.zeros(D, np.float32)

    def correction(self, state: UserState) -> Floats | None:
        """What is added to the head's weights for a user, `[F + H2]`; None where nothing has proven to pay."""
        delta = self.delta if self._delta_advantage > 0 else None
        if not self._pays(state):
            return delta
        own = self.trust * state.fast
        return own if delta is None else own + delta

    def _pays(self, state: UserState) -> bool:
        """Whether users about as well known are predicted better with fast weights, by more than a standard error."""
        weight, total, squares = self._users[_stage(state)].tolist()
        return bool(weight >= _PROVEN and total > squares**0.5)

    def adapt(self, state: UserState, inputs: Floats, scores: Floats, row: int, event_type: int) -> None:
        """Learn from a choice: update the gates, then take one step of everything.

        Parameters
        ----------
        inputs : float32[n, F + H2], the head's inputs of all candidates.
        scores : float32[n], of the base alone.
        row : the candidate that the user chose.
        """
        self.events += 1
        by_worker, trusted = descend(
            by_feature(inputs),
            scores,
            row,
            self._of_users,
            self._of_worker,
            self.base.step_sizes[event_type],
            self.base.decay,
            self._trust_steps,
            self._delta_steps,
            state.fast,
            self.trust,
            self._trust_square,
            self.delta,
            self._delta_square,
            self._users[_stage(state)],
            self._gradient,
        )
        if self._of_users:
            self._trust_steps += trusted
            state.fast = state.fast.astype(np.float16).astype(np.float32)
            state.base_version = self.base.version
        if self._of_worker:
            self._delta_advantage = _DELTA_MEMORY * self._delta_advantage + by_worker
            self._delta_steps += 1

    def encode(self) -> bytes:
        """All that is the worker's own, exactly, in less than 2 KB; the users' fast weights are in their records."""
        steps = self.events, self._delta_steps, self._trust_steps
        header = _HEADER.pack(FORMAT, LAYOUT, D, *steps, self._delta_advantage)
        return b"".join([header, *(array.astype(array.dtype.newbyteorder("<")).tobytes() for array in self._arrays())])

    def adopt(self, raw: bytes) -> bool:
        """Go on from a record of `encode`, if it was learned from more events than this; returns whether it does.

        A record of another layout of features, or a damaged one, is not taken: what it holds is learned anew.

        Examples
        --------
        >>> from models.base import initial_parameters
        >>> first, second = (FastWeights(initial_parameters()) for _ in range(2))
        >>> first.events, first.delta[3] = 7, 0.5
        >>> second.adopt(first.encode()), second.events, float(second.delta[3]), second.adopt(first.encode())
        (True, 7, 0.5, False)
        """
        sizes = [array.nbytes for array in self._arrays()]
        if len(raw) != _HEADER.size + sum(sizes):
            return False
        form, layout, width, events, delta_steps, trust_steps, advantage = _HEADER.unpack_from(raw)
        if (form, layout, width) != (FORMAT, LAYOUT, D) or events <= self.events:
            return False
        kept, at = [], _HEADER.size
        for array, size in zip(self._arrays(), sizes, strict=True):
            little = array.dtype.newbyteorder("<")
            kept.append(np.frombuffer(raw, little, array.size, at).reshape(array.shape).astype(array.dtype))
            at += size
        if not all(np.isfinite(array).all() for array in kept) or not np.isfinite(advantage):
            return False
        self.events, self._delta_steps, self._trust_steps, self._delta_advantage = (
            events,
            delta_steps,
            trust_steps,
            advantage,
        )
        self.delta, self.trust, self._delta_square, self._trust_square, self._users = kept
        return True

    def _arrays(self) -> tuple[NDArray[np.floating], ...]:
        return self.delta, self.trust, self._delta_square, self._trust_square, self._users


def _stage(state: UserState) -> int:
    return min(state.events.bit_length(), _STAGES - 1)


@kernel
def descend(
    inputs, scores, row, of_users, of_worker, step_sizes, decay, trust_steps, delta_steps, fast, trust, trust_square,
    delta, delta_square, advantage, gradient,
):  # fmt: skip
    """Learn all that an event teaches; one call, since the work is as short as what it costs to be called.

    Parameters
    ----------
    inputs : float32[F + H2, n].
    advantage : float64[3], of users as well known: weight, sum and sum of squares.

    Returns
    -------
    By how many nats the choice is likelier by `delta` than by the base, and whether `trust` took a step.
    """
    own = trust * fast
    by_worker, by_user = compare(inputs, scores, row, delta, own, gradient)
    trusted = of_users and own.any()
    if trusted:
        advantage *= _MEMORY
        advantage[0] += 1
        advantage[1] += by_user
        advantage[2] += by_user * by_user
        descend_trust(gradient, fast, unbias(trust_steps + 1), trust_square, trust)
    if of_users:
        descend_user(gradient, step_sizes, np.float32(decay), fast)
    if of_worker:
        descend_delta(gradient, unbias(delta_steps + 1), delta_square, delta)
    return by_worker, trusted


@kernel
def unbias(steps):
    """Correction of a running mean that started at zero."""
    return np.float32(1 / (1 - _MEMORY**steps))


@kernel
def compare(inputs, scores, row, delta, own, gradient):
    """Write the listwise loss's gradient at the scores corrected by `delta` and `own` into `gradient`.

    `inputs` is float32[F + H2, n].

    Returns by how many nats the choice is likelier by `delta` than by the base alone, and by both than by `delta`.
    """
    width, n = inputs.shape
    by_worker = scores.copy()
    add_weighted(inputs, delta, by_worker)
    by_both = by_worker.copy()
    add_weighted(inputs, own, by_both)
    plain = _log_share(scores, row)
    worker = _log_share(by_worker, row)
    both = _log_share(by_both, row)
    shift = by_both[row] - both
    error = np.empty(n, np.float32)
    for i in range(n):
        error[i] = np.exp(by_both[i] - shift)
    error[row] -= np.float32(1)
    for f in range(width):
        total = np.float32(0)
        for i in range(n):
            total += error[i] * inputs[f, i]
        gradient[f] = total
    return worker - plain, both - worker


@kernel
def _log_share(scores, row):
    """Logarithm of the softmax share of one score."""
    highest = scores.max()
    total = np.float32(0)
    for i in range(len(scores)):
        total += np.exp(scores[i] - highest)
    return scores[row] - highest - np.log(total)


@kernel
def descend_user(gradient, step_sizes, decay, fast):
    """One step of a user's fast weights."""
    for f in range(len(fast)):
        moved = decay * fast[f] - step_sizes[f] * gradient[f]
        fast[f] = min(max(moved, np.float32(-_LARGEST)), np.float32(_LARGEST))


@kernel
def descend_trust(gradient, fast, unbias, square, trust):
    """One step of the trust: d(loss) / d(trust[f]) = gradient[f] fast[f]."""
    for f in range(len(trust)):
        slope = gradient[f] * fast[f]
        square[f] += np.float32(1 - _MEMORY) * (slope * slope - square[f])
        moved = trust[f] - np.float32(_TRUST_RATE) * slope / (np.sqrt(square[f] * unbias) + np.float32(1e-8))
        trust[f] = min(max(moved, np.float32(0)), np.float32(_TRUST_MOST))


@kernel
def descend_delta(gradient, unbias, square, delta):
    """One step of the delta."""
    for f in range(len(delta)):
        square[f] += np.float32(1 - _MEMORY) * (gradient[f] * gradient[f] - square[f])
        step = gradient[f] / np.sqrt(square[f] * unbias + np.float32(1e-6))
        delta[f] = np.float32(_DELTA_KEPT) * delta[f] - np.float32(_DELTA_RATE) * step
