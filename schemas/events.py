"""What producers write: clicks, purchases, catalogue items and requests for recommendations."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, Field, model_validator

from schemas.record import STRICT, Category, EventId, Id, Price, Record, TimestampMs

MAX_K = 200
MAX_LISTED_ITEMS = 1_000
MAX_VECTOR_DIMENSIONS = 1_024


class UserItemEvent(Record):
    """What clicks and purchases share."""

    user_id: Id = Field(description="Who; also the record's key.")
    item_id: Id = Field(description="The item.")
    timestamp_ms: TimestampMs = Field(description="When it happened, Unix time in milliseconds.")
    event_id: EventId | None = Field(
        default=None,
        description="Set by producers that retry: repeats of it within the user's last events are dropped.",
    )
    category: Category = Field(default=None, description="The item's category; empty means none.")
    price: Price | None = Field(default=None, description="Price of one unit, in any one currency.")


class ClickEvent(UserItemEvent):
    """A user looked at an item or put it into the cart (topic `clicks`)."""

    event_type: Literal["click", "cart"] = Field(default="click", description="A cart event weighs more than a click.")


class PurchaseEvent(UserItemEvent):
    """A user bought an item (topic `purchases`)."""

    quantity: Annotated[float, Field(gt=0)] = Field(default=1.0, description="How many units.")


class ItemEvent(Record):
    """An item of the catalogue as it is now (topic `items`, compacted; a null value deletes the item)."""

    item_id: Id = Field(description="The item; also the record's key.")
    timestamp_ms: TimestampMs = Field(description="When it became so, Unix time in milliseconds.")
    category: Category = Field(default=None, description="The item's category; empty means none.")
    price: Price | None = Field(default=None, description="Price of one unit.")
    title: Annotated[str, Field(max_length=1_024)] | None = Field(default=None, description="A short name.")
    text: Annotated[str, Field(max_length=8_192)] | None = Field(default=None, description="A description.")
    tags: Annotated[list[Id], Field(max_length=64)] = Field(default=[], description="Labels of any kind.")
    vector: Annotated[list[float], Field(max_length=MAX_VECTOR_DIMENSIONS)] = Field(
        default=[], description="An embedding of your own; all items should have the same number of dimensions."
    )
    available: bool = Field(default=True, description="Items that are not available are never recommended.")


class RequestContext(BaseModel):
    """Where the recommendations will be shown."""

    model_config = STRICT

    category: Category = Field(default=None, description="The category page that is open.")


class RecommendationRequest(Record):
    """Ask for a list now (topic `recommendation-requests`); the answer carries the same `request_id`."""

    user_id: Id = Field(description="For whom; also the record's key.")
    timestamp_ms: TimestampMs = Field(description="Now, Unix time in milliseconds.")
    request_id: Id = Field(description="Repeated in the answer.")
    k: Annotated[int, Field(ge=1, le=MAX_K)] = Field(default=20, description="Length of the list.")
    exclude: Annotated[list[Id], Field(max_length=MAX_LISTED_ITEMS)] = Field(
        default=[], description="Items that must not be in the list."
    )
    items: Annotated[list[Id], Field(max_length=MAX_LISTED_ITEMS)] | None = Field(
        default=None, description="Rank these items instead of the whole catalogue."
    )
    context: RequestContext | None = Field(default=None, description="Where the list will be shown.")

    @model_validator(mode="after")
    def _asks_for_something(self) -> Self:
        if self.items is not None and not self.items:
            raise ValueError("items is an empty list: leave it out to rank the whole catalogue")
        return self
