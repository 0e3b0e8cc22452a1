"""How a process is asked to stop, and what ends it when it does not."""

import os
import signal
import sys
import threading

STOP_SECONDS = 8.0


def stop_signals() -> list[signal.Signals]:
    """Ctrl-C, SIGTERM and, unless `nohup` has it ignored, the SIGHUP of a terminal that is closed.

    >>> import signal
    >>> signal.SIGTERM in stop_signals()
    True
    """
    asked = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        asked.append(signal.SIGHUP)
    return asked


class LastResort:
    """Ends this process, as kill -9 would, where the end that it was asked for, or has to come to, does not come.

    Without a broker there is none: a group consumer looks for its coordinator to say goodbye to for ever, in a thread
    of Faust's that the interpreter would wait for.

    Examples
    --------
    >>> last_resort = LastResort()
    >>> last_resort.arm(seconds=60)
    >>> last_resort.disarm()
    """

    def __init__(self) -> None:
        self._timer: threading.Timer | None = None
        self._error: object = None

    def arm(self, seconds: float = STOP_SECONDS, error: object = None) -> None:
        """End the process after so many seconds, with exit code 1 and one line, which tells the error there was.

        Of several calls the first says when, and the first that has an error says why.
        """
        self._error = self._error or error
        if self._timer is None:
            self._timer = threading.Timer(seconds, self._end, (seconds,))
            self._timer.daemon = True
            self._timer.start()

    def disarm(self) -> None:
        """Leave the process to itself from now on, whoever asks again."""
        if self._timer is not None:
            self._timer.cancel()

    def _end(self, seconds: float) -> None:
        what = "no orderly end" if self._error is None else f"{self._error}; no orderly end"
        why = "is the broker gone? What was not committed is done again by whoever comes next"
        print(f"Error: {what} within {seconds:.0f} s; {why}", file=sys.stderr, flush=True)
        os._exit(1)
