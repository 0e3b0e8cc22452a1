"""One contract for every local store."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streamproc.engine.store import MemoryStore, RocksStore, Store, StoreLockedError, open_store, stored_partitions

Open = Callable[[], Store]


@pytest.fixture(params=["memory", "rocksdb"])
def open_one(request: pytest.FixtureRequest, tmp_path: Path) -> Open:
    return lambda: open_store(request.param, tmp_path, 3)


def test_a_new_store_is_empty_has_no_position_and_counts_its_rows(open_one: Open) -> None:
    store = open_one()
    assert store.position is None
    assert store.get(b"a") is None
    assert store.get_many([b"a", b"b"]) == [None, None]
    assert store.get_many([]) == []
    assert list(store.items()) == []
    assert store.rows() == 0
    store.write({b"a": b"1", b"b": b"2"}, 2)
    assert store.rows() == 2
    store.close()


def test_rows_are_written_replaced_and_deleted_with_the_position(open_one: Open) -> None:
    store = open_one()
    store.write({b"a": b"1", b"b": b"2", b"\x00\xff": b""}, 10)
    assert store.get_many([b"b", b"none", b"a", b"\x00\xff"]) == [b"2", None, b"1", b""]
    store.write({b"a": b"3", b"b": None, b"never": None}, 12)
    assert (store.get(b"a"), store.get(b"b"), store.position) == (b"3", None, 12)
    assert sorted(store.items()) == [(b"\x00\xff", b""), (b"a", b"3")]
    store.write({}, 15)
    assert store.position == 15
    store.close()


def test_keys_cannot_touch_the_position(open_one: Open) -> None:
    store = open_one()
    store.write({b"p": b"row", b"": b"empty key", b"r": b"row"}, 7)
    assert (store.position, store.get(b"p"), store.get(b""), store.get(b"r")) == (7, b"row", b"empty key", b"row")
    assert len(list(store.items())) == 3
    store.close()


def test_clearing_forgets_rows_and_position(open_one: Open) -> None:
    store = open_one()
    store.write({b"a": b"1"}, 10)
    store.clear()
    assert (store.position, store.get(b"a"), list(store.items())) == (None, None, [])
    store.write({b"b": b"2"}, 3)
    assert (store.position, store.get(b"b")) == (3, b"2")
    store.close()


def test_a_walk_comes_by_every_row_again_and_again(open_one: Open) -> None:
    store = open_one()
    assert store.walk(10) == []
    store.write({b"%03d" % number: b"x" for number in range(25)}, 1)
    while len(store.walk(10)) == 10:
        pass  # the end of a round that may have begun before
    for _ in range(2):
        keys = [key for _ in range(3) for key in store.walk(10)]
        assert sorted(keys) == [b"%03d" % number for number in range(25)]
    store.walk(10)
    store.write({b"%03d" % number: None for number in range(24)}, 2)
    seen = {key for _ in range(6) for key in store.walk(10)}
    assert b"024" in seen
    store.clear()
    assert store.walk(10) == []
    store.close()


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.dictionaries(st.binary(max_size=3), st.none() | st.binary(max_size=20), max_size=8), max_size=8))
def test_any_writes_leave_what_a_dict_would(open_one: Open, batches: list[dict[bytes, bytes | None]]) -> None:
    store, expected = open_one(), {}
    store.clear()
    for position, rows in enumerate(batches):
        store.write(rows, position)
        expected |= rows
    keys = list(expected)
    assert store.get_many(keys) == [expected[key] for key in keys]
    assert dict(store.items()) == {key: value for key, value in expected.items() if value is not None}
    store.close()


def test_rocksdb_keeps_rows_and_position_over_a_restart(tmp_path: Path) -> None:
    store = RocksStore(tmp_path / "5")
    store.write({b"a": b"1"}, 10)
    store.close()
    again = RocksStore(tmp_path / "5")
    assert (again.position, again.get(b"a")) == (10, b"1")
    again.close()
    assert stored_partitions(tmp_path) == {5}
    assert stored_partitions(tmp_path / "nothing") == set()


def test_a_locked_folder_is_left_alone(tmp_path: Path) -> None:
    first = open_store("rocksdb", tmp_path, 0)
    first.write({b"a": b"1"}, 10)
    with pytest.raises(StoreLockedError):
        RocksStore(tmp_path / "0")
    second = open_store("rocksdb", tmp_path, 0)
    assert second.position is None
    first.close()
    second.close()
    assert isinstance(open_store("memory", tmp_path, 0), MemoryStore)
