"""What `model-updates` says: which version serves, and what became of the others.

The topic is compacted. The record under key `base` points at the version in service; the one under `base@VERSION` tells
what became of that version, until its artefact is removed.
"""

from __future__ import annotations

from collections.abc import Iterable

from schemas.knowledge import ModelUpdate
from schemas.record import RecordError, decode

NAME = "base"
POINTER_KEY = NAME.encode()


def record_key(version: int) -> bytes:
    """Key of a version's record.

    >>> record_key(7)
    b'base@7'
    """
    return f"{NAME}@{version}".encode()


class VersionLog:
    """The versions as the records read so far tell them.

    Examples
    --------
    >>> log = VersionLog()
    >>> log.serving_version, log.next_version
    (0, 1)
    """

    def __init__(self) -> None:
        self.records: dict[int, ModelUpdate] = {}
        self.pointer: ModelUpdate | None = None
        self._highest = 0

    @property
    def serving_version(self) -> int:
        """The version in service; 0 is the built-in one."""
        return self.pointer.version if self.pointer else 0

    @property
    def next_version(self) -> int:
        """One above every version there ever was, so that no number names two artefacts."""
        return self._highest + 1

    def apply(self, key: bytes | None, value: bytes | None) -> bool:
        """Take one record; True when it is a new pointer. Records that make no sense are left alone."""
        version = _version_of(key)
        if version is not None:
            self._highest = max(self._highest, version)
        if value is None:
            if version is not None:
                self.records.pop(version, None)
            return False
        try:
            update = decode(ModelUpdate, value)
        except RecordError:
            return False
        self._highest = max(self._highest, update.version)
        if key == POINTER_KEY:
            self.pointer = update
            return True
        if version == update.version:
            self.records[version] = update
        return False

    def expired(self, keep: int) -> list[ModelUpdate]:
        """Versions beyond the newest `keep`; never the one in service, nor its parent, which a rollback needs."""
        needed = {self.serving_version}
        if self.pointer and self.pointer.parent is not None:
            needed.add(self.pointer.parent)
        newest = sorted(self.records)[-keep:] if keep else []
        return [self.records[v] for v in sorted(self.records) if v not in needed and v not in newest]

    def parent_in_service(self) -> int | None:
        """The version to go back to: the parent of the one in service."""
        if self.pointer is None:
            return None
        record = self.records.get(self.pointer.version, self.pointer)
        return record.parent

    def kept(self) -> Iterable[ModelUpdate]:
        """All records, oldest version first."""
        return (self.records[version] for version in sorted(self.records))


def _version_of(key: bytes | None) -> int | None:
    prefix = POINTER_KEY + b"@"
    if key is None or not key.startswith(prefix) or not key[len(prefix) :].isdigit():
        return None
    return int(key[len(prefix) :])
