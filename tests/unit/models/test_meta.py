"""The closed forms of the inner and the outer loop against autograd, and the meta-learner on synthetic users."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from models.inner_loop import Start, Windows, learning, rollout
from models.meta import MetaConfig, meta_learn

P, N = 6, 5
FAST = MetaConfig(step_size_rate=2e-3)  # these users' steps are a hundred times as long as a shop's


@pytest.fixture(autouse=True)
def _learning() -> Iterator[None]:
    with learning():
        yield


def windows(users: int, length: int, own: float, seed: int = 0) -> Windows:
    """Every user chooses by a taste of their own around a shared one."""
    generator = torch.Generator().manual_seed(seed)
    tastes = torch.ones(P) + own * torch.randn(users, 1, P, generator=generator)
    inputs = torch.randn(users, length, N, P, generator=generator)
    share = torch.softmax((inputs * tastes.unsqueeze(2)).sum(-1), -1)
    chosen = torch.multinomial(share.view(-1, N), 1, generator=generator).view(users, length)
    rows = torch.arange(N).expand(users, length, N).clone()
    rows[..., 0] = chosen
    rows.scatter_(2, chosen.unsqueeze(-1), 0)
    inputs = torch.gather(inputs, 2, rows.unsqueeze(-1).expand_as(inputs))
    return Windows(
        inputs,
        torch.zeros(users, length, N),
        torch.randint(0, 3, (users, length), generator=generator),
        torch.ones(users, length, dtype=torch.bool),
    )


def start(step_size: float = 0.1, decay: float = 0.9) -> Start:
    return Start(torch.zeros(P), torch.full((3, P), step_size), torch.tensor(decay))


@torch.inference_mode(False)
@torch.enable_grad()
def test_outer_gradients_are_those_of_autograd_with_support_gradients_held_constant() -> None:
    given = windows(users=4, length=6, own=1.0)
    given.valid[1, 3:] = False
    query = given.valid.clone()
    query[:, 0] = False
    begin = Start(torch.randn(P) * 0.3, torch.rand(3, P) * 0.2, torch.tensor(0.8))
    head, step_sizes, decay = (tensor.clone().requires_grad_() for tensor in begin)
    total = torch.zeros(())
    losses = torch.zeros(4, 6)
    for user in range(4):
        fast = torch.zeros(P)
        for t in range(6):
            if not given.valid[user, t]:
                continue
            phi = given.inputs[user, t]
            logits = phi @ (head + fast) + given.correction[user, t]
            losses[user, t] = -torch.log_softmax(logits, -1)[0].detach()
            if query[user, t]:
                total = total - torch.log_softmax(logits, -1)[0]
            # First-order: the worker's step, its gradient a constant.
            error = torch.softmax(logits, -1) - torch.eye(N)[0]
            fast = decay * fast - step_sizes[given.event_type[user, t]] * (error @ phi).detach()
    (total / query.sum()).backward()
    measured, outer = rollout(given, begin, query)
    torch.testing.assert_close(measured, losses)
    for summed, expected in zip(outer, (head.grad, step_sizes.grad, decay.grad), strict=True):
        torch.testing.assert_close(summed.sum(0) / query.sum(), expected)


def test_learned_step_sizes_beat_none_on_users_never_seen() -> None:
    result = meta_learn(
        windows(300, 12, own=1.0), windows(300, 12, own=1.0, seed=9), start(0.01), MetaConfig(step_size_rate=5e-3)
    )
    assert result.report.adopted
    others = windows(300, 12, own=1.0, seed=1)
    still = result.start._replace(step_sizes=torch.zeros(3, P))
    gain = (rollout(others, still)[0] - rollout(others, result.start)[0])[:, 1:].flatten()
    assert gain.mean() > 5 * gain.std() / len(gain) ** 0.5
    assert result.report.loss_after < result.report.unadapted_after


def test_step_sizes_shrink_where_all_users_are_alike() -> None:
    begin = Start(torch.ones(P), torch.full((3, P), 0.1), torch.tensor(0.9))
    result = meta_learn(windows(300, 12, own=0.0), windows(300, 12, own=0.0, seed=9), begin, FAST)
    assert result.report.mean_step_size < 0.03
    assert result.report.loss_after < result.report.loss_before


def test_a_head_that_users_need_is_learned() -> None:
    result = meta_learn(windows(300, 12, own=0.2), windows(300, 12, own=0.2, seed=9), start(0.0), MetaConfig(rate=1e-2))
    assert result.report.unadapted_after < result.report.unadapted_before - 0.2


def test_nothing_is_proven_by_few_queries() -> None:
    begin = start()
    result = meta_learn(windows(100, 3, own=1.0), windows(4, 3, own=1.0), begin, MetaConfig())
    assert result.start is begin
    assert not result.report.adopted
    assert result.report.validation_queries == 0


def test_stops_when_out_of_time() -> None:
    result = meta_learn(
        windows(100, 12, own=1.0), windows(100, 12, own=1.0, seed=9), start(), MetaConfig(), out_of_time=lambda: True
    )
    assert (result.report.epochs, result.report.adopted) == (0, False)


@pytest.mark.parametrize("seed", range(3))
def test_a_start_that_is_optimal_is_kept_or_hardly_moved(seed: int) -> None:
    begin = Start(torch.ones(P), torch.zeros(3, P), torch.tensor(0.9))
    result = meta_learn(windows(300, 12, own=0.0, seed=seed), windows(300, 12, own=0.0, seed=9), begin, MetaConfig())
    assert (result.start.head - begin.head).abs().max() < 0.1
