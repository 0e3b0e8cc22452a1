"""From settings to the recommender's configuration, in one place: the worker and `evaluate` build the same."""

from models.knowledge import KnowledgeConfig
from models.recommender import RecommenderConfig
from models.rules import RulesConfig
from streamproc.settings import PREFIX, Settings, SettingsError


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
    return RecommenderConfig(KnowledgeConfig(max_items=settings.max_items), rules, track_unadapted=True)


def _block_list(settings: Settings) -> frozenset[str]:
    path = settings.block_list_file
    if path is None:
        return frozenset()
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{PREFIX}BLOCK_LIST_FILE: cannot read {path}: {error}") from None
    return frozenset(filter(None, map(str.strip, lines)))
