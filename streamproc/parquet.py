"""Parquet event files, batch by batch."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from streamproc.files import OPTIONAL, REQUIRED, FileError, check_columns

BATCH_ROWS = 65_536


def count_parquet(path: Path) -> int:
    """Number of rows."""
    rows: int = _open(path).metadata.num_rows
    return rows


def read_parquet(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield row number (the first is 1) and the row as text, in the order of the known columns.

    Ids may be whole numbers or text, times whole milliseconds or timestamps. A null is an empty field; so is a NaN
    price, which is how data frames write one.

    Raises
    ------
    FileError
        When the file is damaged or a column is missing or of a type that cannot be meant.
    """
    file = _open(path)
    positions = check_columns(path, file.schema_arrow.names)
    present = [name for name, at in zip(REQUIRED + OPTIONAL, positions, strict=True) if at is not None]
    number = 0
    try:
        for batch in file.iter_batches(BATCH_ROWS, columns=present):
            columns = [
                _as_text(path, name, batch.column(name)) if name in present else [""] * len(batch)
                for name in REQUIRED + OPTIONAL
            ]
            for row in zip(*columns, strict=True):
                number += 1
                yield number, list(row)
    except (pa.ArrowException, OSError) as error:
        raise FileError(f"{path} is a damaged Parquet file: {error}") from None


def _open(path: Path) -> Any:
    try:
        return pq.ParquetFile(path)
    except (pa.ArrowException, OSError) as error:
        raise FileError(f"{path} is not a Parquet file: {error}") from None


def _as_text(path: Path, name: str, column: Any) -> list[str]:
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    kind = column.type
    if name == "price":
        if not (pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_decimal(kind) or _is_text(kind)):
            raise FileError(f"{path}: column price must be numbers, not {kind}")
        values = column.to_pylist()
        return ["" if value is None or value != value else str(value) for value in values]  # noqa: PLR0124  # NaN
    if pa.types.is_null(kind):
        return [""] * len(column)
    if name == "timestamp_ms" and pa.types.is_timestamp(kind):
        column = column.cast(pa.timestamp("ms"), safe=False).cast(pa.int64())
    elif not (pa.types.is_integer(kind) or _is_text(kind)):
        raise FileError(f"{path}: column {name} must be whole numbers or text, not {kind}")
    text: list[str] = pc.fill_null(column.cast(pa.string()), "").to_pylist()
    return text


def _is_text(kind: Any) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))
