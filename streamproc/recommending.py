"""From settings to the recommender's configuration; the worker and `evaluate` build theirs here, so they are the same."""

from models.knowledge import KnowledgeConfig
from models.recommender import RecommenderConfig
from streamproc.settings import Settings


def recommender_config(settings: Settings) -> RecommenderConfig:
    """Configuration of a serving recommender."""
    return RecommenderConfig(
        knowledge=KnowledgeConfig(max_items=settings.max_items),
        track_unadapted=True,
    )
