"""Settings of the simulated world."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class DriftKind(StrEnum):
    """How the world changes.

    ``sudden``: what goes with what, and who likes what, change at one event. ``gradual``: the same change, spread over
    `WorldConfig.drift_span` events. ``seasonal``: the demand for each category swings with the calendar.
    """

    NONE = "none"
    SUDDEN = "sudden"
    GRADUAL = "gradual"
    SEASONAL = "seasonal"


@dataclass(frozen=True)
class WorldConfig:
    """Size and habits of the simulated world.

    Attributes
    ----------
    users, items, categories : int
        What exists before the first event.
    taste_dimensions : int
        Length of the taste vectors of users and items.
    sessions_per_day : float
        Mean of a user; people differ by a log-normal factor.
    session_events : float
        Mean number of choices in a session.
    follow_share, repeat_share : float
        Share of the choices that follow from the previous item, and that go back to an own favourite; the rest is
        taste.
    feedback_share : float
        Share of the choices made from the list last recommended to the user, where there is one: a closed loop.
    position_bias : float
        A list's r-th item is examined with a weight of ``r ** -position_bias``.
    cart_share, purchase_share : float
        Share of the clicks that lead to a cart, and of the carts that lead to a purchase.
    new_items_per_1000, new_users_per_1000 : float
        Arrivals per 1,000 events. Each new item is the successor of an old one, which fades.
    fade_events : int
        Half life, in events, of an item that fades. It leaves the catalogue after four of them.
    announce_lead : int
        Events between the announcement of a new item and its first possible click.
    drift : DriftKind
    drift_at : int
        Event of the first sudden change, or of the start of a gradual one.
    drift_every : int
        Further changes every so many events; 0 means once only.
    drift_span : int
        Events that a gradual change takes.
    drift_strength : float
        Share of the items and users that change, or the swing of the seasonal demand, 0 to 1.
    season_days : float
        Period of the seasonal demand in days of world time.
    start_ms : int
        World time of the first event, milliseconds since the epoch.

    Raises
    ------
    ValueError
        When a size, share or period is out of range; the message names the field.

    Examples
    --------
    >>> WorldConfig(items=200, drift=DriftKind.SUDDEN).drift_at
    10000
    >>> WorldConfig(feedback_share=1.5)
    Traceback (most recent call last):
    ValueError: feedback_share must be between 0 and 1, got 1.5
    """

    users: int = 500
    items: int = 600
    categories: int = 12
    taste_dimensions: int = 8
    sessions_per_day: float = 1.0
    session_events: float = 6.0
    follow_share: float = 0.5
    repeat_share: float = 0.15
    feedback_share: float = 0.1
    position_bias: float = 1.0
    cart_share: float = 0.12
    purchase_share: float = 0.5
    new_items_per_1000: float = 4.0
    new_users_per_1000: float = 6.0
    fade_events: int = 1_000
    announce_lead: int = 20
    drift: DriftKind = DriftKind.NONE
    drift_at: int = 10_000
    drift_every: int = 0
    drift_span: int = 5_000
    drift_strength: float = 0.9
    season_days: float = 7.0
    start_ms: int = 1_735_689_600_000

    def __post_init__(self) -> None:
        shares = (
            "follow_share",
            "repeat_share",
            "feedback_share",
            "cart_share",
            "purchase_share",
            "drift_strength",
        )
        for name in shares:
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must be between 0 and 1, got {getattr(self, name)}")
        for name in ("users", "categories", "taste_dimensions", "fade_events", "drift_span"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        for name in ("sessions_per_day", "season_days"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be above 0, got {getattr(self, name)}")
        for name in ("new_items_per_1000", "new_users_per_1000", "announce_lead", "drift_at", "drift_every"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must not be negative, got {getattr(self, name)}")
        if self.session_events < 1:
            raise ValueError(f"session_events must be at least 1, got {self.session_events}")
        if self.follow_share + self.repeat_share > 1:
            raise ValueError("follow_share and repeat_share together must not exceed 1")
        if self.items < 10 * self.categories:
            raise ValueError(f"items must be at least 10 per category, got {self.items} for {self.categories}")
        if self.new_items_per_1000 * self.announce_lead > 500 * self.items:
            raise ValueError("new_items_per_1000 is too high: over half the catalogue would wait for its first click")
