"""What `model-updates` says, record by record."""

from __future__ import annotations

import pytest

from schemas.knowledge import ModelUpdate, PrivacySpent, PrivateSteps
from schemas.record import encode
from streamproc.versions import POINTER_KEY, VersionLog, record_key


def update(version: int, parent: int | None = None, **changes: object) -> bytes:
    record = ModelUpdate(
        version=version,
        parent=parent,
        uri=f"file:///tmp/{version}",
        sha256="0" * 64,
        verdict="promoted",
        reason="test",
        created_ms=1_700_000_000_000,
        kind="refresh",
        serving=True,
    )
    return encode(record.model_copy(update=changes))


def log_of(*versions: int) -> VersionLog:
    log = VersionLog()
    for version in versions:
        log.apply(record_key(version), update(version, version - 1))
        log.apply(POINTER_KEY, update(version, version - 1))
    return log


def test_the_pointer_alone_says_what_serves() -> None:
    log = log_of(1, 2)
    assert not log.apply(record_key(3), update(3, 2, verdict="rejected", serving=False))
    assert (log.serving_version, log.next_version) == (2, 4)
    assert log.apply(POINTER_KEY, update(1))
    assert (log.serving_version, log.next_version) == (1, 4)
    assert log.parent_in_service() == 0


def test_what_was_spent_is_told_by_the_newest_version_whatever_serves() -> None:
    assert VersionLog().privacy_spent() is None
    log = VersionLog()
    for version, epsilon in ((1, 0.5), (2, 0.9), (3, 1.2)):
        spent = PrivacySpent(epsilon, 1e-6, 10.0, [PrivateSteps(1.0, 0.064, 80)])
        log.apply(record_key(version), update(version, version - 1, privacy=spent, verdict="rejected"))
    for key, record in log.rolled_back(log.records[1], "by command", 1_700_000_000_001):
        log.apply(key, encode(record))
    assert log.serving_version == 1
    spent_so_far = log.privacy_spent()
    assert spent_so_far
    assert (spent_so_far.epsilon, spent_so_far.steps[0].steps) == (1.2, 80)


def test_numbers_are_never_used_again_even_when_records_are_gone() -> None:
    log = log_of(1, 2)
    log.apply(record_key(9), None)
    assert log.next_version == 10
    log.apply(record_key(2), None)
    assert [record.version for record in log.kept()] == [1]


@pytest.mark.parametrize(
    ("key", "value"),
    [(b"base@x", b"{}"), (b"other", b"null"), (None, b"{}"), (POINTER_KEY, b"not json"), (record_key(4), update(5))],
)
def test_records_that_make_no_sense_are_left_alone(key: bytes | None, value: bytes) -> None:
    log = log_of(1, 2)
    assert not log.apply(key, value)
    assert log.serving_version == 2
    assert sorted(log.records) == [1, 2]


def test_the_oldest_expire_but_not_what_serves_nor_its_parent() -> None:
    log = log_of(*range(1, 7))
    assert [record.version for record in log.expired(3)] == [1, 2, 3]
    log.apply(POINTER_KEY, update(2, 1))
    assert [record.version for record in log.expired(3)] == [3]


def test_the_newest_candidate_and_the_parent_of_one_on_probation_run_in_the_shadow() -> None:
    log = log_of(1, 2)
    assert log.in_shadow() == []
    log.apply(record_key(2), update(2, 1, probation=True))
    for version in (3, 4):
        log.apply(record_key(version), update(version, 2, verdict="candidate", serving=False))
    assert [record.version for record in log.in_shadow()] == [4, 1]
    assert [record.version for record in log.expired(1)] == [3]
    log.apply(record_key(1), None)
    assert (log.parent_on_probation(), [record.version for record in log.in_shadow()]) == (None, [4])


def test_a_rollback_ends_the_probation_and_leaves_its_numbers_behind() -> None:
    log = log_of(1, 2)
    log.apply(record_key(2), update(2, 1, probation=True, metrics={"gain_nats": 0.1}))
    written = log.rolled_back(log.records[1], "it lost", 1_700_000_000_001, {"probation_gain_nats": -0.2})
    assert [key for key, _ in written] == [record_key(2), record_key(1), POINTER_KEY]
    for key, record in written:
        log.apply(key, encode(record))
    assert (log.serving_version, log.in_shadow(), log.parent_on_probation()) == (1, [], None)
    left = log.records[2]
    assert (left.verdict, left.serving, left.probation) == ("rolled_back", False, False)
    assert left.reason == "rolled back to 1: it lost; before: test"
    assert left.metrics == {"gain_nats": 0.1, "probation_gain_nats": -0.2}
