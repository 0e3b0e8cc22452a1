"""The verdict on held-out examples."""

from __future__ import annotations

import numpy as np
import pytest

from streamproc.trainer.held_out import MIN_HELD_OUT, judge


def test_a_candidate_worse_than_what_serves_is_rejected() -> None:
    rng = np.random.default_rng(0)
    losses = rng.exponential(size=400).astype(np.float32)
    noise = rng.normal(0, 0.1, 400).astype(np.float32)
    assert judge(losses + noise - np.float32(0.05), losses).accepted
    assert not judge(losses + noise + np.float32(0.05), losses).accepted
    worse = judge(losses + 1, losses)
    assert (worse.accepted, worse.harm) == (False, True)
    assert "on 400 examples" in worse.reason
    assert worse.metrics["held_out_loss_after"] - worse.metrics["held_out_loss_before"] == pytest.approx(1, abs=1e-4)
    assert not judge(losses * np.float32(np.nan), losses).accepted


def test_a_handful_of_examples_proves_nothing_against_a_version() -> None:
    few = np.ones(MIN_HELD_OUT - 1, np.float32)
    assert judge(few + 1, few).accepted
