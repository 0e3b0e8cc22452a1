"""Writes the list that stood before each row: gzip-compressed JSON lines, the same bytes for the same lists."""

import gzip
import json
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from streamproc.files import FileError


class Dump:
    """A file of lines `{"index", "user_id", "items"}`; a context manager.

    Neither the time nor the file's name goes into the gzip header: equal evaluations give equal files. The file gets
    its name only when all is written, so that a broken run leaves none that looks complete.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "lists.jsonl.gz"
    >>> with Dump(path) as dump:
    ...     dump.write("u1", ["a", "b"])
    >>> gzip.decompress(path.read_bytes())
    b'{"index":0,"user_id":"u1","items":["a","b"]}\\n'
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._part = path.with_name(path.name + ".part")
        self._index = 0
        try:
            self._raw = self._part.open("wb")
        except OSError as error:
            raise FileError(f"cannot write {path}: {error.strerror}") from None
        self._lines = gzip.GzipFile(filename="", mode="wb", fileobj=self._raw, mtime=0, compresslevel=6)

    def write(self, user_id: str, items: Sequence[str]) -> None:
        """Add the next row's list."""
        line = {"index": self._index, "user_id": user_id, "items": items}
        self._lines.write(json.dumps(line, ensure_ascii=False, separators=(",", ":")).encode() + b"\n")
        self._index += 1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._lines.close()
        self._raw.close()
        if kind is None:
            self._part.replace(self._path)
        else:
            self._part.unlink()
