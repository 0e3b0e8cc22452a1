"""The state table of one partition: committed rows in the local store, what is not committed yet above them."""

from collections.abc import Callable, Sequence

from streamproc.engine.store import Store

Rows = dict[bytes, bytes | None]
Expired = Callable[[bytes, int], bool]


class TaskState:
    """Three layers over a store: processed, sent in the open transaction, being committed.

    The worker thread reads while the event loop moves rows down. Each move writes below before it lets go above, and
    replaces dicts instead of emptying them, so that a reader going down never misses a row.

    Parameters
    ----------
    store
        What is committed.
    expired
        Tells of a value, and of `newest_ms`, the newest time in the partition, whether the row may go.

    Examples
    --------
    >>> from streamproc.engine.store import MemoryStore
    >>> state = TaskState(MemoryStore())
    >>> state.processed({b"ann": b"1"})
    >>> state.get(b"ann"), state.store.get(b"ann")
    (b'1', None)
    >>> state.sent(position=5)
    >>> state.committing()
    >>> state.committed()
    >>> state.store.get(b"ann"), state.store.position
    (b'1', 5)
    """

    def __init__(self, store: Store, expired: Expired | None = None) -> None:
        self.store = store
        self.newest_ms = 0
        self._expired = expired
        self._processed: Rows = {}
        self._sent: Rows = {}
        self._committing: Rows = {}
        self._sent_position: int | None = None
        self._committing_position: int | None = None

    def get(self, key: bytes) -> bytes | None:
        """Return the value of a key, or ``None``; a row that has expired is not there, swept or not."""
        value = self._newest(key)
        return None if value is None or self._has_expired(value) else value

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """Return the values of several keys, in their order."""
        values = self._newest_many(keys)
        if self._expired is None:
            return values
        return [None if value is None or self._has_expired(value) else value for value in values]

    def sweep(self, limit: int) -> Rows:
        """Look at the next rows of an endless walk over the store, and return deletions of those that have expired."""
        if self._expired is None:
            return {}
        keys = self.store.walk(limit)
        newest = zip(keys, self._newest_many(keys), strict=True)
        return {key: None for key, value in newest if value is not None and self._has_expired(value)}

    def _has_expired(self, value: bytes) -> bool:
        return self._expired is not None and self._expired(value, self.newest_ms)

    def _newest(self, key: bytes) -> bytes | None:
        for layer in (self._processed, self._sent, self._committing):
            if key in layer:
                return layer[key]
        return self.store.get(key)

    def _newest_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        above: Rows = {}
        for layer in (self._processed, self._sent, self._committing):
            if layer:
                above |= {key: layer[key] for key in keys if key in layer and key not in above}
        missing = [key for key in keys if key not in above] if above else keys
        below = iter(self.store.get_many(missing))
        return [above[key] if key in above else next(below) for key in keys]

    def processed(self, rows: Rows) -> None:
        """Take the writes of a batch."""
        self._processed = rows

    def sent(self, position: int | None) -> None:
        """Its sends are acknowledged; `position` follows its last changelog record (``None``: it had none)."""
        self._sent = self._sent | self._processed if self._sent else self._processed
        self._processed = {}
        if position is not None:
            self._sent_position = position

    def committing(self) -> None:
        """A commit of everything sent begins."""
        self._committing, self._committing_position = self._sent, self._sent_position
        self._sent, self._sent_position = {}, None

    def committed(self) -> None:
        """It has succeeded: the store takes the rows."""
        if self._committing_position is not None:
            self.store.write(self._committing, self._committing_position)
        self._committing, self._committing_position = {}, None
