"""The candidates of the lists served last, as they were: what the users' next events are learned from.

A list, and what is learned of how it fared, take the same candidates. To keep them saves a second request, and the base
learns from the features that it had when it served, not from those of a moment later (log features at serving time:
Zinkevich, Rules of Machine Learning, no. 29).
"""

from __future__ import annotations

from collections import OrderedDict
from typing import NamedTuple

from models.rank import by_feature
from models.retrieval import Candidates
from models.user_state import UserState


class _Kept(NamedTuple):
    """Candidates, and what there was when they were served: events of the user, and items ever removed."""

    events: int
    removed: int
    candidates: Candidates


class Served:
    """Candidates of the latest lists, one list of each user.

    Parameters
    ----------
    lists : how many are kept, 66 KB each.
    """

    def __init__(self, lists: int) -> None:
        self._lists = lists
        self._kept: OrderedDict[int, _Kept] = OrderedDict()

    def keep(self, state: UserState, candidates: Candidates, removed: int) -> None:
        """Keep a copy, in place of what was kept for the user before.

        Parameters
        ----------
        removed : number of items ever removed.
        """
        if state.events == 0:
            return
        slots, features, found = candidates
        copied = Candidates(slots.copy(), by_feature(features).copy().T, found.copy())
        self._kept[state.user] = _Kept(state.events, removed, copied)
        self._kept.move_to_end(state.user)
        if len(self._kept) > self._lists:
            self._kept.popitem(last=False)

    def take(self, state: UserState, now_ms: int, removed: int) -> Candidates | None:
        """Hand out what was kept of the user's last list; None where an event now needs candidates of its own.

        That is where nothing was kept, where the list is older than the user's last event or session, and where a slot
        may have gone to another item since.
        """
        kept = self._kept.pop(state.user, None)
        if kept is None or (kept.events, kept.removed) != (state.events, removed) or state.starts_session(now_ms):
            return None
        return kept.candidates
