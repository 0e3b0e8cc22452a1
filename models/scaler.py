"""The feature scaler of a base version: running moments, and moving weights from one scaler to the next.

A scaler belongs to a version, so that every worker and every training example of that version agrees on it. Examples
of older versions are brought into the current scaler by an affine map per feature.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from schemas.training import FEATURE_CLIP, FEATURE_SCALE, Moments

MIN_STD = 1e-3
"""A feature that hardly moves is not blown up by more than this."""


@dataclass(frozen=True, slots=True)
class Scaler:
    """Mean and standard deviation of the raw features, float64[F] each."""

    mean: NDArray[np.float64]
    std: NDArray[np.float64]

    def moved(self, other: Scaler) -> float:
        """Largest move of any feature to `other`, in standard deviations or as the logarithm of their ratio."""
        shift = np.abs(other.mean - self.mean) / np.maximum(self.std, other.std)
        stretch = np.abs(np.log(other.std / self.std))
        return float(np.maximum(shift, stretch).max())


class RunningMoments:
    """Moments of raw features merged from many workers (Chan, Golub and LeVeque, 1979).

    Parameters
    ----------
    prior : scaler to start from.
    weight : rows that it counts for; a feature that has not shown up yet keeps a sane deviation.
    window : rows after which older ones count less; the scaler follows a world that changes slowly.

    Examples
    --------
    >>> running = RunningMoments(Scaler(np.zeros(1), np.ones(1)), weight=0)
    >>> running.merge(Moments(0, 2.0, np.array([1.0]), np.array([2.0])))   # rows 0 and 2
    >>> running.merge(Moments(0, 2.0, np.array([5.0]), np.array([2.0])))   # rows 4 and 6
    >>> scaler = running.scaler()
    >>> scaler.mean.tolist(), round(float(scaler.std[0]) ** 2, 6)
    ([3.0], 5.0)
    """

    def __init__(self, prior: Scaler, weight: float = 1_000, window: float = 2_000_000) -> None:
        self.count = float(weight)
        self._window = window
        self._mean = prior.mean.copy()
        self._m2 = prior.std**2 * weight

    def merge(self, moments: Moments) -> None:
        """Add the moments of other rows."""
        if moments.count <= 0:
            return
        total = self.count + moments.count
        delta = moments.mean - self._mean
        self._mean = self._mean + delta * (moments.count / total)
        self._m2 = self._m2 + moments.m2 + delta**2 * (self.count * moments.count / total)
        self.count = total
        if total > self._window:
            self._m2 *= self._window / total
            self.count = self._window

    def scaler(self) -> Scaler:
        """The scaler of all rows so far."""
        return Scaler(self._mean.copy(), np.maximum(np.sqrt(self._m2 / max(self.count, 1.0)), MIN_STD))


class ScalerBook:
    """The scalers of recent versions: reads the int8 features of their examples in any one scaler.

    Parameters
    ----------
    capacity : versions remembered, the least recently used are forgotten.
    """

    def __init__(self, capacity: int = 4_096) -> None:
        self._capacity = capacity
        self._scalers: dict[int, Scaler] = {}
        self._maps: _Maps | None = None

    def remember(self, version: int, scaler: Scaler) -> None:
        """Remember the scaler of `version`."""
        self._scalers.pop(version, None)
        self._scalers[version] = scaler
        if len(self._scalers) > self._capacity:
            del self._scalers[next(iter(self._scalers))]
        self._maps = None

    def touch(self, version: int) -> bool:
        """Whether `version` is remembered; it counts as used."""
        scaler = self._scalers.pop(version, None)
        if scaler is None:
            return False
        self._scalers[version] = scaler
        return True

    def standardise(self, features: NDArray[np.int8], version: NDArray[np.int64], into: Scaler) -> NDArray[np.float32]:
        """Features float32[B, n, F] standardised by `into`, clipped, of examples int8[B, n, F] of versions [B].

        A value that was clipped in its own scaler stays where that clip was: its true size is not known any more.

        Raises
        ------
        KeyError
            An example's version is not remembered.
        """
        if self._maps is None or self._maps.into is not into:
            self._maps = self._build(into)
        maps = self._maps
        row = np.searchsorted(maps.versions, version)
        if (maps.versions[np.minimum(row, len(maps.versions) - 1)] != version).any():
            raise KeyError("an example of a forgotten version")
        moved: NDArray[np.float32] = features * maps.scale[row][:, None, :]
        moved += maps.shift[row][:, None, :]
        return np.clip(moved, -FEATURE_CLIP, FEATURE_CLIP, out=moved)

    def _build(self, into: Scaler) -> _Maps:
        versions = np.array(sorted(self._scalers), np.int64)
        scalers = [self._scalers[int(version)] for version in versions]
        scale = np.stack([scaler.std for scaler in scalers]) / into.std / FEATURE_SCALE
        shift = (np.stack([scaler.mean for scaler in scalers]) - into.mean) / into.std
        return _Maps(into, versions, scale.astype(np.float32), shift.astype(np.float32))


@dataclass(frozen=True, slots=True)
class _Maps:
    """x_into = features * scale + shift, one row [F] per version in ascending order."""

    into: Scaler
    versions: NDArray[np.int64]
    scale: NDArray[np.float32]
    shift: NDArray[np.float32]
