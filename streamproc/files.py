"""Event files: CSV (plain or gzip) and Parquet, row by row, never all in memory.

Columns `timestamp_ms,user_id,item_id,event_type,category,price`, found by name and in any order; the last three may
be absent or empty, and an empty event type is a click. Ids stay text: `0444778` keeps its zero. The kind of file is
told by its first bytes, not by its name. A row that cannot be used ends the reading with an error that names file and
line: an evaluation or a replay that silently skipped rows would answer another question than the one asked.
"""

import csv
import gzip
import io
import math
import zlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, NamedTuple

from schemas.record import MAX_ID_BYTES, MAX_TIMESTAMP_MS, MIN_TIMESTAMP_MS
from streamproc.errors import StreamprocError

REQUIRED = ("timestamp_ms", "user_id", "item_id")
OPTIONAL = ("event_type", "category", "price")
EVENT_TYPES = {"": "click", "click": "click", "cart": "cart", "purchase": "purchase"}

_GZIP, _PARQUET = b"\x1f\x8b", b"PAR1"


class FileError(StreamprocError):
    """An event file that cannot be read; the message names the file and, where there is one, the line."""

    exit_code = 2


class FileEvent(NamedTuple):
    """One row of an event file."""

    timestamp_ms: int
    user_id: str
    item_id: str
    event_type: str
    category: str | None
    price: float | None


def read_events(path: Path) -> Iterator[FileEvent]:
    """Yield the rows of a file in file order.

    Raises
    ------
    FileError
        When the file is missing, is no event file, or has a malformed row.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.NamedTemporaryFile("w", suffix=".csv", delete=False) as file:
    ...     _ = file.write("timestamp_ms,user_id,item_id\\n1700000000000,u1,0444778\\n")
    >>> next(read_events(Path(file.name)))[:4]
    (1700000000000, 'u1', '0444778', 'click')
    """
    magic = _first_bytes(path)
    if magic == _PARQUET:
        from streamproc.parquet import read_parquet  # noqa: PLC0415  # pyarrow is heavy

        yield from (event(path, number, row) for number, row in read_parquet(path))
        return
    # utf-8-sig: spreadsheets put a byte order mark before the first column's name.
    with io.TextIOWrapper(_uncompressed(path, magic), encoding="utf-8-sig", newline="") as text:
        try:
            yield from _read_csv(path, text)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise FileError(f"{path} is a damaged gzip file: {error}") from None
        except UnicodeDecodeError as error:
            raise FileError(f"{path} is not UTF-8 text: {error.reason}") from None


def count_rows(path: Path) -> int:
    """About how many events a file has, for a progress bar: lines of a CSV less its header, exact for Parquet."""
    magic = _first_bytes(path)
    if magic == _PARQUET:
        from streamproc.parquet import count_parquet  # noqa: PLC0415  # the same

        return count_parquet(path)
    lines = 0
    # Damage is for the reader to report, at the right place.
    with _uncompressed(path, magic) as stream, suppress(EOFError, gzip.BadGzipFile, zlib.error):
        while block := stream.read(1 << 20):
            lines += block.count(b"\n")
    return max(lines - 1, 0)


def event(path: Path, line: int, row: Sequence[str]) -> FileEvent:
    """Check one row given in the order of `REQUIRED + OPTIONAL`.

    Raises
    ------
    FileError
        Names the file, the line and the column.
    """
    timestamp_text, user_id, item_id, type_text, category, price_text = row
    try:
        timestamp_ms = int(timestamp_text)
    except ValueError:
        raise _bad(path, line, f"timestamp_ms is not a whole number: {timestamp_text[:40]!r}") from None
    if not MIN_TIMESTAMP_MS <= timestamp_ms < MAX_TIMESTAMP_MS:
        raise _bad(path, line, f"timestamp_ms {timestamp_ms} is not in 1990 to 2100: is it in milliseconds?")
    for name, text in (("user_id", user_id), ("item_id", item_id), ("category", category)):
        # A character has at most four bytes in UTF-8: short texts need not be encoded to be measured.
        if 4 * len(text) > MAX_ID_BYTES and len(text.encode()) > MAX_ID_BYTES:
            raise _bad(path, line, f"{name} is longer than {MAX_ID_BYTES} bytes")
    if not user_id or not item_id:
        raise _bad(path, line, f"{'item_id' if user_id else 'user_id'} is empty")
    event_type = EVENT_TYPES.get(type_text)
    if event_type is None:
        raise _bad(path, line, f"event_type is not click, cart or purchase: {type_text[:40]!r}")
    price = None
    if price_text:
        try:
            price = float(price_text)
        except ValueError:
            raise _bad(path, line, f"price is not a number: {price_text[:40]!r}") from None
        if not (math.isfinite(price) and price >= 0):
            raise _bad(path, line, f"price must be finite and not negative: {price_text[:40]!r}")
    return FileEvent(timestamp_ms, user_id, item_id, event_type, category or None, price)


def check_columns(path: Path, names: Sequence[str]) -> list[int | None]:
    """Positions of the known columns among those of the file; None for an optional one that is absent."""
    missing = [name for name in REQUIRED if name not in names]
    if missing:
        raise FileError(
            f"{path}: no column {', '.join(missing)}; an event file has {','.join(REQUIRED + OPTIONAL)} "
            f"(the last three may be absent), this one has {','.join(names)[:200]!r}"
        )
    return [names.index(name) if name in names else None for name in REQUIRED + OPTIONAL]


def _read_csv(path: Path, text: io.TextIOWrapper) -> Iterator[FileEvent]:
    reader = csv.reader(text, strict=True)
    try:
        header = next(reader, None)
        if header is None:
            raise FileError(f"{path} is empty")
        positions = check_columns(path, header)
        as_they_are = positions == [0, 1, 2, 3, 4, 5] and len(header) == len(positions)
        for row in reader:
            if not row:
                continue  # a blank line, usually the last
            if len(row) != len(header):
                raise _bad(path, reader.line_num, f"{len(row)} fields, the header has {len(header)}")
            ordered = row if as_they_are else ["" if at is None else row[at] for at in positions]
            yield event(path, reader.line_num, ordered)
    except csv.Error as error:
        raise _bad(path, reader.line_num, str(error)) from None


def _uncompressed(path: Path, magic: bytes) -> BinaryIO | gzip.GzipFile:
    return gzip.open(path, "rb") if magic[:2] == _GZIP else path.open("rb")


def _first_bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(4)
    except OSError as error:
        raise FileError(f"cannot read {path}: {error.strerror}") from None


def _bad(path: Path, line: int, what: str) -> FileError:
    return FileError(f"{path}, line {line}: {what}")
