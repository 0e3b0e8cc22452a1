"""Which store, and where."""

from pathlib import Path
from typing import Literal

from streamproc.engine.store.base import Store, StoreLockedError
from streamproc.engine.store.memory import MemoryStore
from streamproc.engine.store.rocksdb import RocksStore

_FOLDERS = 100


def open_store(kind: Literal["memory", "rocksdb"], folder: Path, partition: int) -> Store:
    """Open the store of a partition.

    Several workers may share a folder on one machine, and one that hangs keeps its lock: the next free folder is taken
    then, and filled from the changelog.

    Raises
    ------
    StoreLockedError
        If a hundred processes hold stores of this partition.
    """
    if kind == "memory":
        return MemoryStore()
    for attempt in range(_FOLDERS):
        try:
            return RocksStore(folder / (f"{partition}" if attempt == 0 else f"{partition}.{attempt}"))
        except StoreLockedError:
            continue
    raise StoreLockedError(str(folder / f"{partition}"))


def stored_partitions(folder: Path) -> set[int]:
    """Return the partitions that have rows on this disk."""
    return {int(path.name) for path in folder.glob("*") if path.name.isdigit()}
