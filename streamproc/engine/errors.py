"""What ends a worker: one class, one clear line."""

from streamproc.errors import StreamprocError


class EngineError(StreamprocError):
    """The engine cannot go on without losing or repeating something; the process must end and start anew.

    Nothing beyond the last commit has taken effect: a restart continues there.
    """


def describe(error: BaseException) -> str:
    """Return the class of an exception and its message in one line.

    >>> describe(ValueError("two\\nlines"))
    'ValueError: two lines'
    """
    words = " ".join(str(error).split())
    return f"{type(error).__name__}: {words}" if words else type(error).__name__
