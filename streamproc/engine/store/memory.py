"""Rows in a dict: the fastest, lost with the process, rebuilt from the changelog."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice


class MemoryStore:
    """A store in memory.

    Examples
    --------
    >>> store = MemoryStore()
    >>> store.write({b"ann": b"1", b"bob": b"2"}, position=7)
    >>> store.write({b"bob": None}, position=8)
    >>> store.get_many([b"ann", b"bob"]), store.position
    ([b'1', None], 8)
    """

    def __init__(self) -> None:
        self._rows: dict[bytes, bytes] = {}
        self._position: int | None = None
        self._walk: Iterator[bytes] = iter(())

    @property
    def position(self) -> int | None:
        """Offset of the next changelog record to apply; ``None`` when the store is new."""
        return self._position

    def get(self, key: bytes) -> bytes | None:
        """Return the value of a key, or ``None``."""
        return self._rows.get(key)

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """Return the values of several keys, in their order."""
        return [*map(self._rows.get, keys)]

    def write(self, rows: Mapping[bytes, bytes | None], position: int) -> None:
        """Apply rows (``None`` deletes) and the new position."""
        stored = self._rows
        for key, value in rows.items():
            if value is None:
                stored.pop(key, None)
            else:
                stored[key] = value
        self._position = position

    def items(self) -> Iterator[tuple[bytes, bytes]]:
        """Iterate over all rows."""
        yield from self._rows.items()

    def walk(self, limit: int) -> list[bytes]:
        """Return the next keys; a round walks over the keys as they were at its beginning."""
        keys = list(islice(self._walk, limit))
        if len(keys) < limit:
            self._walk = iter(list(self._rows))
        return keys

    def rows(self) -> int:
        """Return the number of rows."""
        return len(self._rows)

    def clear(self) -> None:
        """Forget all rows and the position."""
        self._rows = {}
        self._position = None
        self._walk = iter(())

    def close(self) -> None:
        """Nothing to let go of: the rows stay readable until the store is dropped."""
