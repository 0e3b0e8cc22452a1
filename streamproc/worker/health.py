"""Whether a worker gets on: what `/healthz` answers, so that an orchestrator restarts one that is stuck."""

from collections.abc import Callable
from typing import Final

STUCK_SECONDS: Final = 120.0
"""Far above the longest batch."""


class Progress:
    """Records wait, and no batch ends: then the worker is stuck. An idle worker is healthy.

    Parameters
    ----------
    waiting : number of records that wait to be processed.
    clock : seconds, monotonic.

    Examples
    --------
    >>> now, waiting = 0.0, 5
    >>> progress = Progress(lambda: waiting, lambda: now)
    >>> progress.healthy()
    True
    >>> now = STUCK_SECONDS + 1
    >>> progress.healthy()
    False
    >>> progress.batch_done()
    >>> progress.healthy()
    True
    """

    def __init__(self, waiting: Callable[[], int], clock: Callable[[], float]) -> None:
        self._waiting = waiting
        self._clock = clock
        self._since: float | None = None  # when records were first seen to wait, after the last batch

    def batch_done(self) -> None:
        """A batch has ended."""
        self._since = None

    def healthy(self) -> bool:
        """Whether no record has been waiting for too long while no batch ended."""
        if self._waiting() == 0:
            self._since = None
            return True
        if self._since is None:
            self._since = self._clock()
        return self._clock() - self._since < STUCK_SECONDS
