"""First-order meta-learning of where users start and how fast they move away from it.

ANIL (Raghu et al., 2020): only the head adapts, here the linear skip and the weights of the last hidden layer; its
inputs come from the frozen body, so that both loops have closed forms. Meta-SGD (Li et al., 2017): one step size per
weight, here also per event type. First-order (Finn et al., 2017): a support gradient counts as a constant.

The inner loop is the worker's: after each event d <- decay d - step_sizes[type] g, where g is the gradient of the
listwise loss. Every event is a query for the fast weights of the events strictly before it. With S_k the decayed sum of
the gradients of type k, d = -sum_k step_sizes[k] S_k, so the outer gradients at a query with gradient g are g for the
head, -g S_k for step_sizes[k], and g . dd/d(decay) for the decay.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from models.listwise import AveragedAdam


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


@dataclass(frozen=True, slots=True)
class MetaConfig:
    """Settings of the meta-update.

    Attributes
    ----------
    users, length : windows of at most `length` successive events of the `users` seen last.
    batch : users per outer step.
    epochs, patience : passes at most, and passes without a better validation loss before it stops.
    rate, step_size_rate : outer Adam's rates, of the head and of step sizes and decay.
    shrinkage : pull of every step size towards zero, in nats per unit; where adapting pays less it goes to zero.
    validation : newest held-out examples that only decide when to stop and what to keep.
    min_queries : fewer validation queries than this prove nothing: no update.
    """

    users: int = 1_000
    length: int = 16
    batch: int = 64
    epochs: int = 20
    patience: int = 3
    rate: float = 1e-3
    step_size_rate: float = 1e-4
    shrinkage: float = 2e-5
    validation: int = 500
    min_queries: int = 50


@dataclass(frozen=True, slots=True)
class MetaReport:
    """What a meta-update did; losses in nats on the validation queries, users adapted as they are in service.

    Attributes
    ----------
    adopted : whether the validation loss fell; otherwise everything stays as it was.
    standard_error : of the paired difference `loss_before - loss_after`.
    unadapted_before, unadapted_after : the same queries without fast weights.
    mean_step_size : of the step sizes kept.
    """

    adopted: bool
    users: int
    queries: int
    validation_queries: int
    epochs: int
    loss_before: float
    loss_after: float
    standard_error: float
    unadapted_before: float
    unadapted_after: float
    mean_step_size: float


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


class MetaResult(NamedTuple):
    """The start to continue from, and the report; the start is the old one unless the report says `adopted`."""

    start: Start
    report: MetaReport


def rollout(windows: Windows, start: Start, query: Tensor | None = None) -> tuple[Tensor, Start]:
    """Adapt every user along the window.

    Parameters
    ----------
    windows : U users, T events.
    start : head, step sizes, decay.
    query : bool[U, T], the events whose outer gradients are summed; None: none.

    Returns
    -------
    Losses [U, T], each of an event before it is learned from (zero where there is none), and the mean outer gradient
    over the queries in the shape of `start`.
    """
    users, length, _, width = windows.inputs.shape
    device = windows.inputs.device
    head, step_sizes, decay = start
    by_type = torch.zeros(users, len(step_sizes), width, device=device)  # S_k
    fast = torch.zeros(users, width, device=device)  # d
    fast_by_decay = torch.zeros(users, width, device=device)  # dd / d(decay)
    losses = torch.zeros(users, length, device=device)
    outer = Start(*(torch.zeros_like(tensor) for tensor in start))
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
            outer.head.add_(asked.sum(0))
            outer.step_sizes.sub_((asked.unsqueeze(1) * by_type).sum(0))
            outer.decay.add_((asked * fast_by_decay).sum())
            fast_by_decay = fast + decay * fast_by_decay
        by_type *= decay
        by_type[everyone, windows.event_type[:, t]] += gradient
        fast = -(step_sizes * by_type).sum(1)
    if query is not None:
        count = query.sum().clamp(min=1)
        outer = Start(*(tensor / count for tensor in outer))
    return losses, outer


def meta_learn(
    training: Windows,
    validation: Windows,
    start: Start,
    config: MetaConfig,
    out_of_time: Callable[[], bool] = lambda: False,
) -> MetaResult:
    """Meta-learn a better start from user windows, warm from `start`, stopped early by queries never trained on.

    Parameters
    ----------
    training : users' windows; every event but a user's first is a query.
    validation : windows whose last event alone is a query; neither loop nor the body ever learned from it.
    start : where users start now; not changed.
    config : settings.
    out_of_time : asked after every pass.
    """
    query = training.valid.clone()
    query[:, :1] = False
    queries = int(query.sum())
    if queries == 0 or len(validation.valid) < config.min_queries:
        return MetaResult(start, _nothing(len(training.valid), queries))
    judge = _Judge(validation, config.batch * 4)
    before = judge.losses(start)
    best, best_loss, best_epoch, epoch = start, float(before.mean()), 0, 0
    current = _Descent(start, config)
    generator = torch.Generator().manual_seed(0)
    while epoch < config.epochs and epoch - best_epoch < config.patience and not out_of_time():
        epoch += 1
        order = torch.randperm(len(training.valid), generator=generator).to(query.device)
        for users in torch.tensor_split(order, -(-len(order) // config.batch)):
            current.step(rollout(training.of(users), current.start, query[users])[1])
        loss = float(judge.losses(current.start).mean())
        if loss < best_loss:
            best, best_loss, best_epoch = current.start, loss, epoch
    best, after = judge.shrunk(best)
    difference = before - after
    still = Start(best.head, torch.zeros_like(best.step_sizes), best.decay)
    report = MetaReport(
        adopted=float(difference.mean()) > 0,
        users=len(training.valid),
        queries=queries,
        validation_queries=len(before),
        epochs=epoch,
        loss_before=float(before.mean()),
        loss_after=float(after.mean()),
        standard_error=float(difference.std() / np.sqrt(len(difference))),
        unadapted_before=float(judge.losses(start._replace(step_sizes=still.step_sizes)).mean()),
        unadapted_after=float(judge.losses(still).mean()),
        mean_step_size=float(best.step_sizes.mean()),
    )
    return MetaResult(best if report.adopted else start, report)


class _Descent:
    """Outer Adam: one on the head, one on step sizes and decay, which are projected on what is allowed."""

    def __init__(self, start: Start, config: MetaConfig) -> None:
        self._config = config
        self._like = start
        pace = torch.cat((start.step_sizes.flatten(), start.decay.view(1)))
        self._head = AveragedAdam(start.head.cpu().numpy(), config.rate, 0.0, 1.0)
        self._pace = AveragedAdam(pace.cpu().numpy(), config.step_size_rate, 0.0, 1.0)

    @property
    def start(self) -> Start:
        head, step_sizes, decay = self._like
        pace = torch.from_numpy(self._pace.theta).to(head.device, copy=True)
        return Start(
            torch.from_numpy(self._head.theta).to(head.device, copy=True),
            pace[:-1].view(step_sizes.shape),
            pace[-1].view(decay.shape),
        )

    def step(self, outer: Start) -> None:
        self._head.gradient[:] = outer.head.cpu().numpy()
        self._head.step()
        self._pace.gradient[:-1] = outer.step_sizes.flatten().cpu().numpy() + np.float32(self._config.shrinkage)
        self._pace.gradient[-1] = float(outer.decay)
        self._pace.step()
        np.clip(self._pace.theta[:-1], 0, None, out=self._pace.theta[:-1])
        self._pace.theta[-1] = min(max(self._pace.theta[-1], 0), 1)


class _Judge:
    """Losses on the validation queries."""

    def __init__(self, windows: Windows, batch: int) -> None:
        rows = torch.arange(len(windows.valid), device=windows.valid.device)
        self._parts = [windows.of(part) for part in torch.tensor_split(rows, -(-len(rows) // batch))]

    def shrunk(self, start: Start) -> tuple[Start, Tensor]:
        """How far adapting is trusted: the share of the step sizes with the lowest mean loss, and its losses."""
        shares = [start._replace(step_sizes=start.step_sizes * share) for share in (0.0, 0.25, 0.5, 1.0)]
        return min(
            ((candidate, self.losses(candidate)) for candidate in shares), key=lambda tried: float(tried[1].mean())
        )

    def losses(self, start: Start) -> Tensor:
        """Losses [Q] of all validation queries."""
        return torch.cat([rollout(windows, start)[0][:, -1] for windows in self._parts])


def _nothing(users: int, queries: int) -> MetaReport:
    nan = float("nan")
    return MetaReport(False, users, queries, 0, 0, nan, nan, nan, nan, nan, nan)
