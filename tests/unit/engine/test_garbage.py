"""The garbage collector of a process that runs an engine."""

import gc
from collections.abc import Iterator

import pytest

from streamproc.engine.garbage import collect_patiently


@pytest.fixture
def defaults() -> Iterator[None]:
    before = gc.get_threshold()
    gc.set_threshold(700, 10, 10)
    gc.unfreeze()
    yield
    gc.set_threshold(*before)
    gc.unfreeze()


@pytest.mark.usefixtures("defaults")
def test_collections_are_rarer_and_leave_out_what_is_there() -> None:
    collect_patiently()
    young, *older = gc.get_threshold()
    assert young >= 7_000
    assert older == [10, 10]
    assert gc.get_freeze_count() > 1_000
