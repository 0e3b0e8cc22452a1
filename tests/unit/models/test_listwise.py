"""The hand-written gradient and optimiser against autograd and torch's own."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from models.base import BaseNet, BaseParameters, F, initial_parameters
from models.listwise import AveragedAdam, ListwiseNet


@pytest.fixture
def parameters() -> BaseParameters:
    rng = np.random.default_rng(3)
    base = initial_parameters()
    return replace(base, out=rng.normal(size=base.out.shape).astype(np.float32), b1=base.b1 + np.float32(0.1))


def lists(count: int = 5, rows: int = 17) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(count, rows, F, generator=generator)
    correction = torch.randn(count, rows, generator=generator)
    correction[0, 9:] = -1e9
    return x, correction


def test_losses_and_gradient_agree_with_autograd_on_the_module(parameters: BaseParameters) -> None:
    net, module = ListwiseNet(parameters), BaseNet.from_parameters(parameters)
    x, correction = lists()
    expected = -torch.log_softmax(module(x) + correction, 1)[:, 0]
    theta = net.pack(parameters)
    torch.testing.assert_close(net.losses(theta, x, correction), expected)

    expected.mean().backward()
    gradient = torch.zeros_like(theta)
    loss = net.gradient(net.parts(theta), x, correction, net.parts(gradient))
    assert loss == pytest.approx(expected.mean().item(), rel=1e-5)
    for name, part in net.parts(gradient)._asdict().items():
        wanted = getattr(module, name).grad
        torch.testing.assert_close(part, wanted, rtol=1e-4, atol=1e-6, msg=name)


def test_rows_that_do_not_exist_teach_nothing(parameters: BaseParameters) -> None:
    net = ListwiseNet(parameters)
    theta = net.pack(parameters)
    x, correction = lists(1)
    short, padded = torch.zeros_like(theta), torch.zeros_like(theta)
    net.gradient(net.parts(theta), x, correction, net.parts(padded))
    net.gradient(net.parts(theta), x[:, :9].contiguous(), correction[:, :9], net.parts(short))
    torch.testing.assert_close(padded, short)


def test_pack_and_unpack_are_inverse(parameters: BaseParameters) -> None:
    net = ListwiseNet(parameters)
    for name, array in net.unpack(net.pack(parameters)).items():
        np.testing.assert_array_equal(array, getattr(parameters, name))


def test_steps_are_those_of_torch_adam() -> None:
    start = torch.linspace(-1, 1, 7)
    ours = AveragedAdam(start, rate=1e-2, weight_decay=1e-3, window=1)
    theirs = torch.nn.Parameter(start.clone())
    optimiser = torch.optim.Adam([theirs], lr=1e-2, weight_decay=1e-3)
    generator = torch.Generator().manual_seed(0)
    for _ in range(20):
        gradient = torch.randn(7, generator=generator)
        ours.gradient.copy_(gradient)
        ours.step()
        theirs.grad = gradient
        optimiser.step()
    torch.testing.assert_close(ours.theta, theirs.data)


def test_average_follows_the_later_half_first_and_the_window_later() -> None:
    adam = AveragedAdam(torch.zeros(1), rate=0.0, weight_decay=0.0, window=50)
    adam.theta.fill_(1.0)
    for _ in range(10):
        adam.step()
    assert float(adam.average) > 0.98  # where it started is soon forgotten
    for _ in range(500):
        adam.step()
    adam.theta.fill_(0.0)
    for _ in range(50):
        adam.step()
    assert float(adam.average) == pytest.approx((1 - 1 / 50) ** 50, abs=1e-3)
