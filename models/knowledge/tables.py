"""All arrays by the names that the large kernels give them, which take dozens: none can be mistaken for another."""

from __future__ import annotations

from inspect import signature
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from models.knowledge.popularity import HALF_LIVES

if TYPE_CHECKING:
    from models.knowledge import Knowledge

Arrays = dict[str, NDArray[Any]]


def arguments(kernel: Any, arrays: Arrays) -> tuple[NDArray[Any], ...]:
    """Those of the arrays that are parameters of a kernel, in its order; its other parameters come after them."""
    names = list(signature(kernel.py_func).parameters)
    taken = [name for name in names if name in arrays]
    assert taken == names[: len(taken)], "arrays first"
    return tuple(arrays[name] for name in taken)


def tables(knowledge: Knowledge) -> Arrays:
    """The arrays that stay what they are for as long as the knowledge does."""
    items, categories, popularity = knowledge.items, knowledge.categories, knowledge.popularity
    newcomers, pairs, sessions, users = knowledge.newcomers, knowledge.pairs, knowledge.sessions, knowledge.users
    lists = users.lists
    return {
        "generation": items.generation,
        "before": knowledge.codes.before,
        "after": knowledge.codes.after,
        "followed": knowledge.codes.followed,
        "tried": knowledge.codes.tried,
        "category": items.category,
        "price": items.price,
        "born_s": items.born_s,
        "last_event": items.last_event,
        "events": items.events,
        "purchases": items.purchases,
        "repeats": items.repeats,
        "available": items.available,
        "follower": categories.follower,
        "follower_weight": categories.weight,
        "follower_total": categories.total,
        "vector": knowledge.content.vector,
        "fresh": knowledge.fresh,
        "recent": knowledge.recent,
        "score": popularity.score,
        "total": popularity.total,
        "leaders": popularity.leaders,
        "leader_place": popularity.place,
        "origin": popularity.origin,
        "half_lives": HALF_LIVES,
        "category_score": popularity.category_score,
        "category_leaders": popularity.category_leaders,
        "newest": newcomers.newest,
        "announced": newcomers.count,
        "stock": newcomers.stock,
        "adopted": newcomers.adopted,
        "stamp": newcomers.stamp,
        "hot": newcomers.hot,
        "readiness": newcomers.readiness,
        "pair_row": pairs.blocks.row,
        "pair_pool": pairs.blocks.pool,
        "partner": pairs.partner,
        "pair_weight": pairs.weight,
        "pair_total": pairs.total,
        "pair_stamp": pairs.stamp,
        "session_members": sessions.members,
        "session_size": sessions.size,
        "session_row": sessions.blocks.row,
        "session_pool": sessions.blocks.pool,
        "session_posted": sessions.posted,
        "session_count": sessions.count,
        "session_overlap": sessions.overlap,
        "user_members": lists.members,
        "user_size": lists.size,
        "user_row": lists.blocks.row,
        "user_pool": lists.blocks.pool,
        "user_posted": lists.posted,
        "user_count": lists.count,
        "user_overlap": lists.overlap,
        "user_table_size": users.table.size,
        "user_roll": users.roll,
        "user_hashes": users.hashes,
        "user_session": users.session,
        "user_session_size": users.session_size,
        "user_last_ms": users.last_ms,
    }
