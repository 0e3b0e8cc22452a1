"""Every topic's record with an example: the one source of the AsyncAPI document, the events page and their tests."""

from dataclasses import dataclass
from typing import Final, Literal

from schemas.events import ClickEvent, ItemEvent, PurchaseEvent, RecommendationRequest, RequestContext
from schemas.knowledge import InteractionColumns, ItemStatsDelta, ModelUpdate
from schemas.outputs import DriftSignal, Reason, Recommendation, RecommendedItem
from schemas.record import Record


@dataclass(frozen=True, slots=True)
class TopicRecord:
    """A JSON topic: its default name, what it is keyed by, who writes it, and an example."""

    topic: str
    key: str
    written_by: Literal[
        "producers", "workers", "trainer", "workers and the trainer", "workers, the trainer and operators"
    ]
    example: Record

    @property
    def model(self) -> type[Record]:
        """The record's class."""
        return type(self.example)


_NOW: Final = 1_767_225_600_000

TOPIC_RECORDS: Final = (
    TopicRecord(
        "clicks",
        "user_id",
        "producers",
        ClickEvent(
            user_id="u-17",
            item_id="shoe-7",
            timestamp_ms=_NOW,
            event_type="cart",
            event_id="web-3-99120",
            category="shoes",
            price=59.9,
        ),
    ),
    TopicRecord(
        "purchases",
        "user_id",
        "producers",
        PurchaseEvent(user_id="u-17", item_id="shoe-7", timestamp_ms=_NOW, category="shoes", price=59.9, quantity=1),
    ),
    TopicRecord(
        "items",
        "item_id",
        "producers",
        ItemEvent(
            item_id="shoe-7",
            timestamp_ms=_NOW,
            category="shoes",
            price=59.9,
            title="Trail shoe",
            text="Light shoe for stony paths.",
            tags=["outdoor", "new"],
            vector=[0.12, -0.5, 0.31],
        ),
    ),
    TopicRecord(
        "recommendation-requests",
        "user_id",
        "producers",
        RecommendationRequest(
            user_id="u-17",
            timestamp_ms=_NOW,
            request_id="page-51ab",
            k=10,
            exclude=["shoe-7"],
            context=RequestContext(category="shoes"),
        ),
    ),
    TopicRecord(
        "recommendations",
        "user_id",
        "workers",
        Recommendation(
            id="clicks-2-40113",
            user_id="u-17",
            timestamp_ms=_NOW,
            model_version=12,
            items=[
                RecommendedItem(
                    "sock-2", 2.41, [Reason("rules_last_item", 1.1, "often follows the item you looked at last")]
                )
            ],
            source_topic="clicks",
            source_partition=2,
            source_offset=40113,
        ),
    ),
    TopicRecord(
        "drift-signals",
        "name",
        "workers, the trainer and operators",
        DriftSignal(
            name="relative_hit_rate",
            timestamp_ms=_NOW,
            detector="CUSUM",
            worker="trainer",
            kind="trigger",
            before=0.41,
            after=0.35,
            window=415,
        ),
    ),
    TopicRecord(
        "model-updates",
        "name, or name@version",
        "trainer",
        ModelUpdate(
            version=12,
            parent=11,
            uri="/srv/artefacts/base-12.safetensors",
            sha256="9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
            verdict="promoted",
            reason="gain 0.0310 nats on 96 events, not worse (evidence 412)",
            created_ms=_NOW,
            kind="meta",
            serving=True,
            metrics={"gain_nats": 0.031, "comparisons": 96, "evidence_not_worse": 412.0},
        ),
    ),
    TopicRecord(
        "item-stats",
        "none",
        "workers and the trainer",
        ItemStatsDelta(
            instance="shop-1-4711",
            source_topic="clicks",
            source_partition=2,
            offset_first=40100,
            offset_last=40113,
            interactions=InteractionColumns(
                user=[5875592385335328466, 17],
                item_id=["shoe-7", "sock-2"],
                event_type=[1, 0],
                timestamp_ms=[_NOW, _NOW + 40],
                category=["shoes", None],
                price=[59.9, None],
            ),
        ),
    ),
)
