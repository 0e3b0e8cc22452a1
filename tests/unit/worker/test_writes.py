"""Records that a worker writes without the objects of their schema."""

from __future__ import annotations

import pytest

from models.features import FEATURES
from models.interaction import EventType, Interaction
from models.lists import Ranked
from schemas.knowledge import InteractionColumns, ItemStatsDelta
from schemas.outputs import Recommendation
from schemas.record import decode, encode
from streamproc.engine import InputRecord
from streamproc.settings import Settings
from streamproc.worker.writes import MAX_INTERACTIONS, item_stats, recommendation

REASONS = tuple((feature.name, 0.1 * at - 1e-7) for at, feature in enumerate(FEATURES[:3]))


@pytest.mark.parametrize("request_id", [None, "r-1"])
@pytest.mark.parametrize(
    "ranked",
    [
        [],
        [Ranked('tea \u2615 "x"', 1.25, REASONS), Ranked("milk", -3.0000000298023224e-08, REASONS[:1])],
        [Ranked("tea", 1e22, (), 0.05)],
    ],
)
def test_a_list_is_written_as_its_schema_writes_it(ranked: list[Ranked], request_id: str | None) -> None:
    cause = InputRecord("shop.clicks", 3, 77, 1_700_000_000_123, b"anna", b"{}")
    written = recommendation(Settings(), "anna", cause, 1_700_000_000_000, ranked, 12, request_id)
    assert written.value is not None
    read = decode(Recommendation, written.value)
    assert encode(read) == written.value
    assert (read.id, read.source_offset, read.request_id) == ("shop.clicks-3-77", 77, request_id)
    assert [(item.item_id, item.score, item.propensity) for item in read.items] == [
        (each.item_id, each.score, each.propensity) for each in ranked
    ]
    assert [[(why.feature, why.contribution) for why in item.reasons] for item in read.items] == [
        list(each.reasons) for each in ranked
    ]


def test_interactions_are_written_as_their_schema_writes_them() -> None:
    now = 1_700_000_000_000
    interactions = [
        Interaction(2**64 - 1, 'tea \u2615 "x"', EventType.CART, now, "hot", 1e22),
        Interaction(0, "milk", EventType.CLICK, now + 1, None, None, "event-1"),
        Interaction(5, "milk", EventType.PURCHASE, now + 2, "cold", 0.1),
    ]
    causes = [InputRecord(topic, 3, offset, now, b"anna", b"{}") for topic, offset in (("a", 7), ("a", 9), ("b", 1))]
    written = item_stats(Settings(), "life-1", list(zip(causes, interactions, strict=True)))
    read = [decode(ItemStatsDelta, output.value) for output in written]
    assert [encode(delta) for delta in read] == [output.value for output in written]
    assert [(d.instance, d.source_topic, d.source_partition, d.offset_first, d.offset_last, d.kept) for d in read] == [
        ("life-1", "a", 3, 7, 9, 1.0),
        ("life-1", "b", 3, 1, 1, 1.0),
    ]
    assert read[0].interactions == InteractionColumns(
        [2**64 - 1, 0], ['tea \u2615 "x"', "milk"], [1, 0], [now, now + 1], ["hot", None], [1e22, None]
    )
    assert [(output.headers, output.partition) for output in written] == [((("instance", b"life-1"),), 0)] * 2


def test_no_record_holds_more_interactions_than_brokers_take() -> None:
    cause, seen = InputRecord("a", 0, 1, 0, b"", b""), Interaction(1, "i", EventType.CLICK, 1_700_000_000_000)
    written = item_stats(Settings(), "life-1", [(cause, seen)] * (2 * MAX_INTERACTIONS + 1))
    assert [len(decode(ItemStatsDelta, output.value).interactions.user) for output in written] == [500, 500, 1]
