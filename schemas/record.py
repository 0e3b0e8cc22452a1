"""What every JSON record has in common: strict types, size limits, a schema version, one error type.

A reader that meets a record it cannot use gets a `RecordError` whose `kind` is one of a closed set (it becomes a header
of the dead letter and a metric label) and whose `reason` is one line for a person. The reason never quotes the record.
"""

from functools import partial
from typing import Annotated, Any, ClassVar, Final, Literal, TypeVar, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError, to_json

MAX_ID_BYTES: Final = 256
MAX_EVENT_ID_BYTES: Final = 64
MAX_RECORD_BYTES: Final = 65_536
# Seconds instead of milliseconds, or microseconds, land far outside this range and are caught; the oldest public
# streams of clicks and ratings, of 1995 to 1999, do not.
MIN_TIMESTAMP_MS: Final = 631_152_000_000  # 1990-01-01T00:00:00Z
MAX_TIMESTAMP_MS: Final = 4_102_444_800_000  # 2100-01-01T00:00:00Z
MAX_REASON_LENGTH: Final = 300

ErrorKind = Literal[
    "null_value", "too_large", "not_json", "invalid", "unknown_version", "key_mismatch", "future_timestamp"
]
ERROR_KINDS: Final[tuple[ErrorKind, ...]] = get_args(ErrorKind)

STRICT: Final = ConfigDict(strict=True, frozen=True, extra="ignore", allow_inf_nan=False)


class RecordError(ValueError):
    """A record that must not be used.

    Parameters
    ----------
    kind
        One of `ERROR_KINDS`.
    reason
        What is wrong, one line, without the record's own content.
    """

    def __init__(self, kind: ErrorKind, reason: str) -> None:
        self.kind: ErrorKind = kind
        self.reason = " ".join(reason.split())[:MAX_REASON_LENGTH]
        super().__init__(f"{kind}: {self.reason}")


def _fits(limit: int, text: str) -> str:
    # A character has at most four bytes in UTF-8: short texts need not be encoded to be measured.
    if 4 * len(text) > limit and (size := len(text.encode())) > limit:
        raise PydanticCustomError(
            "too_long", "{size} bytes, at most {limit} are allowed", {"size": size, "limit": limit}
        )
    return text


def _id(text: str) -> str:
    return _fits(MAX_ID_BYTES, text)


def _event_id(text: str) -> str:
    return _fits(MAX_EVENT_ID_BYTES, text)


def _category(text: str | None) -> str | None:
    # An empty category is how many exports write "none".
    return _fits(MAX_ID_BYTES, text) if text else None


def _known_version(known: str, value: object) -> str:
    text = str(value) if type(value) in (int, str) else ""
    major, dot, minor = text.partition(".")
    if major == known and (minor.isdecimal() if dot else not minor):
        return text
    raise PydanticCustomError(
        "unknown_version", "this reader knows schema versions {known} and {known}.x only", {"known": known}
    )


def _bytes(least: int, most: int) -> Any:
    # JSON Schema counts characters; the stricter limit in bytes is a note for readers of the schema.
    return Field(min_length=least, max_length=most, json_schema_extra={"x-max-bytes": most})


Id = Annotated[str, _bytes(1, MAX_ID_BYTES), AfterValidator(_id)]
EventId = Annotated[str, _bytes(1, MAX_EVENT_ID_BYTES), AfterValidator(_event_id)]
Category = Annotated[Annotated[str, _bytes(0, MAX_ID_BYTES)] | None, AfterValidator(_category)]
TimestampMs = Annotated[int, Field(ge=MIN_TIMESTAMP_MS, lt=MAX_TIMESTAMP_MS)]
Price = Annotated[float, Field(ge=0)]
SchemaVersion = Annotated[
    str,
    BeforeValidator(partial(_known_version, "1")),
    WithJsonSchema({"anyOf": [{"type": "string", "pattern": r"^1(\.[0-9]+)?$"}, {"const": 1}]}),
]
SchemaVersion2 = Annotated[
    str,
    BeforeValidator(partial(_known_version, "2")),
    WithJsonSchema({"anyOf": [{"type": "string", "pattern": r"^2(\.[0-9]+)?$"}, {"const": 2}]}),
]


class Record(BaseModel):
    """Base of all JSON records: immutable, strict about types, tolerant of unknown fields."""

    model_config: ClassVar[ConfigDict] = STRICT

    schema_version: SchemaVersion = Field(
        default="1.0", description="Version of this schema; another major version is refused."
    )


R = TypeVar("R", bound=Record)


def decode(model: type[R], raw: bytes | None, *, max_bytes: int = MAX_RECORD_BYTES) -> R:
    """Read one record from the bytes of a Kafka value.

    Parameters
    ----------
    model
        The record's class.
    raw
        UTF-8 JSON.
    max_bytes
        A longer value is refused before it is parsed.

    Raises
    ------
    RecordError
        Of kind `null_value`, `too_large`, `not_json`, `invalid` or `unknown_version`.

    Examples
    --------
    >>> from schemas.events import ClickEvent
    >>> decode(ClickEvent, b'{"user_id": "u1", "item_id": "i1", "timestamp_ms": 1700000000000}').event_type
    'click'
    >>> decode(ClickEvent, b'{"user_id": "u1", "timestamp_ms": 1700000000000}')
    Traceback (most recent call last):
        ...
    schemas.record.RecordError: invalid: item_id: Field required
    """
    if raw is None:
        raise RecordError("null_value", "the record has no value")
    if len(raw) > max_bytes:
        raise RecordError("too_large", f"{len(raw)} bytes, at most {max_bytes} are allowed")
    try:
        # `model_validate_json` without its layer of Python, which is a third of the time of a click.
        record: R = model.__pydantic_validator__.validate_json(raw)
    except ValidationError as error:
        raise _record_error(error) from None
    return record


def encode(record: Record) -> bytes:
    """Write a record as compact JSON; fields that are null are left out.

    Examples
    --------
    >>> from schemas.events import ClickEvent
    >>> encode(ClickEvent(user_id="u1", item_id="i1", timestamp_ms=1700000000000))
    b'{"schema_version":"1.0","user_id":"u1","item_id":"i1","timestamp_ms":1700000000000,"event_type":"click"}'
    """
    return to_json(record, exclude_none=True)


def _record_error(error: ValidationError) -> RecordError:
    found: list[Any] = error.errors(include_url=False, include_input=False)
    for detail in found:
        if detail["type"] == "json_invalid":
            return RecordError("not_json", detail["msg"])
        if detail["type"] == "unknown_version":
            return RecordError("unknown_version", detail["msg"])
    lines = (f"{'.'.join(map(str, detail['loc'])) or 'record'}: {detail['msg']}" for detail in found[:3])
    more = f" (and {len(found) - 3} more)" if len(found) > 3 else ""
    return RecordError("invalid", "; ".join(lines) + more)
