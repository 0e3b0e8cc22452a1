"""What a batch sees of the state table at each step of the batches before it."""

from streamproc.engine.state import TaskState
from streamproc.engine.store import MemoryStore


def test_the_newest_layer_wins_and_reaches_the_store_only_when_committed() -> None:
    store = MemoryStore()
    store.write({b"a": b"old", b"b": b"old"}, 1)
    state = TaskState(store)

    state.processed({b"a": b"1", b"c": b"1"})
    state.sent(3)
    state.committing()
    state.processed({b"a": b"2", b"b": None})
    assert state.get_many([b"b", b"a", b"c", b"d"]) == [None, b"2", b"1", None]
    assert [state.get(key) for key in (b"b", b"a", b"c", b"d")] == [None, b"2", b"1", None]
    assert store.get_many([b"a", b"b", b"c"]) == [b"old", b"old", None]

    state.committed()
    assert store.get_many([b"a", b"b", b"c"]) == [b"1", b"old", b"1"]
    assert store.position == 3
    assert state.get_many([b"a", b"b", b"c"]) == [b"2", None, b"1"]

    state.sent(5)
    state.committing()
    state.committed()
    assert store.get_many([b"a", b"b", b"c"]) == [b"2", None, b"1"]
    assert store.position == 5


def test_batches_of_one_transaction_add_up() -> None:
    state = TaskState(MemoryStore())
    for number in range(3):
        state.processed({b"last": b"%d" % number, b"%d" % number: b"x"})
        state.sent(number)
    state.processed({})
    state.sent(None)
    state.committing()
    state.committed()
    assert dict(state.store.items()) == {b"last": b"2", b"0": b"x", b"1": b"x", b"2": b"x"}
    assert state.store.position == 2


def test_what_has_expired_is_not_there_and_is_swept_unless_it_was_written_since() -> None:
    store = MemoryStore()
    store.write({b"old": b"10", b"back": b"10", b"new": b"90"}, 1)
    state = TaskState(store, lambda value, now_ms: now_ms - int(value) > 50)
    assert state.get_many([b"old", b"new"]) == [b"10", b"90"]
    state.newest_ms = 100
    assert (state.get(b"old"), state.get_many([b"old", b"new", b"never"])) == (None, [None, b"90", None])
    state.processed({b"back": b"100"})
    state.sent(1)
    swept = [row for _ in range(4) for row in state.sweep(2).items()]
    assert set(swept) == {(b"old", None)}
    state.processed(dict(swept))
    state.sent(2)
    state.committing()
    state.committed()
    assert dict(store.items()) == {b"back": b"100", b"new": b"90"}


def test_a_commit_without_rows_leaves_the_position() -> None:
    store = MemoryStore()
    store.write({}, 9)
    state = TaskState(store)
    state.committing()
    state.committed()
    assert store.position == 9
