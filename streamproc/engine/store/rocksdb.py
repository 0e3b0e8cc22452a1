"""Rows on disk in RocksDB: for more state than memory holds, and for restarts that read only the changelog's tail."""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path

from rocksdict import BlockBasedOptions, Cache, Options, Rdict, WriteBatch

from streamproc.engine.store.base import StoreLockedError

_ROW = b"r"  # rows and the position share one key space, so that a crash keeps a consistent prefix of the writes
_POSITION = b"p"
_BLOCK_CACHE_BYTES = 64 * 1024 * 1024
_WRITE_BUFFER_BYTES = 32 * 1024 * 1024


def _options() -> Options:
    options = Options(raw_mode=True)
    options.create_if_missing(True)
    options.set_write_buffer_size(_WRITE_BUFFER_BYTES)
    options.set_max_write_buffer_number(3)
    options.set_keep_log_file_num(2)
    table = BlockBasedOptions()
    table.set_block_cache(Cache(_BLOCK_CACHE_BYTES))
    table.set_bloom_filter(10, False)  # most users of a poll are new or returning: both are answered without a seek
    options.set_block_based_table_factory(table)
    return options


class RocksStore:
    """A store in a folder of its own.

    The write-ahead log is on and not synced: what was written outlives the process, though not a power failure, after
    which the position is older too and the changelog fills the gap.

    Raises
    ------
    StoreLockedError
        If another process has the folder open.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._walked = _ROW  # a row's key, with which the walk goes on
        folder.parent.mkdir(parents=True, exist_ok=True)
        self._open()

    def _open(self) -> None:
        try:
            self._db = Rdict(str(self._folder), _options())
        except Exception as error:  # rocksdict raises bare `Exception`
            if "lock" in str(error).lower():
                raise StoreLockedError(str(self._folder)) from error
            raise
        stored = self._db.get(_POSITION)
        self._position = int.from_bytes(stored, "big") if stored is not None else None

    @property
    def position(self) -> int | None:
        """Offset of the next changelog record to apply; ``None`` when the store is new."""
        return self._position

    def get(self, key: bytes) -> bytes | None:
        """Return the value of a key, or ``None``."""
        value: bytes | None = self._db.get(_ROW + key)
        return value

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """Return the values of several keys, in their order."""
        if not keys:
            return []
        values: list[bytes | None] = self._db.get([_ROW + key for key in keys])
        return values

    def write(self, rows: Mapping[bytes, bytes | None], position: int) -> None:
        """Apply rows (``None`` deletes) and the new position in one write batch."""
        batch = WriteBatch(raw_mode=True)
        for key, value in rows.items():
            if value is None:
                batch.delete(_ROW + key)
            else:
                batch.put(_ROW + key, value)
        batch.put(_POSITION, position.to_bytes(8, "big"))
        self._db.write(batch)
        self._position = position

    def items(self) -> Iterator[tuple[bytes, bytes]]:
        """Iterate over all rows."""
        for key, value in self._db.items(from_key=_ROW):
            if key[:1] == _ROW:
                yield key[1:], value

    def walk(self, limit: int) -> list[bytes]:
        """Return the next keys in their order."""
        # From the key after the last one seen: an iterator kept open would pin what compaction could free.
        rows = islice(self._db.keys(from_key=self._walked), limit)
        keys = [key[len(_ROW) :] for key in rows if key.startswith(_ROW)]
        self._walked = _ROW + keys[-1] + b"\0" if len(keys) == limit else _ROW
        return keys

    def rows(self) -> int:
        """Return RocksDB's estimate, which counts rows written twice and not yet compacted as two."""
        estimate = self._db.property_int_value("rocksdb.estimate-num-keys") or 0
        return max(0, estimate - (self._position is not None))

    def clear(self) -> None:
        """Forget all rows and the position."""
        self._db.close()
        shutil.rmtree(self._folder, ignore_errors=True)
        self._walked = _ROW
        self._open()

    def close(self) -> None:
        """Close the files, which lets another process open them."""
        self._db.close()
