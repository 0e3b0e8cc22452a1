"""The shared ranker: a small net with a linear skip.

score(x) = (skip + d[:F]) . x + (out + d[F:]) . h2(x)      x: standardised features, clipped to +-6
h1 = leaky(w1 x + b1), h2 = leaky(w2 h1 + b2), leaky slope 0.01
d: fast weights of the user, d <- decay d - step_sizes[event type] g
       (ANIL: Raghu et al. 2020; Meta-SGD: Li et al. 2017)
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load, save

from models.features import FEATURES, LAYOUT, F

H1, H2 = 32, 16  # multiples of four, by which `models.rank.layer` goes
LEAK = 0.01
D = F + H2
"""Length of a user's fast weights: the skip's part, then the last hidden layer's."""

_SHAPES: dict[str, tuple[int, ...]] = {
    "mean": (F,),
    "std": (F,),
    "w1": (H1, F),
    "b1": (H1,),
    "w2": (H2, H1),
    "b2": (H2,),
    "out": (H2,),
    "skip": (F,),
    "step_sizes": (3, D),
}
_SCALARS: dict[str, Callable[[Any], Any]] = {"version": int, "parent": int, "layout": int, "decay": float}

Array = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class BaseParameters:
    """One version of the base model; all arrays float32, C-contiguous.

    Attributes
    ----------
    mean, std : [F]
        The scaler of the raw features; it belongs to the version, so that all processes agree on it.
    step_sizes : [3, F + H2]
        Of the fast weights, one row per event type (click, cart, purchase).
    decay : what is kept of the fast weights at each event, in [0, 1].
    """

    version: int
    parent: int
    layout: int
    mean: Array
    std: Array
    w1: Array
    b1: Array
    w2: Array
    b2: Array
    out: Array
    skip: Array
    step_sizes: Array
    decay: float

    def to_bytes(self) -> bytes:
        """Serialise to safetensors; the same parameters give the same bytes, so that their sha256 names them.

        What is not an array is one JSON entry of the metadata: safetensors writes several in random order.
        """
        scalars = json.dumps({name: getattr(self, name) for name in _SCALARS})
        return save({name: getattr(self, name) for name in _SHAPES}, metadata={"scalars": scalars})

    @classmethod
    def from_bytes(cls, raw: bytes) -> BaseParameters:
        """Read what `to_bytes` wrote.

        Raises
        ------
        ValueError
            Not safetensors, a missing or misshapen tensor, a number that is not finite, or another feature layout.
        """
        try:
            header_size = int.from_bytes(raw[:8], "little")
            scalars = json.loads(json.loads(raw[8 : 8 + header_size])["__metadata__"]["scalars"])
            tensors = load(raw)
            values: dict[str, Any] = {name: kind(scalars[name]) for name, kind in _SCALARS.items()}
            values |= {name: tensors[name] for name in _SHAPES}
            parameters = cls(**values)
        except Exception as error:  # safetensors and json raise many kinds; to the caller it is one: damaged
            raise ValueError(f"not a base model: {error}") from error
        parameters.check()
        return parameters

    def check(self) -> None:
        """Raise ValueError unless shapes, type, layout and values are fit to serve."""
        if self.layout != LAYOUT:
            raise ValueError(f"base model of feature layout {self.layout}, this release ranks by {LAYOUT}")
        for name, shape in _SHAPES.items():
            tensor = getattr(self, name)
            if tensor.shape != shape or tensor.dtype != np.float32:
                raise ValueError(f"base model: {name} is {tensor.dtype}{tensor.shape}, expected float32{shape}")
            if not np.isfinite(tensor).all():
                raise ValueError(f"base model: {name} is not finite")
        if not (self.std > 0).all() or not 0.0 <= self.decay <= 1.0:
            raise ValueError("base model: std must be positive and decay within [0, 1]")


def initial_parameters() -> BaseParameters:
    """Version 0: a hand-set linear ranker, sane before the first event; the net is random but silent (`out` = 0).

    Examples
    --------
    >>> base = initial_parameters()
    >>> base.version, float(abs(base.out).max()), BaseParameters.from_bytes(base.to_bytes()).decay == base.decay
    (0, 0.0, True)
    """
    rng = np.random.default_rng(0)
    columns = {
        name: np.array([getattr(feature, name) for feature in FEATURES], np.float32)
        for name in ("mean", "std", "weight")
    }
    # Best of a grid on three real streams (.0015 to .006); ten times as much costs 0.05 to 0.7 nats.
    step_sizes = np.repeat(np.array([[0.0025], [0.003], [0.004]], np.float32), D, axis=1)
    return BaseParameters(
        version=0,
        parent=0,
        layout=LAYOUT,
        mean=columns["mean"],
        std=columns["std"],
        w1=(rng.standard_normal((H1, F)) * np.sqrt(2.0 / F)).astype(np.float32),
        b1=np.zeros(H1, np.float32),
        w2=(rng.standard_normal((H2, H1)) * np.sqrt(2.0 / H1)).astype(np.float32),
        b2=np.zeros(H2, np.float32),
        out=np.zeros(H2, np.float32),
        skip=columns["weight"],
        step_sizes=step_sizes,
        decay=0.97,
    )
