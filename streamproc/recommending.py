"""From settings to the recommender's configuration, in one place: the worker and `evaluate` build the same."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

import numba

from models.base import initial_parameters
from models.interaction import CatalogueItem, EventType, Interaction
from models.knowledge import KnowledgeConfig
from models.recommender import Recommender, RecommenderConfig
from models.rules import RulesConfig
from models.user_state import UserState
from streamproc.settings import PREFIX, Settings, SettingsError

_WARM_UP_EVENTS: Final = 40  # enough for sessions, repeats and second-order rules to occur
_LEFT_OUT: Final = ("i0",)  # some item, so that the kernels of the rules run, too


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
        newcomer_places=settings.newcomer_places,
    )
    knowledge = KnowledgeConfig(max_items=settings.max_items)
    return RecommenderConfig(knowledge, rules, served_lists=settings.served_lists)


def compile_kernels(before: Callable[[], object] = lambda: None) -> None:
    """Have all kernels compiled, once for each installation: it takes a minute or two, of which `before` may warn.

    Kernels round a little differently in the process that has compiled them than in one that reads them from the cache:
    so another process compiles them, and the first run on a machine gives what every later one does.
    """
    if not _compiled().exists():
        before()
        subprocess.run([sys.executable, "-c", f"from {__name__} import run_kernels; run_kernels()"], check=False)


def warm_up(settings: Settings) -> None:
    """Have the kernels compiled, and load them, so that no event has to wait for it."""
    compile_kernels()
    recommender = Recommender(initial_parameters(), recommender_config(settings))
    users = [UserState() for _ in range(3)]
    for event in _few_events(_WARM_UP_EVENTS):
        recommender.learn(users[event.user], event)
        recommender.recommend(users[event.user], event.timestamp_ms, exclude=_LEFT_OUT)
    UserState.decode(users[0].encode())


def run_kernels() -> None:
    """Run every kernel of recommender, learner and baselines once, and note that all of them are compiled now."""
    from models.evaluation import evaluate  # noqa: PLC0415  # the worker needs no torch
    from models.learner import BaseLearner  # noqa: PLC0415  # the same

    base = initial_parameters()
    recommender = Recommender(base, RecommenderConfig(track_unadapted=True))
    for item in ("i0", "i2", "never met"):
        recommender.put_item(CatalogueItem(item, 1_700_000_000_000, "c", 1.0, "a text", (), (), True))
    evaluate(_few_events(1_200), recommender, BaseLearner(base))
    shown = UserState()  # what is compared with the list without user knowledge
    recommender.show(shown, recommender.recommend(shown, 1_700_001_000_000))
    recommender.learn(shown, Interaction(4, "i0", EventType.CLICK, 1_700_001_000_000))
    recommender.remove_item("never met")
    recommender.recommend(UserState(), 1_700_001_000_000, exclude=_LEFT_OUT)
    UserState.decode(UserState().encode())
    _compiled().touch()


def _compiled() -> Path:
    return Path(numba.config.CACHE_DIR) / "compiled"


def _few_events(count: int) -> list[Interaction]:
    start = 1_700_000_000_000
    items = [n % 7 if n % 2 else n for n in range(count)]  # old ones, and enough new ones for tables to grow
    return [
        Interaction(n % 3, f"i{item}", EventType(n % 3), start + n * 1_000, "c", 1.0 + n % 2)
        for n, item in enumerate(items)
    ]


def _block_list(settings: Settings) -> frozenset[str]:
    path = settings.block_list_file
    if path is None:
        return frozenset()
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{PREFIX}BLOCK_LIST_FILE: cannot read {path}: {error}") from None
    return frozenset(filter(None, map(str.strip, lines)))
