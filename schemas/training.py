"""Binary records of the topic `training-examples`: examples to learn from, and moments of the raw features.

Both are little endian and start with a version byte and a kind byte; both end with the CRC-32 of all that precedes it.
JSON would be five times as long, and the trainer reads every event of the whole system.

    example  version u8, kind u8 = 0, event_type u8, layout u32, user u64, timestamp_ms i64, base_version u32,
             partition i32, offset i64, n u16, F u16, correction f16[n], features i8[n, F], crc u32
    moments  version u8, kind u8 = 1, layout u32, count f64, F u16, mean f64[F], m2 f64[F], crc u32
"""

import math
from dataclasses import dataclass
from struct import Struct
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from schemas.record import MAX_RECORD_BYTES, RecordError

VERSION = 1
FEATURE_CLIP = 6.0  # standardised features are clipped to +-6 ...
FEATURE_SCALE = 127 / FEATURE_CLIP  # ... and kept as int8

_KIND_EXAMPLE, _KIND_MOMENTS = 0, 1
_EXAMPLE = Struct("<BBBIQqIiqHH")
_MOMENTS = Struct("<BBIdH")
_CRC = Struct("<I")


@dataclass(frozen=True, slots=True, eq=False)
class TrainingExample:
    """A positive item, its negatives, and where the event came from.

    `features` is int8 `[n, F]`, `round(x * 127 / 6)` of standardised features x clipped to +-6; row 0 is the positive.
    `correction` is float16 `[n]`: add it to the logits. It is 0 for the positive and -log(m q_j) for a negative j when
    m are drawn, each with probability q_j (sampled softmax, Bengio and Senecal 2008).
    """

    layout: int  # CRC-32 of the feature names
    event_type: int  # 0 click, 1 cart, 2 purchase
    user: int  # 64-bit hash
    timestamp_ms: int
    base_version: int
    partition: int
    offset: int
    correction: NDArray[np.float16]
    features: NDArray[np.int8]


@dataclass(frozen=True, slots=True, eq=False)
class Moments:
    """Count, mean `[F]` and sum of squared deviations `[F]` of raw features (mergeable: Chan et al. 1979)."""

    layout: int
    count: float
    mean: NDArray[np.float64]
    m2: NDArray[np.float64]


def quantise(standardised: NDArray[np.floating]) -> NDArray[np.int8]:
    """Round standardised features to the int8 of a training example.

    >>> quantise(np.array([0.0, 6.0, -9.0, 0.05]))
    array([   0,  127, -127,    1], dtype=int8)
    """
    clipped = np.clip(standardised, -FEATURE_CLIP, FEATURE_CLIP)
    quantised: NDArray[np.int8] = np.rint(clipped * FEATURE_SCALE).astype(np.int8)
    return quantised


def dequantise(features: NDArray[np.int8]) -> NDArray[np.float32]:
    """Standardised features of an example, float32; off by at most 3 / 127 = 0.024 standard deviations."""
    return features.astype(np.float32) * np.float32(1 / FEATURE_SCALE)


def encode_example(example: TrainingExample) -> bytes:
    """Write an example; about 1 KB for 17 rows of 60 features."""
    n, width = example.features.shape
    body = b"".join(
        (
            _EXAMPLE.pack(
                VERSION,
                _KIND_EXAMPLE,
                example.event_type,
                example.layout,
                example.user,
                example.timestamp_ms,
                example.base_version,
                example.partition,
                example.offset,
                n,
                width,
            ),
            example.correction.astype("<f2", copy=False).tobytes(),
            example.features.astype(np.int8, copy=False).tobytes(),
        )
    )
    return body + _CRC.pack(crc32(body))


def encode_moments(moments: Moments) -> bytes:
    """Write moments; 16 bytes for each feature."""
    body = b"".join(
        (
            _MOMENTS.pack(VERSION, _KIND_MOMENTS, moments.layout, moments.count, len(moments.mean)),
            moments.mean.astype("<f8", copy=False).tobytes(),
            moments.m2.astype("<f8", copy=False).tobytes(),
        )
    )
    return body + _CRC.pack(crc32(body))


def decode_training(raw: bytes | None, *, max_bytes: int = MAX_RECORD_BYTES) -> TrainingExample | Moments:
    """Read either kind; the arrays are read-only views of `raw`.

    Raises
    ------
    RecordError
        Of kind `null_value`, `too_large`, `unknown_version`, or `invalid` for a damaged record.
    """
    if raw is None:
        raise RecordError("null_value", "the record has no value")
    if len(raw) > max_bytes:
        raise RecordError("too_large", f"{len(raw)} bytes, at most {max_bytes} are allowed")
    if len(raw) < 2:
        raise RecordError("invalid", "training record: too short")
    if raw[0] != VERSION:
        raise RecordError("unknown_version", f"training record of version {raw[0]}; this reader knows {VERSION}")
    body = memoryview(raw)[:-4]
    if len(raw) < 6 or _CRC.unpack_from(raw, len(raw) - 4)[0] != crc32(body):
        raise RecordError("invalid", "training record: checksum does not match")
    if raw[1] == _KIND_EXAMPLE:
        return _example(body)
    if raw[1] == _KIND_MOMENTS:
        return _moments(body)
    raise RecordError("invalid", f"training record of unknown kind {raw[1]}")


def decode_example(raw: bytes | None) -> TrainingExample:
    """Read a record that must be an example."""
    decoded = decode_training(raw)
    if not isinstance(decoded, TrainingExample):
        raise RecordError("invalid", "training record: moments where an example was expected")
    return decoded


def _example(body: memoryview) -> TrainingExample:
    if len(body) < _EXAMPLE.size:
        raise RecordError("invalid", "training example: too short")
    _, _, event_type, layout, user, timestamp_ms, base_version, partition, offset, n, width = _EXAMPLE.unpack_from(body)
    if len(body) != _EXAMPLE.size + 2 * n + n * width:
        raise RecordError("invalid", "training example: length does not match its header")
    if n < 1 or width < 1 or event_type > 2:
        raise RecordError("invalid", "training example: header out of range")
    correction = np.frombuffer(body, "<f2", n, _EXAMPLE.size)
    if not np.isfinite(correction).all():
        raise RecordError("invalid", "training example: correction is not finite")
    features = np.frombuffer(body, np.int8, n * width, _EXAMPLE.size + 2 * n).reshape(n, width)
    return TrainingExample(
        layout, event_type, user, timestamp_ms, base_version, partition, offset, correction, features
    )


def _moments(body: memoryview) -> Moments:
    if len(body) < _MOMENTS.size:
        raise RecordError("invalid", "moments: too short")
    _, _, layout, count, width = _MOMENTS.unpack_from(body)
    if len(body) != _MOMENTS.size + 16 * width:
        raise RecordError("invalid", "moments: length does not match the header")
    mean = np.frombuffer(body, "<f8", width, _MOMENTS.size)
    m2 = np.frombuffer(body, "<f8", width, _MOMENTS.size + 8 * width)
    if not (
        math.isfinite(count) and count >= 0 and np.isfinite(mean).all() and np.isfinite(m2).all() and (m2 >= 0).all()
    ):
        raise RecordError("invalid", "moments: values out of range")
    return Moments(layout, count, mean, m2)
