"""Live evidence of a few successive events of one worker (topic `training-examples`), binary, kind 2.

version u8, kind u8 = 2, timestamp_ms i64, events u16, new_items u16, new_users u16, comparisons u16, items u32[events],
outcomes u8[events], then for each comparison: shadow u32, serving u32, gain f32; crc u32
"""

from dataclasses import dataclass
from struct import Struct
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from schemas.record import RecordError
from schemas.training import VERSION

KIND_EVIDENCE = 2
PROMISES = 64  # levels that are told apart
_HEADER = Struct("<BBqHHHH")
_COMPARED = np.dtype([("shadow", "<u4"), ("serving", "<u4"), ("gain", "<f4")])
_CRC = Struct("<I")


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """What traffic there was, how the lists did, and how versions in the shadow did beside the one in service.

    Attributes
    ----------
    timestamp_ms : of the last event.
    new_items, new_users : events on items that nobody, by users who never, had acted before.
    items : 32 bits of the hash of each event's item.
    outcomes : of each event how much its list promised and what it held, as `outcome` packs them.
    shadow, serving, gain : per comparison the two versions, and by how many nats the shadow foretold an event better.
    """

    timestamp_ms: int
    new_items: int
    new_users: int
    items: NDArray[np.uint32]
    outcomes: NDArray[np.uint8]
    shadow: NDArray[np.uint32]
    serving: NDArray[np.uint32]
    gain: NDArray[np.float32]


def outcome(promise: float, model_hit: bool, baseline_hit: bool) -> int:
    """One byte of an event: its promise, 0 to 1, and whether its item was in the model's list, and in the baseline's.

    >>> unpack(outcome(0.7, True, False)), unpack(outcome(1.0, False, True))
    ((0.6875, True, False), (0.984375, False, True))
    """
    return min(int(promise * PROMISES), PROMISES - 1) << 2 | model_hit << 1 | baseline_hit


def unpack(byte: int) -> tuple[float, bool, bool]:
    """What `outcome` packed; the promise to the next lower level."""
    return (byte >> 2) / PROMISES, bool(byte & 2), bool(byte & 1)


def encode_evidence(evidence: Evidence) -> bytes:
    """Write evidence: 22 bytes, 5 for each event and 12 for each comparison."""
    compared = np.empty(len(evidence.gain), _COMPARED)
    compared["shadow"], compared["serving"], compared["gain"] = evidence.shadow, evidence.serving, evidence.gain
    header = _HEADER.pack(
        VERSION,
        KIND_EVIDENCE,
        evidence.timestamp_ms,
        len(evidence.items),
        evidence.new_items,
        evidence.new_users,
        len(compared),
    )
    outcomes = evidence.outcomes.astype("u1", copy=False)
    body = header + evidence.items.astype("<u4", copy=False).tobytes() + outcomes.tobytes() + compared.tobytes()
    return body + _CRC.pack(crc32(body))


def is_evidence(raw: bytes | None) -> bool:
    """Whether a record of `training-examples` is evidence, by its leading bytes.

    >>> is_evidence(None), is_evidence(bytes([1, 2]))
    (False, True)
    """
    return raw is not None and raw[:2] == bytes([VERSION, KIND_EVIDENCE])


def decode_evidence(raw: bytes) -> Evidence:
    """Read evidence.

    Raises
    ------
    RecordError
        Of kind `invalid`, for a damaged record.
    """
    if len(raw) < _HEADER.size + _CRC.size:
        raise RecordError("invalid", "evidence: too short")
    body = memoryview(raw)[:-4]
    if _CRC.unpack_from(raw, len(raw) - 4)[0] != crc32(body):
        raise RecordError("invalid", "evidence: checksum does not match")
    _, _, timestamp_ms, events, new_items, new_users, n = _HEADER.unpack_from(body)
    length = _HEADER.size + 5 * events + _COMPARED.itemsize * n
    if events < 1 or len(body) != length or max(new_items, new_users) > events:
        raise RecordError("invalid", "evidence: header does not match what follows")
    items = np.frombuffer(body, "<u4", events, _HEADER.size)
    outcomes = np.frombuffer(body, "u1", events, _HEADER.size + 4 * events)
    compared = np.frombuffer(body, _COMPARED, n, _HEADER.size + 5 * events)
    if not np.isfinite(compared["gain"]).all():
        raise RecordError("invalid", "evidence: not finite")
    return Evidence(
        timestamp_ms, new_items, new_users, items, outcomes, compared["shadow"], compared["serving"], compared["gain"]
    )
