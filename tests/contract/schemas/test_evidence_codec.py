"""The binary evidence of `training-examples`: whole, or refused."""

from __future__ import annotations

from dataclasses import fields, replace
from zlib import crc32

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.evidence import PROMISES, Evidence, decode_evidence, encode_evidence, is_evidence, outcome, unpack
from schemas.record import RecordError

SOME = Evidence(
    timestamp_ms=1_700_000_000_000,
    new_items=0,
    new_users=3,
    items=np.array([1, 2**32 - 1, 7], np.uint32),
    outcomes=np.array([0, outcome(0.5, True, False), outcome(1.0, True, True)], np.uint8),
    shadow=np.array([5, 4], np.uint32),
    serving=np.array([4, 4], np.uint32),
    gain=np.array([0.5, -0.125], np.float32),
)


def test_what_was_written_is_read() -> None:
    raw = encode_evidence(SOME)
    assert is_evidence(raw)
    assert len(raw) == 18 + 3 * 5 + 2 * 12 + 4
    back = decode_evidence(raw)
    for field in fields(Evidence):
        np.testing.assert_array_equal(getattr(back, field.name), getattr(SOME, field.name))


@given(st.data())
def test_any_damage_is_found(data: st.DataObject) -> None:
    raw = bytearray(encode_evidence(SOME))
    at = data.draw(st.integers(0, len(raw) - 1))
    raw[at] ^= data.draw(st.integers(1, 255))
    with pytest.raises(RecordError):
        decode_evidence(bytes(raw))
    with pytest.raises(RecordError):
        decode_evidence(encode_evidence(SOME)[:at])


@given(st.floats(0, 1), st.booleans(), st.booleans())
def test_an_outcome_takes_one_byte(promise: float, model_hit: bool, baseline_hit: bool) -> None:
    byte = outcome(promise, model_hit, baseline_hit)
    assert 0 <= byte <= 255
    back, *hits = unpack(byte)
    assert hits == [model_hit, baseline_hit]
    assert back <= promise <= back + 1 / PROMISES


@pytest.mark.parametrize(
    "wrong",
    [
        replace(SOME, gain=np.array([np.nan, 0], np.float32)),
        replace(SOME, new_users=4),
        replace(SOME, items=SOME.items[:0], outcomes=SOME.outcomes[:0], new_users=0),
    ],
)
def test_values_that_make_no_sense_are_refused(wrong: Evidence) -> None:
    with pytest.raises(RecordError, match="evidence: "):
        decode_evidence(encode_evidence(wrong))


def test_a_signed_record_of_another_length_is_refused() -> None:
    body = encode_evidence(SOME)[:-4] + b"\0"
    with pytest.raises(RecordError, match="header does not match"):
        decode_evidence(body + crc32(body).to_bytes(4, "little"))
