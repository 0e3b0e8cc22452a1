"""First-order meta-learning of where users start and how fast they move away from it.

ANIL (Raghu et al., 2020): only the head adapts, here the linear skip and the weights of the last hidden layer; its
inputs come from the frozen body, so that both loops have closed forms. Meta-SGD (Li et al., 2017): one step size per
weight, here also per event type. First-order (Finn et al., 2017): a support gradient counts as a constant.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from models.inner_loop import Start, Windows, rollout
from models.listwise import AveragedAdam
from models.privacy import Mechanism, Spent


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
    adopted : whether the validation loss fell, or nobody may look at it; otherwise everything stays as it was.
    standard_error : of the paired difference `loss_before - loss_after`.
    unadapted_before, unadapted_after : the same queries without fast weights.
    mean_step_size : of the step sizes kept.
    spent : of the users' privacy, where that is protected.
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
    spent: Spent | None = None


class MetaResult(NamedTuple):
    """The start to continue from, and the report; the start is the old one unless the report says `adopted`."""

    start: Start
    report: MetaReport


def meta_learn(
    training: Windows,
    validation: Windows,
    start: Start,
    config: MetaConfig,
    out_of_time: Callable[[], bool] = lambda: False,
    mechanism: Mechanism | None = None,
) -> MetaResult:
    """Meta-learn a better start from user windows, warm from `start`, stopped early by queries never trained on.

    With a `mechanism` users are protected: each step gets a noisy mean of their clipped contributions, and the result
    is what the last step gave, whatever the validation queries say.

    Parameters
    ----------
    training : users' windows, one of each; every event but a user's first is a query.
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
    spent = None
    if mechanism is None:
        best, epochs = _stopped_early(training, query, judge, float(before.mean()), start, config, out_of_time)
        best, after = judge.shrunk(best)
    else:
        best, steps = _protected(training, query, start, config, out_of_time, mechanism)
        after = judge.losses(best)
        privacy = mechanism.privacy
        epochs = round(steps * privacy.sampling_rate)
        spent = Spent(privacy.noise_multiplier, privacy.sampling_rate, steps)
    difference = before - after
    still = Start(best.head, torch.zeros_like(best.step_sizes), best.decay)
    report = MetaReport(
        adopted=spent is not None or float(difference.mean()) > 0,
        users=len(training.valid),
        queries=queries,
        validation_queries=len(before),
        epochs=epochs,
        loss_before=float(before.mean()),
        loss_after=float(after.mean()),
        standard_error=float(difference.std() / np.sqrt(len(difference))),
        unadapted_before=float(judge.losses(start._replace(step_sizes=still.step_sizes)).mean()),
        unadapted_after=float(judge.losses(still).mean()),
        mean_step_size=float(best.step_sizes.mean()),
        spent=spent,
    )
    return MetaResult(best if report.adopted else start, report)


def _stopped_early(
    training: Windows,
    query: Tensor,
    judge: _Judge,
    loss: float,
    start: Start,
    config: MetaConfig,
    out_of_time: Callable[[], bool],
) -> tuple[Start, int]:
    """The start after the best pass, and how many passes there were."""
    best, best_loss, best_epoch, epoch = start, loss, 0, 0
    current = _Descent(start, config)
    generator = torch.Generator().manual_seed(0)
    while epoch < config.epochs and epoch - best_epoch < config.patience and not out_of_time():
        epoch += 1
        order = torch.randperm(len(training.valid), generator=generator).to(query.device)
        for users in torch.tensor_split(order, -(-len(order) // config.batch)):
            outer = rollout(training.of(users), current.start, query[users])[1]
            count = query[users].sum().clamp(min=1)
            current.step(torch.cat([tensor.sum(0).flatten() for tensor in outer]) / count)
        loss = float(judge.losses(current.start).mean())
        if loss < best_loss:
            best, best_loss, best_epoch = current.start, loss, epoch
    return best, epoch


def _protected(
    training: Windows,
    query: Tensor,
    start: Start,
    config: MetaConfig,
    out_of_time: Callable[[], bool],
    mechanism: Mechanism,
) -> tuple[Start, int]:
    """The start after noisy steps, and how many there were; a user contributes the mean over their queries."""
    current, steps, privacy = _Descent(start, config), 0, mechanism.privacy
    while steps < privacy.steps and not out_of_time():
        steps += 1
        users = mechanism.sample(len(training.valid)).to(query.device)
        outer = rollout(training.of(users), current.start, query[users])[1]
        count = query[users].sum(1, keepdim=True).clamp(min=1)
        contributions = torch.cat([tensor.flatten(1) for tensor in outer._replace(decay=outer.decay[:, None])], 1)
        current.step(mechanism.mean(contributions / count, privacy.sampling_rate * config.users))
    return current.start, steps


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

    def step(self, outer: Tensor) -> None:
        """Take an outer gradient: of the head, of step sizes and of decay, in one vector."""
        gradient, width = outer.cpu().numpy(), len(self._head.theta)
        self._head.gradient[:] = gradient[:width]
        self._head.step()
        self._pace.gradient[:] = gradient[width:]
        self._pace.gradient[:-1] += np.float32(self._config.shrinkage)
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
