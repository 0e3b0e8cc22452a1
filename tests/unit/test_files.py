"""Event files: what is read, and that every malformed row is named by file and line."""

import csv
import gzip
import io
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamproc.files import FileError, FileEvent, count_rows, read_events

HEADER = "timestamp_ms,user_id,item_id,event_type,category,price\n"
T = 1_700_000_000_000
ROWS = [
    FileEvent(T, "0444778", "i1", "click", None, None),
    FileEvent(T + 1, "u2", "ï, 2", "cart", 'a "b"', 0.0),
    FileEvent(T + 1, "u2", "3", "purchase", "c|d", 12.5),
]


def csv_text(rows: list[FileEvent]) -> str:
    out = io.StringIO()
    writer = csv.writer(out)
    for row in rows:
        writer.writerow(["" if value is None else value for value in row])
    return HEADER + out.getvalue()


@pytest.mark.parametrize("name", ["events.csv", "events.csv.gz", "no-suffix", "wrong.parquet"])
def test_csv_plain_and_compressed_whatever_its_name(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    raw = csv_text(ROWS).encode()
    path.write_bytes(gzip.compress(raw) if name.endswith("gz") else raw)
    assert list(read_events(path)) == ROWS
    assert count_rows(path) == 3


def test_columns_in_any_order_with_others_between_and_optional_ones_absent(tmp_path: Path) -> None:
    path = tmp_path / "events.csv"
    path.write_text(f"item_id,colour,timestamp_ms,user_id\ni1,red,{T},u1\n")
    assert list(read_events(path)) == [FileEvent(T, "u1", "i1", "click", None, None)]


def test_byte_order_mark_windows_lines_and_blank_lines(tmp_path: Path) -> None:
    path = tmp_path / "events.csv"
    path.write_bytes(b"\xef\xbb\xbf" + (HEADER + f"{T},u1,i1,,,\n\n").replace("\n", "\r\n").encode())
    assert list(read_events(path)) == [FileEvent(T, "u1", "i1", "click", None, None)]


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ("then,u,i,,,", "timestamp_ms is not a whole number: 'then'"),
        (",u,i,,,", "timestamp_ms is not a whole number: ''"),
        ("1700000000,u,i,,,", "is it in milliseconds?"),
        (f"{T},,i,,,", "user_id is empty"),
        (f"{T},u,,,,", "item_id is empty"),
        (f"{T},{'u' * 257},i,,,", "user_id is longer than 256 bytes"),
        (f"{T},u,{'é' * 129},,,", "item_id is longer than 256 bytes"),
        (f"{T},u,i,view,,", "event_type is not click, cart or purchase: 'view'"),
        (f"{T},u,i,,{'c' * 257},", "category is longer"),
        (f"{T},u,i,,,cheap", "price is not a number: 'cheap'"),
        (f"{T},u,i,,,nan", "price must be finite"),
        (f"{T},u,i,,,-1", "price must be finite and not negative"),
        (f"{T},u,i", "3 fields, the header has 6"),
        (f"{T},u,i,,,,", "7 fields, the header has 6"),
        (f'{T},u,"i"x,,,', "expected after"),
    ],
)
def test_a_malformed_row_ends_the_reading_and_is_named(tmp_path: Path, row: str, says: str) -> None:
    path = tmp_path / "events.csv"
    path.write_text(HEADER + f"{T},u,i,,,\n" + row + "\n" + f"{T},u,i,,,\n", encoding="utf-8")
    events = read_events(path)
    assert next(events).user_id == "u"
    with pytest.raises(FileError) as caught:
        next(events)
    assert str(caught.value).startswith(f"{path}, line 3: ")
    assert says in str(caught.value)


def test_the_line_is_that_of_the_file_even_after_line_breaks_in_fields(tmp_path: Path) -> None:
    path = tmp_path / "events.csv"
    path.write_text(HEADER + f'{T},u,i,,"two\nlines",\n{T},u,,,,\n')
    with pytest.raises(FileError, match="line 4: item_id is empty"):
        list(read_events(path))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is empty"),
        (b"user,item\n1,2\n", "no column timestamp_ms, user_id, item_id; an event file has"),
        (b"timestamp_ms,user_id\n", "no column item_id"),
        (HEADER.encode() + b"\xff\xfe\n", "is not UTF-8 text"),
        (gzip.compress(csv_text(ROWS * 99).encode())[:-30], "is a damaged gzip file"),
        (gzip.compress(b"x")[:4] + b"rubbish", "is a damaged gzip file"),
        (b"PAR1rubbish", "is not a Parquet file"),
    ],
)
def test_files_that_are_no_event_files(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "events"
    path.write_bytes(content)
    with pytest.raises(FileError, match=says) as caught:
        list(read_events(path))
    assert str(path) in str(caught.value)


def test_files_that_are_not_there(tmp_path: Path) -> None:
    for path, says in ((tmp_path / "none.csv", "No such file"), (tmp_path, "Is a directory")):
        with pytest.raises(FileError, match=says):
            list(read_events(path))
        with pytest.raises(FileError, match=says):
            count_rows(path)


def parquet(path: Path, **columns: Any) -> Path:
    pq.write_table(pa.table(columns), path)
    return path


def test_parquet_gives_the_same_rows(tmp_path: Path) -> None:
    names = FileEvent._fields
    path = parquet(tmp_path / "events.parquet", **dict(zip(names, zip(*ROWS, strict=True), strict=True)))
    assert list(read_events(path)) == ROWS
    assert count_rows(path) == 3


def test_parquet_types_of_data_frames(tmp_path: Path) -> None:
    path = parquet(
        tmp_path / "events",
        item_id=pa.array(["a", "b"]).dictionary_encode(),
        user_id=pa.array([7, 8], pa.int64()),
        timestamp_ms=pa.array([datetime(2024, 1, 1, tzinfo=UTC)] * 2, pa.timestamp("ns", "UTC")),
        price=pa.array([Decimal("1.50"), None], pa.decimal128(8, 2)),
        event_type=pa.nulls(2),
        category=pa.array([None, "c"], pa.large_string()),
    )
    assert list(read_events(path)) == [
        FileEvent(1_704_067_200_000, "7", "a", "click", None, 1.5),
        FileEvent(1_704_067_200_000, "8", "b", "click", "c", None),
    ]
    nan = parquet(tmp_path / "nan", user_id=["u"], item_id=["i"], timestamp_ms=[T], price=[float("nan")])
    assert next(iter(read_events(nan))).price is None


def test_parquet_refuses_what_cannot_be_meant(tmp_path: Path) -> None:
    good: dict[str, Any] = {"user_id": ["u", "u"], "item_id": ["i", "i"], "timestamp_ms": [T, T]}
    for change, says in [
        ({"user_id": [1.5, 2.0]}, "column user_id must be whole numbers or text, not double"),
        ({"timestamp_ms": [1.5, 2.0]}, "column timestamp_ms must be"),
        ({"price": [True, False]}, "column price must be numbers, not bool"),
        ({"user_id": ["u", None]}, "line 2: user_id is empty"),
        ({"timestamp_ms": [T, 5]}, "line 2: timestamp_ms 5"),
    ]:
        path = parquet(tmp_path / "bad", **(good | change))
        with pytest.raises(FileError, match=says):
            list(read_events(path))
    with pytest.raises(FileError, match="no column item_id"):
        list(read_events(parquet(tmp_path / "narrow", user_id=["u"], timestamp_ms=[T])))


text = st.text(st.characters(codec="utf-8", exclude_characters="\r\n\0"), min_size=1, max_size=40)


@given(
    st.lists(
        st.builds(
            FileEvent,
            timestamp_ms=st.integers(631_152_000_000, 4_102_444_799_999),
            user_id=text,
            item_id=text,
            event_type=st.sampled_from(["click", "cart", "purchase"]),
            category=st.none() | text,
            price=st.none() | st.floats(0, allow_nan=False, allow_infinity=False),
        )
    )
)
def test_any_rows_survive_csv(tmp_path_factory: pytest.TempPathFactory, rows: list[FileEvent]) -> None:
    path = tmp_path_factory.mktemp("csv") / "events.csv"
    path.write_text(csv_text(rows), encoding="utf-8", newline="")
    assert list(read_events(path)) == rows


def test_reading_is_lazy(tmp_path: Path) -> None:
    path = tmp_path / "events.csv"
    path.write_text(HEADER + f"{T},u,i,,,\n" * 100_000 + "bad\n")
    events = read_events(path)
    assert [next(events).user_id for _ in range(10)] == ["u"] * 10
    events.close()  # type: ignore[attr-defined]
