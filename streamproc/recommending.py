"""From settings to the recommender's configuration, in one place: the worker and `evaluate` build the same."""

from typing import Final

from models.base import initial_parameters
from models.interaction import EventType, Interaction
from models.knowledge import KnowledgeConfig
from models.recommender import Recommender, RecommenderConfig
from models.rules import RulesConfig
from models.user_state import UserState
from streamproc.settings import PREFIX, Settings, SettingsError

_WARM_UP_EVENTS: Final = 40  # enough for sessions, repeats and second-order rules to occur


def recommender_config(settings: Settings) -> RecommenderConfig:
    """Configuration of a serving recommender.

    Raises
    ------
    SettingsError
        The block list cannot be read.
    """
    rules = RulesConfig(
        filter_seen=settings.filter_seen,
        filter_purchased=settings.filter_purchased,
        repeatable=frozenset(filter(None, (name.strip() for name in settings.repeatable_categories.split(",")))),
        blocked=_block_list(settings),
        category_cap=settings.category_cap,
        diversity=settings.diversity,
        exploration=settings.exploration,
    )
    return RecommenderConfig(KnowledgeConfig(max_items=settings.max_items), rules)


def warm_up(settings: Settings) -> None:
    """Have all kernels compiled (once for each installation, then cached), so that no event has to wait for it."""
    recommender = Recommender(initial_parameters(), recommender_config(settings))
    users = [UserState() for _ in range(3)]
    for n in range(_WARM_UP_EVENTS):
        now_ms, user = 1_700_000_000_000 + n * 1_000, users[n % 3]
        recommender.learn(user, Interaction(n % 3, f"i{n % 7}", EventType(n % 3), now_ms, "c", 1.0 + n % 2))
        recommender.recommend(user, now_ms)


def _block_list(settings: Settings) -> frozenset[str]:
    path = settings.block_list_file
    if path is None:
        return frozenset()
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{PREFIX}BLOCK_LIST_FILE: cannot read {path}: {error}") from None
    return frozenset(filter(None, map(str.strip, lines)))
