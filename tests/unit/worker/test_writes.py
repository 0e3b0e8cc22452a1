"""Records that a worker writes without the objects of their schema."""

from __future__ import annotations

import pytest

from models.features import FEATURES
from models.lists import Ranked
from schemas.outputs import Recommendation
from schemas.record import decode, encode
from streamproc.engine import InputRecord
from streamproc.settings import Settings
from streamproc.worker.writes import recommendation

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
