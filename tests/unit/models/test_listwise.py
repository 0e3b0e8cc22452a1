"""The hand-written gradient and optimiser against autograd and torch's own."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from models.base import BaseParameters, F, initial_parameters
from models.listwise import AveragedAdam, Layout, gradient
from tests.unit.models.reference import BaseNet


@pytest.fixture
def parameters() -> BaseParameters:
    rng = np.random.default_rng(3)
    base = initial_parameters()
    return replace(base, out=rng.normal(size=base.out.shape).astype(np.float32), b1=base.b1 + np.float32(0.1))


def lists(count: int = 5, rows: int = 17) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    x = rng.standard_normal((count, rows, F)).astype(np.float32)
    correction = rng.standard_normal((count, rows)).astype(np.float32)
    correction[0, 9:] = -1e9
    return x, correction


def gradient_of(parameters: BaseParameters, x: np.ndarray, correction: np.ndarray) -> tuple[float, np.ndarray]:
    layout = Layout(parameters)
    theta = layout.pack(parameters)
    into = np.zeros_like(theta)
    return gradient(layout.parts(theta), x, correction, layout.parts(into)), into


def test_loss_and_gradient_agree_with_autograd_on_the_module(parameters: BaseParameters) -> None:
    module = BaseNet(parameters)
    x, correction = lists()
    expected = -torch.log_softmax(module(torch.from_numpy(x)) + torch.from_numpy(correction), 1)[:, 0].mean()
    expected.backward()
    loss, found = gradient_of(parameters, x, correction)
    assert loss == pytest.approx(expected.item(), rel=1e-5)
    for name, part in Layout(parameters).parts(found)._asdict().items():
        np.testing.assert_allclose(part, module.weights[name].grad, rtol=1e-4, atol=1e-6, err_msg=name)


def test_rows_that_do_not_exist_teach_nothing(parameters: BaseParameters) -> None:
    x, correction = lists(1)
    _, padded = gradient_of(parameters, x, correction)
    _, short = gradient_of(parameters, np.ascontiguousarray(x[:, :9]), np.ascontiguousarray(correction[:, :9]))
    np.testing.assert_allclose(padded, short, rtol=1e-5, atol=1e-6)


def test_pack_and_unpack_are_inverse(parameters: BaseParameters) -> None:
    layout = Layout(parameters)
    for name, array in layout.unpack(layout.pack(parameters)).items():
        np.testing.assert_array_equal(array, getattr(parameters, name))


def test_steps_are_those_of_torch_adam() -> None:
    start = torch.linspace(-1, 1, 7)
    ours = AveragedAdam(start.numpy(), rate=1e-2, weight_decay=1e-3, window=1)
    theirs = torch.nn.Parameter(start.clone())
    optimiser = torch.optim.Adam([theirs], lr=1e-2, weight_decay=1e-3)
    generator = torch.Generator().manual_seed(0)
    for _ in range(20):
        slope = torch.randn(7, generator=generator)
        ours.gradient[:] = slope.numpy()
        ours.step()
        theirs.grad = slope
        optimiser.step()
    np.testing.assert_allclose(ours.theta, theirs.data.numpy(), atol=1e-6)


def test_average_follows_the_later_half_first_and_the_window_later() -> None:
    adam = AveragedAdam(np.zeros(1, np.float32), rate=0.0, weight_decay=0.0, window=50)
    adam.theta[:] = 1
    for _ in range(10):
        adam.step()
    assert adam.average[0] > 0.98  # where it started is soon forgotten
    for _ in range(500):
        adam.step()
    adam.theta[:] = 0
    for _ in range(50):
        adam.step()
    assert adam.average[0] == pytest.approx((1 - 1 / 50) ** 50, abs=1e-3)


def test_an_average_begun_anew_forgets_what_came_before() -> None:
    adam = AveragedAdam(np.zeros(1, np.float32), rate=0.0, weight_decay=0.0, window=500)
    for _ in range(1_000):
        adam.step()
    adam.theta[:] = 1
    adam.average_anew()
    assert adam.average[0] == 1
    adam.theta[:] = 2
    for _ in range(20):
        adam.step()
    assert adam.average[0] > 1.98
