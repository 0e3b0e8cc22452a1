"""Snapshots of a worker's item knowledge on its own disk: a restart reads the logs from there, not from their start.

A snapshot is a cache. Where there is none, or none that can be trusted, the logs teach the same.
"""

import contextlib
import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import orjson
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from models.knowledge import Knowledge, KnowledgeConfig
from models.snapshot import Arrays, SnapshotError, thaw
from streamproc.settings import Settings

log = logging.getLogger(__name__)

Offsets = dict[tuple[str, int], int]
"""By topic and partition."""

# The catalogue's tombstones are kept for a day: an older snapshot might keep an item that is gone.
MAX_AGE_SECONDS: Final = 12 * 3600.0


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Item knowledge, and up to where it was learned.

    Attributes
    ----------
    positions : offsets from which the broadcast topics are to be read on.
    sources : last offsets, of the input topics, whose interactions are in it. A worker learns its own before they are
        in the log, so beyond `positions` there may be records that it knows already.
    """

    knowledge: Knowledge
    positions: Offsets
    sources: Offsets


class Snapshots:
    """The snapshot of an application in a data folder.

    Parameters
    ----------
    clock
        Wall time, seconds since 1970.
    """

    def __init__(self, settings: Settings, config: KnowledgeConfig, clock: Callable[[], float]) -> None:
        self._path = settings.data_dir / "knowledge" / f"{settings.application_id}.safetensors"
        self._config = config
        self._clock = clock

    def read(self) -> Snapshot | None:
        """The snapshot; None, and why in the log, where the knowledge must be learned from the start."""
        if not self._path.exists():
            return None
        try:
            with safe_open(self._path, framework="numpy") as file:
                about = {name: orjson.loads(text) for name, text in (file.metadata() or {}).items()}
                age = self._clock() - about["made"]
                if age > MAX_AGE_SECONDS:
                    raise SnapshotError(f"{age / 3600:.0f} hours old")
                arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (it is no mapping)
                knowledge = thaw(arrays, self._config)
                return Snapshot(knowledge, _offsets(about["positions"]), _offsets(about["sources"]))
        except (OSError, SafetensorError, SnapshotError, KeyError, ValueError) as error:
            log.warning("learning from the start: the snapshot %s cannot be used (%s)", self._path, error)
            return None

    def write(self, arrays: Arrays, positions: Offsets, sources: Offsets) -> None:
        """Replace the snapshot; where the disk refuses, the old one stays and the log says so."""
        about = {"made": self._clock(), "positions": _pairs(positions), "sources": _pairs(sources)}
        beside = self._path.with_suffix(f".{os.getpid()}")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            save_file(arrays, beside, {name: orjson.dumps(value).decode() for name, value in about.items()})
            beside.replace(self._path)
        except (OSError, SafetensorError) as error:
            log.error("no snapshot: cannot write %s (%s)", self._path, error)
            with contextlib.suppress(OSError):
                beside.unlink(missing_ok=True)


def _pairs(offsets: Offsets) -> list[tuple[str, int, int]]:
    return [(topic, partition, offset) for (topic, partition), offset in offsets.items()]


def _offsets(pairs: list[Any]) -> Offsets:
    return {(topic, partition): offset for topic, partition, offset in pairs}
