"""What a good engineer has in an afternoon: the lists that ours must beat, learned online on the same events."""

from collections.abc import Callable, Iterable

from models.baselines.baseline import Baseline
from models.baselines.bpr_mf import BprMf
from models.baselines.favourites import Favourites
from models.baselines.fusion import ReciprocalRankFusion
from models.baselines.last_item_rules import LastItemRules
from models.baselines.popularity import Popularity
from models.baselines.session_rules import SessionRules
from models.baselines.vmis_knn import VmisKnn

__all__ = ["BASELINES", "POPULARITY", "Baseline", "standard_baselines"]

_SINGLE: dict[str, Callable[[], Baseline]] = {
    "popularity_20000": lambda: Popularity(20_000),
    "popularity_2000": lambda: Popularity(2_000),
    "last_item_rules": LastItemRules,
    "session_rules": SessionRules,
    "favourites": Favourites,
    "vmis_knn": VmisKnn,
    "bpr_mf": BprMf,
}

_FUSED = ("popularity_2000", "last_item_rules", "session_rules", "favourites", "vmis_knn")

BASELINES: dict[str, Callable[[], Baseline]] = {
    **_SINGLE,
    "rank_fusion": lambda: ReciprocalRankFusion([_SINGLE[name]() for name in _FUSED]),
}
"""By the names that reports give them."""

POPULARITY = ("popularity_20000", "popularity_2000")
"""Those that cost next to nothing."""


def standard_baselines(names: Iterable[str] = tuple(BASELINES)) -> dict[str, Baseline]:
    """Fresh baselines by name.

    >>> list(standard_baselines(["favourites"]))
    ['favourites']
    """
    return {name: BASELINES[name]() for name in names}
