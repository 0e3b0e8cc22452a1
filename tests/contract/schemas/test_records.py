"""Every kind of bad input is refused with its kind and a reason; every good record survives the round trip."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.catalogue import TOPIC_RECORDS, TopicRecord
from schemas.events import ClickEvent, ItemEvent, PurchaseEvent, RecommendationRequest
from schemas.knowledge import InteractionColumns, ItemStatsDelta, ModelUpdate, decode_item_stats
from schemas.outputs import DriftSignal, Recommendation
from schemas.record import (
    ERROR_KINDS,
    MAX_ID_BYTES,
    MAX_REASON_LENGTH,
    MAX_TIMESTAMP_MS,
    MIN_TIMESTAMP_MS,
    RecordError,
    decode,
    encode,
)

GOOD: dict[str, Any] = {"user_id": "u", "item_id": "i", "timestamp_ms": 1_700_000_000_000}


def click(**changes: Any) -> bytes:
    return json.dumps(GOOD | changes).encode()


def without(name: str) -> bytes:
    return json.dumps({field: value for field, value in GOOD.items() if field != name}).encode()


@pytest.mark.parametrize(
    ("raw", "kind", "says"),
    [
        (None, "null_value", "no value"),
        (b"x" * 10_000_000, "too_large", "10000000 bytes"),
        (b"", "not_json", "EOF"),
        (b'{"user_id": "u"', "not_json", "EOF"),
        (b"user=u", "not_json", "expected"),
        (b'{"user_id": "\xff"}', "not_json", "unicode"),
        (b'{"user_id": "\\ud800"}', "not_json", "hex escape"),
        (b"[" * 10_000, "not_json", "recursion"),
        (b"[]", "invalid", "object"),
        (b"null", "invalid", "object"),
        (b'"text"', "invalid", "object"),
        (without("user_id"), "invalid", "user_id: Field required"),
        (without("item_id"), "invalid", "item_id: Field required"),
        (without("timestamp_ms"), "invalid", "timestamp_ms: Field required"),
        (click(user_id=17), "invalid", "user_id: Input should be a valid string"),
        (click(user_id=None), "invalid", "user_id"),
        (click(user_id=""), "invalid", "user_id"),
        (click(user_id="u" * 257), "invalid", "user_id"),
        (click(user_id="é" * 129), "invalid", "258 bytes, at most 256"),
        (click(item_id=["i"]), "invalid", "item_id"),
        (click(timestamp_ms="1700000000000"), "invalid", "timestamp_ms"),
        (click(timestamp_ms=1700000000000.5), "invalid", "timestamp_ms"),
        (click(timestamp_ms=True), "invalid", "timestamp_ms"),
        (click(timestamp_ms=1_700_000_000), "invalid", "timestamp_ms"),
        (click(timestamp_ms=1_700_000_000_000_000), "invalid", "timestamp_ms"),
        (click(timestamp_ms=10**30), "invalid", "timestamp_ms"),
        (click(price=float("nan")), "invalid", "price: Input should be a finite number"),
        (click(price=float("inf")), "invalid", "price: Input should be a finite number"),
        (click(price=-0.01), "invalid", "price"),
        (click(price="9.99"), "invalid", "price"),
        (click(price=True), "invalid", "price"),
        (click(category="c" * 257), "invalid", "category"),
        (click(event_id="e" * 65), "invalid", "event_id"),
        (click(event_id="€" * 22), "invalid", "66 bytes, at most 64"),
        (click(event_type="purchase"), "invalid", "event_type"),
        (click(event_type="CLICK"), "invalid", "event_type"),
        (click(schema_version="2.0"), "unknown_version", "versions 1"),
        (click(schema_version=2), "unknown_version", "versions 1"),
        (click(schema_version="10"), "unknown_version", "versions 1"),
        (click(schema_version="1.x"), "unknown_version", "versions 1"),
        (click(schema_version=True), "unknown_version", "versions 1"),
        (click(schema_version=None), "unknown_version", "versions 1"),
        (click(schema_version="3", user_id=None), "unknown_version", "versions 1"),
    ],
)
def test_bad_clicks_are_refused_with_a_reason(raw: bytes | None, kind: str, says: str) -> None:
    with pytest.raises(RecordError) as caught:
        decode(ClickEvent, raw)
    assert caught.value.kind == kind
    assert says in caught.value.reason


def test_any_reason_becomes_one_short_line() -> None:
    assert RecordError("invalid", "a\n b\t c").reason == "a b c"
    assert len(RecordError("invalid", "word " * 500).reason) == MAX_REASON_LENGTH


def test_the_reason_does_not_quote_the_record() -> None:
    raw = json.dumps(
        {f"secret-{n}": n for n in range(50)} | {"user_id": "secret\nuser" * 90, "price": "secret"}
    ).encode()
    with pytest.raises(RecordError) as caught:
        decode(ClickEvent, raw)
    assert "\n" not in caught.value.reason
    assert len(caught.value.reason) <= MAX_REASON_LENGTH
    assert "secret" not in caught.value.reason


@pytest.mark.parametrize("version", ["1", "1.0", "1.7", "1.12", 1])
def test_versions_of_this_major_number_are_accepted(version: object) -> None:
    assert decode(ClickEvent, click(schema_version=version)).schema_version == str(version)


def test_unknown_fields_are_ignored() -> None:
    record = decode(ClickEvent, click(colour="red", nested={"deep": [1, None]}))
    assert record == decode(ClickEvent, click())
    assert b"colour" not in encode(record)


def test_defaults_and_widening() -> None:
    record = decode(ClickEvent, click(price=3, category=""))
    assert (record.event_type, record.price, record.category, record.event_id) == ("click", 3.0, None, None)
    assert type(record.price) is float
    assert decode(PurchaseEvent, click()).quantity == 1.0


def test_the_size_limit_is_inclusive_and_adjustable() -> None:
    raw = click()
    assert decode(ClickEvent, raw, max_bytes=len(raw)).user_id == "u"
    with pytest.raises(RecordError, match="too_large"):
        decode(ClickEvent, raw, max_bytes=len(raw) - 1)


@pytest.mark.parametrize("limit", [MIN_TIMESTAMP_MS, MAX_TIMESTAMP_MS - 1])
def test_the_time_range_is_inclusive(limit: int) -> None:
    assert decode(ClickEvent, click(timestamp_ms=limit)).timestamp_ms == limit


@pytest.mark.parametrize(
    ("model", "raw"),
    [
        (PurchaseEvent, click(quantity=0)),
        (PurchaseEvent, click(quantity=-1)),
        (ItemEvent, click(vector=[0.0] * 1_025)),
        (ItemEvent, click(vector=[float("nan")])),
        (ItemEvent, click(vector=["0"])),
        (ItemEvent, click(tags=["t"] * 65)),
        (ItemEvent, click(tags=[""])),
        (ItemEvent, click(text="t" * 8_193)),
        (ItemEvent, click(available=1)),
        (RecommendationRequest, click()),
        (RecommendationRequest, click(request_id="r", k=0)),
        (RecommendationRequest, click(request_id="r", k=201)),
        (RecommendationRequest, click(request_id="r", items=[])),
        (RecommendationRequest, click(request_id="r", items=["i"] * 1_001)),
        (RecommendationRequest, click(request_id="r", exclude=["i"] * 1_001)),
        (RecommendationRequest, click(request_id="r", context="shoes")),
    ],
)
def test_limits_of_the_other_inputs(model: type[ClickEvent], raw: bytes) -> None:
    with pytest.raises(RecordError, match="invalid"):
        decode(model, raw)


def test_nested_records_of_outputs_are_checked() -> None:
    good = json.loads(encode(next(r.example for r in TOPIC_RECORDS if r.topic == "recommendations")))
    for path, value in [(("score",), "high"), (("item_id",), ""), (("propensity",), 1.5), (("reasons",), [{}])]:
        bad = json.loads(json.dumps(good))
        bad["items"][0][path[0]] = value
        with pytest.raises(RecordError, match="invalid"):
            decode(Recommendation, json.dumps(bad).encode())


def stats(**changes: Any) -> dict[str, Any]:
    example = next(record.example for record in TOPIC_RECORDS if record.topic == "item-stats")
    record: dict[str, Any] = json.loads(encode(example))
    return record | changes


def read_stats(record: dict[str, Any]) -> ItemStatsDelta:
    return decode_item_stats(json.dumps(record).encode(), max_bytes=10_000)


def test_hashes_use_all_of_64_bits_and_no_more() -> None:
    columns = InteractionColumns([2**64 - 1], ["i"], [2], [1_700_000_000_000], [None], [None])
    delta = read_stats(stats()).model_copy(update={"interactions": columns})
    assert decode(ItemStatsDelta, encode(delta)) == delta
    with pytest.raises(RecordError, match="invalid"):
        decode(ItemStatsDelta, encode(delta).replace(str(2**64 - 1).encode(), str(2**64).encode()))


@pytest.mark.parametrize("column", ["user", "item_id", "event_type", "timestamp_ms", "category", "price"])
def test_columns_have_one_value_for_each_interaction(column: str) -> None:
    columns = stats()["interactions"]
    with pytest.raises(RecordError, match="one value of each field"):
        read_stats(stats(interactions=columns | {column: columns[column][:1]}))
    columns.pop(column)
    with pytest.raises(RecordError, match="Field required"):
        read_stats(stats(interactions=columns))


def test_interactions_of_former_releases_are_read_and_those_of_later_ones_refused() -> None:
    columns = stats()["interactions"]
    objects = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    del objects[1]["price"]  # they left out what was null
    former = stats(schema_version="1.0", interactions=objects, kept=0.5)
    assert read_stats(former) == read_stats(stats(kept=0.5))
    del former["kept"]  # before there were discounts
    assert read_stats(former) == read_stats(stats())
    objects[1]["user"] = -1
    with pytest.raises(RecordError, match=r"invalid: interactions\.1\.user"):
        read_stats(former)
    with pytest.raises(RecordError, match="unknown_version"):
        read_stats(stats(schema_version="3.0"))


def test_a_reader_of_version_1_refuses_columns_by_their_version() -> None:
    with pytest.raises(RecordError, match=r"unknown_version: .* versions 1 and 1\.x only"):
        decode(DriftSignal, json.dumps(stats()).encode())  # any record of that version


def test_an_artefact_needs_a_real_checksum() -> None:
    good = next(r.example for r in TOPIC_RECORDS if r.topic == "model-updates")
    raw = encode(good).replace(b'"sha256":"9', b'"sha256":"x')
    with pytest.raises(RecordError, match="sha256"):
        decode(ModelUpdate, raw)


@pytest.mark.parametrize("record", TOPIC_RECORDS, ids=lambda r: r.topic)
def test_examples_survive_the_round_trip(record: TopicRecord) -> None:
    assert decode(record.model, encode(record.example)) == record.example


ids = st.text(min_size=1, max_size=80).filter(lambda text: len(text.encode()) <= MAX_ID_BYTES)
times = st.integers(MIN_TIMESTAMP_MS, MAX_TIMESTAMP_MS - 1)
prices = st.none() | st.floats(0, allow_nan=False, allow_infinity=False)


@given(
    st.builds(
        ClickEvent,
        user_id=ids,
        item_id=ids,
        timestamp_ms=times,
        event_type=st.sampled_from(["click", "cart"]),
        category=st.none() | ids,
        price=prices,
    )
)
def test_any_click_survives_the_round_trip(record: ClickEvent) -> None:
    assert decode(ClickEvent, encode(record)) == record


@given(
    st.binary(max_size=300)
    | st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from([*GOOD, "price", "schema_version"]), inner),
    ).map(lambda value: json.dumps(value).encode())
)
def test_no_input_raises_anything_but_a_record_error(raw: bytes) -> None:
    kind = None
    try:
        decode(ClickEvent, raw)
    except RecordError as error:
        kind = error.kind
    assert kind in (None, *ERROR_KINDS)
