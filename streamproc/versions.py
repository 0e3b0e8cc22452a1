"""What `model-updates` says: which version serves, and what became of the others.

The topic is compacted. The record under key `base` points at the version in service; the one under `base@VERSION` tells
what became of that version, until its artefact is removed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from schemas.knowledge import ModelUpdate, PrivacySpent
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
        """Versions beyond the newest `keep`; never what serves or is in the shadow, nor the parent to go back to."""
        needed = {self.serving_version} | {update.version for update in self.in_shadow()}
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

    def in_shadow(self) -> list[ModelUpdate]:
        """What runs beside the version in service: the newest candidate, and the parent of one on probation."""
        candidates = [update for update in self.records.values() if update.verdict == "candidate"]
        shadow = [max(candidates, key=lambda update: update.version)] if candidates else []
        parent = self.parent_on_probation()
        if parent is not None:
            shadow.append(self.records[parent])
        return [update for update in shadow if update.version != self.serving_version]

    def parent_on_probation(self) -> int | None:
        """The parent of the version in service, while that is on probation and its parent kept."""
        serving = self.records.get(self.serving_version)
        return serving.parent if serving and serving.probation and serving.parent in self.records else None

    def rolled_back(
        self, restored: ModelUpdate, reason: str, now_ms: int, metrics: Mapping[str, float] = MappingProxyType({})
    ) -> list[tuple[bytes, ModelUpdate]]:
        """Records that put `restored` into service in place of the version that serves, the pointer last.

        `metrics` are the numbers behind it; they join those of the version that served.
        """
        in_service = restored.model_copy(update={"serving": True, "probation": False})
        changes = {"verdict": "rolled_back", "kind": "rollback", "reason": reason[:1_024], "created_ms": now_ms}
        written = [
            (record_key(restored.version), in_service),
            (POINTER_KEY, in_service.model_copy(update=changes)),
        ]
        if left := self.records.get(self.serving_version):
            why = f"rolled back to {restored.version}: {reason}; before: {left.reason}"[:1_024]
            changes = {"verdict": "rolled_back", "serving": False, "probation": False, "reason": why}
            changes |= {"metrics": {**left.metrics, **metrics}}
            written.insert(0, (record_key(left.version), left.model_copy(update=changes)))
        return written

    def privacy_spent(self) -> PrivacySpent | None:
        """What meta-updates have spent so far: each version's record has all that was spent before it."""
        return self.records[max(self.records)].privacy if self.records else None

    def kept(self) -> Iterable[ModelUpdate]:
        """All records, oldest version first."""
        return (self.records[version] for version in sorted(self.records))


def _version_of(key: bytes | None) -> int | None:
    prefix = POINTER_KEY + b"@"
    if key is None or not key.startswith(prefix) or not key[len(prefix) :].isdigit():
        return None
    return int(key[len(prefix) :])
