"""The inner loop, as workers run it: users adapt along a window of theirs, with outer gradients in closed form.

After each event d <- decay d - step_sizes[type] g, where g is the gradient of the listwise loss. Every event is a query
for the fast weights of the events strictly before it. With S_k the decayed sum of the gradients of type k,
d = -sum_k step_sizes[k] S_k, so the outer gradients at a query with gradient g are g for the head, -g S_k for
step_sizes[k], and g . dd/d(decay) for the decay.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor


@contextlib.contextmanager
def learning() -> Iterator[None]:
    """Torch without autograd and on one thread, as it was again afterwards.

    On a busy machine two threads that wait for each other are slower than one, and sums in one order are the same on
    every machine.
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


class Windows(NamedTuple):
    """User windows: U users, T successive events, n candidates (row 0 the positive), P head inputs.

    `valid` tells real events from the padding after (or before) a short window.
    """

    inputs: Tensor  # float32[U, T, n, P]
    correction: Tensor  # float32[U, T, n]
    event_type: Tensor  # int64[U, T]
    valid: Tensor  # bool[U, T]

    def of(self, users: Tensor) -> Windows:
        """The windows of some users."""
        return Windows(*(tensor[users] for tensor in self))


class Start(NamedTuple):
    """Where every user starts: head[P], step_sizes[3, P] and the decay, a scalar tensor."""

    head: Tensor
    step_sizes: Tensor
    decay: Tensor


def rollout(windows: Windows, start: Start, query: Tensor | None = None) -> tuple[Tensor, Start]:
    """Adapt every user along the window.

    Parameters
    ----------
    windows : U users, T events.
    start : head, step sizes, decay.
    query : bool[U, T], the events whose outer gradients are summed; None: none.

    Returns
    -------
    Losses [U, T], each of an event before it is learned from (zero where there is none), and each user's outer
    gradients, summed over the queries: as `start`, with users as first dimension.
    """
    users, length, _, width = windows.inputs.shape
    device = windows.inputs.device
    head, step_sizes, decay = start
    by_type = torch.zeros(users, len(step_sizes), width, device=device)  # S_k
    fast = torch.zeros(users, width, device=device)  # d
    fast_by_decay = torch.zeros(users, width, device=device)  # dd / d(decay)
    losses = torch.zeros(users, length, device=device)
    outer = Start(*(torch.zeros(users, *tensor.shape, device=device) for tensor in start))
    everyone = torch.arange(users, device=device)
    for t in range(length):
        phi, valid = windows.inputs[:, t], windows.valid[:, t]
        logits = torch.bmm(phi, (head + fast).unsqueeze(-1)).squeeze(-1) + windows.correction[:, t]
        log_share = torch.log_softmax(logits, -1)
        losses[:, t] = torch.where(valid, -log_share[:, 0], 0.0)
        error = log_share.exp()
        error[:, 0] -= 1
        gradient = torch.bmm(error.unsqueeze(1), phi).squeeze(1) * valid[:, None]
        if query is not None:
            asked = gradient * query[:, t, None]
            outer.head.add_(asked)
            outer.step_sizes.sub_(asked.unsqueeze(1) * by_type)
            outer.decay.add_((asked * fast_by_decay).sum(1))
            fast_by_decay = fast + decay * fast_by_decay
        by_type *= decay
        by_type[everyone, windows.event_type[:, t]] += gradient
        fast = -(step_sizes * by_type).sum(1)
    return losses, outer
