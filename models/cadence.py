"""When to publish: an untrained ranker in service costs a third of the quality, so the first versions come fast."""

from __future__ import annotations

HASTE, HASTE_GAP = 3_000, 150


class Cadence:
    """Due at 100, 200 ... 500 examples, then with gaps that grow by a quarter up to `every`.

    After a drift what serves knows the old world: for `HASTE` examples no gap is longer than `HASTE_GAP`.

    Parameters
    ----------
    every : examples between refreshes in the long run.
    ramp : whether to start often; False for a learner that goes on from a trained version.

    Examples
    --------
    >>> cadence, published = Cadence(every=1_000, ramp=True), []
    >>> for learned in range(4_000):
    ...     if cadence.due(learned):
    ...         published.append(learned)
    ...         cadence.published(learned)
    >>> published
    [100, 200, 300, 400, 500, 625, 782, 978, 1223, 1529, 1911, 2388, 2985, 3731]
    >>> cadence.hasten(4_000)
    >>> cadence.due(4_149), cadence.due(4_150)
    (False, True)
    """

    def __init__(self, every: int, ramp: bool) -> None:
        self._every = every
        self._hasty_until = 0
        self._gap = min(100.0, every) if ramp else float(every)
        self._next = self._gap

    def due(self, learned: int) -> bool:
        """Whether a version should be published, `learned` examples since the start."""
        return learned >= self._next

    def published(self, learned: int) -> None:
        """Take note that one was."""
        if learned < self._next:
            return  # published early, on an alarm: the ramp goes on as planned
        if learned >= 500:
            self._gap = min(self._gap * 1.25, self._every)
        hasty = learned < self._hasty_until
        self._next = learned + (min(self._gap, HASTE_GAP) if hasty else self._gap)

    def hasten(self, learned: int) -> None:
        """Publish often for a while, from now on."""
        self._hasty_until = learned + HASTE
        self._next = min(self._next, learned + HASTE_GAP)
