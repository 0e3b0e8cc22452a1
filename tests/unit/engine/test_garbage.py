"""The garbage collector while the engine runs."""

import gc

from streamproc.engine.garbage import patient_collections


def test_collections_are_rarer_and_leave_out_what_was_there_meanwhile() -> None:
    before, frozen = gc.get_threshold(), gc.get_freeze_count()
    with patient_collections():
        assert gc.get_threshold()[0] >= 10 * before[0]
        assert gc.get_threshold()[1:] == before[1:]
        assert gc.get_freeze_count() > frozen
    assert gc.get_threshold() == before
    assert gc.get_freeze_count() == 0
