"""The binary training records: exact round trips, and damage of any kind is noticed."""

import struct
from zlib import crc32

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.record import RecordError
from schemas.training import (
    FEATURE_CLIP,
    Moments,
    TrainingExample,
    decode_example,
    decode_training,
    dequantise,
    encode_example,
    encode_moments,
    quantise,
)


def an_example(n: int = 17, width: int = 60, seed: int = 0) -> TrainingExample:
    random = np.random.default_rng(seed)
    return TrainingExample(
        layout=2**32 - 1,
        event_type=2,
        user=2**64 - 1,
        timestamp_ms=1_700_000_000_000,
        base_version=2**32 - 1,
        partition=3,
        offset=2**40,
        correction=random.normal(size=n).astype(np.float16),
        features=random.integers(-127, 128, (n, width)).astype(np.int8),
    )


def some_moments(width: int = 60) -> Moments:
    random = np.random.default_rng(1)
    return Moments(layout=7, count=12.5, mean=random.normal(size=width), m2=random.random(width))


def signed(body: bytes) -> bytes:
    return body + struct.pack("<I", crc32(body))


@given(st.integers(1, 40), st.integers(1, 80), st.integers(0, 5))
def test_examples_survive_exactly(n: int, width: int, seed: int) -> None:
    example = an_example(n, width, seed)
    back = decode_training(encode_example(example))
    assert isinstance(back, TrainingExample)
    for name in ("layout", "event_type", "user", "timestamp_ms", "base_version", "partition", "offset"):
        assert getattr(back, name) == getattr(example, name)
    np.testing.assert_array_equal(back.correction, example.correction)
    np.testing.assert_array_equal(back.features, example.features)
    assert back.features.shape == (n, width)


def test_an_example_takes_about_a_kilobyte() -> None:
    assert len(encode_example(an_example())) == 43 + 17 * 2 + 17 * 60 + 4


def test_moments_survive_exactly() -> None:
    moments = some_moments()
    back = decode_training(encode_moments(moments))
    assert isinstance(back, Moments)
    assert (back.layout, back.count) == (7, 12.5)
    np.testing.assert_array_equal(back.mean, moments.mean)
    np.testing.assert_array_equal(back.m2, moments.m2)


@given(st.data())
def test_any_flipped_bit_is_noticed(data: st.DataObject) -> None:
    whole = data.draw(st.sampled_from([encode_example(an_example(4, 9)), encode_moments(some_moments(5))]))
    bit = data.draw(st.integers(0, 8 * len(whole) - 1))
    damaged = bytearray(whole)
    damaged[bit // 8] ^= 1 << bit % 8
    with pytest.raises(RecordError) as caught:
        decode_training(bytes(damaged))
    assert caught.value.kind == ("unknown_version" if bit < 8 else "invalid")


@given(st.data())
def test_any_truncation_is_noticed(data: st.DataObject) -> None:
    whole = data.draw(st.sampled_from([encode_example(an_example(4, 9)), encode_moments(some_moments(5))]))
    with pytest.raises(RecordError):
        decode_training(whole[: data.draw(st.integers(0, len(whole) - 1))])


@given(st.binary(max_size=200))
def test_noise_raises_only_record_errors_even_when_signed(noise: bytes) -> None:
    for raw in (noise, signed(noise), signed(b"\x01\x00" + noise), signed(b"\x01\x01" + noise)):
        kind = None
        try:
            decode_training(raw)
        except RecordError as error:
            kind = error.kind
        assert kind in (None, "invalid", "unknown_version")


def test_a_missing_or_oversized_value_has_its_own_kind() -> None:
    with pytest.raises(RecordError, match="null_value"):
        decode_training(None)
    with pytest.raises(RecordError, match="too_large"):
        decode_training(b"\x01" * 65_537)


@pytest.mark.parametrize(
    "body",
    [
        encode_example(an_example(2, 3))[:-5],
        encode_example(an_example(2, 3))[:-4] + b"\0",
        b"\x01\x02" + b"\0" * 60,
        encode_example(TrainingExample(1, 3, 0, 0, 0, 0, 0, np.zeros(2, np.float16), np.zeros((2, 3), np.int8)))[:-4],
        encode_example(TrainingExample(1, 0, 0, 0, 0, 0, 0, np.full(2, np.inf, np.float16), np.zeros((2, 3), np.int8)))[
            :-4
        ],
        encode_moments(Moments(1, -1.0, np.zeros(2), np.zeros(2)))[:-4],
        encode_moments(Moments(1, 1.0, np.array([np.nan, 0]), np.zeros(2)))[:-4],
        encode_moments(Moments(1, 1.0, np.zeros(2), np.array([0, -1.0])))[:-4],
    ],
    ids=["short", "long", "kind", "event type", "correction", "count", "mean", "m2"],
)
def test_content_is_checked_behind_a_right_checksum(body: bytes) -> None:
    with pytest.raises(RecordError, match="invalid"):
        decode_training(signed(body))


def test_moments_are_no_example() -> None:
    with pytest.raises(RecordError, match="moments"):
        decode_example(encode_moments(some_moments()))


def test_quantisation_is_clipped_symmetric_and_close() -> None:
    values = np.linspace(-8, 8, 4_001)
    there = dequantise(quantise(values))
    np.testing.assert_allclose(there, np.clip(values, -FEATURE_CLIP, FEATURE_CLIP), atol=3 / 127 + 1e-6)
    np.testing.assert_array_equal(quantise(-values), -quantise(values))
