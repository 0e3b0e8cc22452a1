"""The contract of a local store."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol


class StoreLockedError(Exception):
    """Another process holds this folder (a worker on the same machine that has not let go of the partition yet)."""


class Store(Protocol):
    """Rows of one partition and how much of the changelog they hold.

    A store never runs ahead of the changelog: only committed writes reach it, in the same step as their position.
    """

    @property
    def position(self) -> int | None:
        """Offset of the next changelog record to apply; ``None`` when the store is new."""

    def get(self, key: bytes) -> bytes | None:
        """Return the value of a key, or ``None``."""

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """Return the values of several keys, in their order."""

    def write(self, rows: Mapping[bytes, bytes | None], position: int) -> None:
        """Apply rows (``None`` deletes) and the new position, all or nothing."""

    def items(self) -> Iterator[tuple[bytes, bytes]]:
        """Iterate over all rows, in no particular order."""

    def walk(self, limit: int) -> list[bytes]:
        """Return the next keys of an endless walk over all rows, at most `limit`; shorter where the walk begins anew.

        Keys written during a round may come in the next one only, keys deleted during a round may still come.
        """

    def rows(self) -> int:
        """Return the number of rows; an estimate where counting would read them all."""

    def clear(self) -> None:
        """Forget all rows and the position."""

    def close(self) -> None:
        """Let go of files; rows on disk stay."""
