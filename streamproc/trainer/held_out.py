"""The verdict where no live traffic gives one: losses on the newest examples that were set aside."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from streamproc.trainer.proof import Verdict

MIN_HELD_OUT: Final = 30  # fewer examples prove nothing against a version
HALF_LIFE: Final = 75  # of held-out examples, in examples: 750 events


def judge(candidate: NDArray[np.float32], serving: NDArray[np.float32]) -> Verdict:
    """Compare losses of two versions on the same examples, the oldest first.

    An example weighs half as much as one that is `HALF_LIFE` younger: after a shift the new world must soon outweigh
    the old one. The candidate may serve unless its mean loss is higher by more than one standard error of the paired
    difference, or not finite.

    Examples
    --------
    >>> better, same = np.full(50, 1.0, np.float32), np.linspace(1.0, 1.3, 50, dtype=np.float32)
    >>> judge(better, same).reason
    'held-out loss 1.1617 -> 1.0000 +- 0.0125 on 50 examples'
    >>> judge(same, better).accepted
    False
    """
    if len(candidate) < MIN_HELD_OUT:
        return Verdict(True, f"only {len(candidate)} held-out examples yet", {})
    weight = 0.5 ** (np.arange(len(candidate))[::-1] / HALF_LIFE)
    weight /= weight.sum()
    before, after = float(weight @ serving), float(weight @ candidate)
    surprise = candidate.astype(np.float64) - serving - (after - before)
    error = float(np.sqrt(np.sum((weight * surprise) ** 2)))
    words = f"held-out loss {before:.4f} -> {after:.4f} +- {error:.4f} on {len(candidate)} examples"
    numbers = {"held_out_loss_before": before, "held_out_loss_after": after, "standard_error": error}
    metrics = {name: value for name, value in numbers.items() if math.isfinite(value)}
    metrics["held_out_examples"] = float(len(candidate))
    accepted = bool(after - before <= error)
    return Verdict(accepted, words, metrics, harm=not accepted)
