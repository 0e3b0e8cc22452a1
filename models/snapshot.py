"""Item knowledge as flat arrays and back: a restart need not learn the log from its first interaction.

The tables are walked, not listed: whatever one keeps in its attributes is kept. What cannot be kept is refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray
from sortedcontainers import SortedList

from models.knowledge import Knowledge, KnowledgeConfig
from models.knowledge.blocks import Blocks
from models.knowledge.categories import Categories
from models.knowledge.codes import Codes
from models.knowledge.content import Content
from models.knowledge.items import Items
from models.knowledge.neighbours import Postings
from models.knowledge.newcomers import Newcomers
from models.knowledge.pairs import Pairs
from models.knowledge.popularity import Popularity
from models.knowledge.users import Users

Arrays = dict[str, NDArray[Any]]

_NUMBERED = (Items, Categories, Codes, Content, Newcomers, Popularity, Pairs, Postings, Users, Blocks)
"""Tables whose rows are given out in order, so that their arrays end where the last number given does."""

_FACTS = "facts"  # the array that holds everything but arrays, as JSON
_SPARE_ROWS = 1024  # tables grow between `make_room` and `freeze`


class SnapshotError(ValueError):
    """The arrays are no snapshot that this release can go on from."""


def make_room(knowledge: Knowledge) -> Arrays:
    """Arrays for `freeze` to copy into, a little longer than what `knowledge` holds now."""
    return {
        path: np.empty((len(used) * 17 // 16 + _SPARE_ROWS, *used.shape[1:]), used.dtype)
        for path, used in _used(knowledge).items()
    }


def touch(room: Arrays) -> None:
    """Have the system hand over the memory of new arrays, which takes ten times as long as to copy into it then."""
    for array in room.values():
        array.fill(0)


def freeze(knowledge: Knowledge, room: Arrays | None = None) -> Arrays:
    """Copy everything that `knowledge` holds; the unused ends of its arrays are left out.

    Parameters
    ----------
    room : from `make_room`, to be copied into as far as it is long enough still.

    Examples
    --------
    >>> from models.interaction import EventType, Interaction
    >>> knowledge = Knowledge()
    >>> knowledge.take(Interaction(1, "tea", EventType.CLICK, 1_700_000_000_000))
    >>> thawed = thaw(freeze(knowledge), knowledge.config)
    >>> thawed.event, thawed.items.names[thawed.slot("tea")]
    (1, 'tea')
    """
    room = room or {}
    arrays = {path: _copied(used, room.get(path)) for path, used in _used(knowledge).items()}
    facts: dict[str, Any] = {"made_by": _release(), "config": repr(knowledge.config)}
    for path, owner, name in _attributes(knowledge, ""):
        value = getattr(owner, name)
        facts[path] = len(value) if isinstance(value, np.ndarray) else value
    arrays[_FACTS] = np.frombuffer(orjson.dumps(facts, option=orjson.OPT_SERIALIZE_NUMPY), np.uint8)
    return arrays


def thaw(arrays: Arrays, config: KnowledgeConfig) -> Knowledge:
    """The knowledge that `freeze` copied.

    Raises
    ------
    SnapshotError
        It is damaged, or was made by other code or with other bounds.
    """
    try:
        facts = orjson.loads(arrays[_FACTS].tobytes())
        if facts["made_by"] != _release():
            raise SnapshotError("made by another release")
        if facts["config"] != repr(config):
            raise SnapshotError("made with other bounds")
        knowledge = Knowledge(config)
        for path, owner, name in _attributes(knowledge, ""):
            fresh = getattr(owner, name)
            if isinstance(fresh, np.ndarray):
                setattr(owner, name, _filled(arrays[path], facts[path], fresh))
            else:
                setattr(owner, name, type(fresh)(facts[path]))
        knowledge.codes.resume(knowledge.items.names)
    except SnapshotError:
        raise
    except (KeyError, TypeError, ValueError) as error:  # to the caller all damage is one
        raise SnapshotError(f"damaged: {error}") from error
    return knowledge


def _attributes(table: object, at: str) -> Iterator[tuple[str, Any, str]]:
    """Path, owner and name of all that `table`, and the tables in it, keep; bounds come from elsewhere.

    A tuple is what a kernel is called with: arrays that are here already. What is sorted is sorted anew.
    """
    for name, value in vars(table).items():
        path = f"{at}{name}"
        if isinstance(value, (KnowledgeConfig, tuple, SortedList)):
            continue
        if isinstance(value, (np.ndarray, int, float, np.integer, np.floating, list, dict)):
            yield path, table, name
        elif type(value).__module__.startswith("models.knowledge"):
            yield from _attributes(value, f"{path}.")
        else:
            raise TypeError(f"{path}: a snapshot cannot keep a {type(value).__name__}")


def _used(knowledge: Knowledge) -> Arrays:
    """Views of all arrays, without their unused ends."""
    ends = _ends(knowledge)
    used: Arrays = {}
    for path, owner, name in _attributes(knowledge, ""):
        value = getattr(owner, name)
        if isinstance(value, np.ndarray):
            numbered = isinstance(owner, _NUMBERED) and name not in ("pool", "roll")
            used[path] = value[: ends.get(len(value), len(value)) if numbered else None]
    return used


def _copied(used: NDArray[Any], room: NDArray[Any] | None) -> NDArray[Any]:
    if room is None or len(room) < len(used):
        return used.copy()
    copy = room[: len(used)]
    copy[...] = used
    return copy


def _ends(knowledge: Knowledge) -> dict[int, int]:
    """How far arrays of each length have been used: most are as long as their bound, far beyond what they hold."""
    items, users, sessions = knowledge.items, knowledge.users, knowledge.sessions
    ends: dict[int, int] = {}
    for length, used in (
        (len(items.hashes), items.used),
        (len(users.hashes), users.used),
        (len(sessions.size), min(knowledge.session + 1, len(sessions.size))),
        (len(knowledge.categories.total), len(knowledge.categories.names)),
        *((blocks.cells, blocks.top) for blocks in (knowledge.pairs.blocks, sessions.blocks, users.lists.blocks)),
    ):
        ends[length] = max(used, ends.get(length, 0))  # bounds may be equal
    return ends


def _filled(kept: NDArray[Any], length: int, fresh: NDArray[Any]) -> NDArray[Any]:
    """`fresh` with what was kept, in place, as it may be a column of a table; a longer array where it had grown."""
    if kept.dtype != fresh.dtype or kept.shape[1:] != fresh.shape[1:] or len(kept) > length:
        raise ValueError(f"{kept.dtype}{kept.shape} where {fresh.dtype}{fresh.shape} belongs")
    array = fresh if len(fresh) == length else np.zeros((length, *kept.shape[1:]), kept.dtype)
    array[: len(kept)] = kept
    return array


@cache
def _release() -> str:
    """A digest of the sources: their tables may mean something else in the next."""
    digest = blake2b(digest_size=8)
    for source in sorted(Path(__file__).parent.rglob("*.py")):
        digest.update(source.read_bytes())
    return digest.hexdigest()
