"""Intervals of means over a stream, whose neighbouring rows are alike: the block bootstrap."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

BLOCK = 250
RESAMPLES = 1_000


class BlockBootstrap:
    """Moving-block bootstrap (Kuensch 1989): resamples are made of blocks of consecutive rows.

    Every call of `means` uses the same blocks, so means of two recommenders are paired, row by row.

    Parameters
    ----------
    rows : length of the series.
    block : rows in a block; a short series has at least ten blocks.
    resamples : number of resampled series.
    seed : of the blocks drawn.

    Examples
    --------
    >>> bootstrap = BlockBootstrap(rows=1_000, seed=1)
    >>> ours, theirs = np.tile([1.0, 0.0], 500), np.tile([1.0, 0.0, 0.0, 0.0], 250)
    >>> interval(bootstrap.means(ours) - bootstrap.means(theirs))
    (0.25, 0.25)
    """

    def __init__(self, rows: int, block: int = BLOCK, resamples: int = RESAMPLES, seed: int = 0) -> None:
        if rows < 1:
            raise ValueError("nothing to resample: the series is empty")
        self._block = max(1, min(block, rows // 10))
        blocks = -(-rows // self._block)
        rng = np.random.default_rng(seed)
        self._starts = rng.integers(0, rows - self._block + 1, (resamples, blocks), dtype=np.int32)

    def means(self, values: Floats, where: NDArray[np.bool_] | None = None) -> Floats:
        """Mean of each resample of `values` `[rows]`, of those rows alone that are `where`.

        Returns
        -------
        float64[resamples]; nan for a resample without such a row.
        """
        if where is None:
            where = np.ones(len(values), np.bool_)
        with np.errstate(invalid="ignore"):
            means: Floats = self._sums(np.where(where, values, 0.0)) / self._sums(where.astype(np.float64))
        return means

    def _sums(self, values: Floats) -> Floats:
        running = np.concatenate(([0.0], np.cumsum(values)))
        by_start = running[self._block :] - running[: -self._block]
        sums: Floats = by_start[self._starts].sum(axis=1)
        return sums


def interval(samples: Floats, level: float = 0.95) -> tuple[float, float] | None:
    """Percentile interval of resampled figures; None where there are none.

    >>> interval(np.arange(101.0), level=0.5)
    (25.0, 75.0)
    """
    samples = samples[np.isfinite(samples)]
    if len(samples) == 0:
        return None
    low, high = np.quantile(samples, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def compared(
    bootstrap: BlockBootstrap, ours: Floats, theirs: Floats, where: NDArray[np.bool_]
) -> dict[str, float | tuple[float, float] | None]:
    """The paired difference of two series `[rows]` over the rows that are `where`, also in per cent of `theirs`.

    >>> ours, theirs = np.array([1.0, 1.0, 0.0, 1.0]), np.array([1.0, 0.0, 0.0, 1.0])
    >>> found = compared(BlockBootstrap(4), ours, theirs, np.array([True, True, False, False]))
    >>> found["difference"], found["change_percent"]
    (0.5, 100.0)
    """
    if not where.any():
        return {"difference": 0.0, "difference_interval": None, "change_percent": None, "change_percent_interval": None}
    mean, base = float(ours[where].mean()), float(theirs[where].mean())
    resampled, resampled_base = bootstrap.means(ours, where), bootstrap.means(theirs, where)
    with np.errstate(divide="ignore", invalid="ignore"):
        change = 100 * (resampled / resampled_base - 1)
    return {
        "difference": mean - base,
        "difference_interval": interval(resampled - resampled_base),
        "change_percent": 100 * (mean / base - 1) if base else None,
        "change_percent_interval": interval(change) if base else None,
    }
