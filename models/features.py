"""The inputs of the ranker: one row of `F` numbers per candidate, in the order of `FEATURES`.

The transforms are bounded or logarithmic, so that one scaler serves a shop of 200 items and one of a million. The
hand-set scaler and weights below are what ranks before anything was learned (`models.base.initial_parameters`).
Probabilities p of a rule go in as log(1 + 50 p), popularity as the log of a share of all events.
"""

from dataclasses import dataclass
from zlib import crc32


@dataclass(frozen=True, slots=True)
class Feature:
    """One input of the ranker.

    Attributes
    ----------
    name : identifier, unique.
    words : how an explanation says that it spoke for an item.
    personal : it depends on what this user did; set to its mean where a list without user knowledge is wanted.
    mean, std : typical over candidates, the scaler of version 0.
    weight : of the standardised feature in version 0.
    """

    name: str
    words: str
    personal: bool
    mean: float
    std: float
    weight: float


def _shared(name: str, words: str, mean: float, std: float, weight: float) -> Feature:
    return Feature(name, words, False, mean, std, weight)


def _own(name: str, words: str, mean: float, std: float, weight: float) -> Feature:
    return Feature(name, words, True, mean, std, weight)


FEATURES: tuple[Feature, ...] = (
    # popularity and life of the item
    _shared("pop_slow", "popular", -7.5, 2.0, 0.25),
    _shared("pop_mid", "popular lately", -7.5, 2.2, 0.25),
    _shared("pop_fast", "popular right now", -8.0, 2.5, 0.15),
    _shared("trend_fast", "gaining right now", 0.0, 1.0, 0.0),
    _shared("trend_mid", "gaining lately", 0.0, 1.0, 0.0),
    _shared("pop_start", "often opened first", -8.0, 2.0, 0.0),
    _shared("pop_in_category", "popular in its category", -4.0, 2.0, 0.05),
    _shared("idle_events", "somebody just chose it", 5.0, 2.0, 0.0),
    _shared("item_age", "how long it has been here", 5.0, 2.0, 0.0),
    _shared("item_events", "chosen often so far", 4.0, 2.0, 0.0),
    _shared("buy_share", "bought by those who look at it", 0.3, 0.4, 0.0),
    # rules: what follows what
    _own("next_last", "often right after your last item", 0.2, 0.5, 0.35),
    _own("next_last_lift", "more than usual after your last item", 0.5, 1.2, 0.05),
    _own("slow_last", "often in one session with your last item", 0.2, 0.5, 0.15),
    _own("fast_last", "lately in one session with your last item", 0.2, 0.5, 0.1),
    _own("cross_last", "often some time after your last item", 0.2, 0.5, 0.1),
    _own("back_last", "often before your last item", 0.2, 0.5, 0.0),
    _own("slow_before", "goes with your last item but one", 0.3, 0.5, 0.1),
    _own("slow_recent", "goes with what you just saw", 0.3, 0.5, 0.2),
    _own("fast_recent", "lately goes with what you just saw", 0.3, 0.5, 0.1),
    _own("slow_recent_lift", "goes with what you just saw more than with other things", 0.5, 1.2, 0.05),
    _own("cross_history", "goes with your history", 0.3, 0.5, 0.2),
    _own("cross_history_lift", "goes with your history more than with others'", 0.5, 1.2, 0.0),
    _own("second_order", "often after your last two items", 0.1, 0.4, 0.15),
    _own("own_next", "what you chose next the last time", 0.02, 0.2, 0.1),
    # neighbours
    _own("session_knn", "chosen in sessions like this one", 0.2, 0.4, 0.15),
    _own("session_knn_lift", "typical of sessions like this one", 0.3, 1.0, 0.0),
    _own("user_knn", "chosen by people like you", 0.2, 0.4, 0.15),
    _own("user_knn_lift", "typical of people like you", 0.3, 1.0, 0.0),
    # the user's own history
    _own("own", "you chose it before", 0.08, 0.27, 0.1),
    _own("own_count", "you chose it several times", 0.1, 0.35, 0.1),
    _own("own_share", "a favourite of yours", 0.02, 0.1, 0.1),
    _own("own_recency", "you chose it recently", 0.03, 0.12, 0.1),
    _own("own_rank", "among the last you chose", 0.02, 0.1, 0.05),
    _own("own_hours", "how long ago you chose it", 0.4, 1.5, 0.0),
    _own("own_bought", "you bought it before", 0.05, 0.22, 0.0),
    _own("in_session", "you saw it in this session", 0.04, 0.2, -0.02),
    _own("is_last", "your last item", 0.004, 0.06, -0.02),
    _own("repeat_user", "you like to come back to things", 0.02, 0.1, 0.15),
    _own("repeat_item", "people come back to it", 0.02, 0.1, 0.1),
    _shared("item_repeats", "an item that people come back to", 0.2, 0.2, 0.0),
    _own("due", "about time for it again", 0.0, 0.3, 0.0),
    # category
    _own("category_last", "same category as your last item", 0.3, 0.45, 0.1),
    _own("category_user", "in your favourite category", 0.2, 0.3, 0.15),
    _own("category_session", "in the category of this session", 0.25, 0.38, 0.1),
    _own("category_next", "people go on to its category", 0.7, 0.9, 0.05),
    _shared("category_pop", "in a popular category", -3.5, 1.7, 0.0),
    _shared("category_asked", "in the category you asked for", 0.0, 0.2, 0.2),
    # price and content
    _own("price_last", "price unlike your last item's", 0.4, 0.5, -0.05),
    _own("price_user", "price unlike your usual", 0.4, 0.5, -0.05),
    _shared("price", "its price", 0.0, 1.0, 0.0),
    _own("content", "its description is like what you chose", 0.05, 0.2, 0.1),
    _shared("fresh", "new here", 0.05, 0.2, 0.0),
    # the moment: the same for all candidates, they shift what the net makes of the others
    _own("session_length", "length of this session", 1.2, 0.8, 0.0),
    _own("gap", "time since your last event", 6.0, 4.0, 0.0),
    _own("user_events", "how long we know you", 2.5, 1.4, 0.0),
    _own("user_repeats", "how often you come back to things", 0.15, 0.2, 0.0),
    _own("last_bought", "you have just bought something", 0.3, 0.45, 0.0),
    _shared("catalogue", "size of the catalogue", 7.0, 2.0, 0.0),
    _own("back_history", "often before what you chose", 0.3, 0.5, 0.0),
    _own("sources", "found in several ways", 3.0, 2.0, 0.1),
    _own("taste", "of the kinds you are after", -3.5, 2.0, 0.0),
    _own("codes", "next to what you chose in the catalogue", 0.05, 0.2, 0.05),
    _own("codes_lift", "next to what you chose in the catalogue more than elsewhere", 0.2, 1.0, 0.0),
    _own("expected", "all in all likely", -7.5, 2.5, 0.3),
)
"""All features; adding, removing or renaming one changes `LAYOUT`."""

F = len(FEATURES)
LAYOUT = crc32("\n".join(feature.name for feature in FEATURES).encode())
"""Identifies the meaning of a feature row: parameters and examples of another layout are refused."""

INDEX: dict[str, int] = {feature.name: index for index, feature in enumerate(FEATURES)}
