"""First stage: about 250 candidates with their raw features, for one user at one moment."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.knowledge import Knowledge
from models.knowledge.content import DIMENSIONS
from models.knowledge.popularity import SLOW_LIST
from models.retrieval import workspace as ws
from models.retrieval.content import describe, score_fresh
from models.retrieval.feature_rows import FeatureRows
from models.retrieval.neighbours import score_neighbours
from models.retrieval.newcomers import score_newcomers
from models.retrieval.own import locate, score_own
from models.retrieval.rules import score_rules, score_second
from models.retrieval.select import CANDIDATES, COLUMNS, DEEPEST, QUOTAS, SOURCES, choose, propose
from models.retrieval.tastes import Tastes
from models.retrieval.workspace import Workspace, touch
from models.user_state import ITEMS, UserState

__all__ = ["SOURCES", "Candidates", "Retriever"]

Slots = NDArray[np.int32]
Scratch = tuple[Slots, Slots, NDArray[np.float32], Slots, NDArray[np.int64]]

_DEPTH_SESSION, _DEPTH_USER = 6.0, 12.0  # list positions at which a neighbour's vote weighs half
_SESSION_QUERY, _USER_QUERY = 8, 20
_NEARNESS = (1.0 / np.arange(1, _SESSION_QUERY + 1)).astype(np.float32)
_FADING = (0.9 ** np.arange(_USER_QUERY)).astype(np.float32)


@dataclass(frozen=True, slots=True)
class Candidates:
    """Views that the next request overwrites.

    Attributes
    ----------
    slots : int32[n] item slots.
    features : float32[n, F], raw; the numbers of one feature lie side by side.
    found : int32[n], bit s set where `SOURCES[s]` proposed the candidate.
    """

    slots: NDArray[np.int32]
    features: NDArray[np.float32]
    found: NDArray[np.int32]


class Retriever:
    """Runs all sources over the knowledge; holds only scratch."""

    def __init__(self, knowledge: Knowledge) -> None:
        self.knowledge = knowledge
        self.workspace = Workspace(len(knowledge.items.hashes))
        self._tastes = Tastes(knowledge.config.max_categories + 1)
        self._rows = FeatureRows(knowledge)
        self._own = np.zeros(ITEMS, np.int32)
        self._order = np.zeros(ITEMS, np.int32)
        self._profile = np.zeros(DIMENSIONS, np.float32)
        self._chosen = np.zeros(CANDIDATES, np.int32)
        self._lists = np.zeros((len(SOURCES), DEEPEST), np.int32)
        self._lengths = np.zeros(len(SOURCES), np.int64)

    def retrieve(
        self, state: UserState, now_ms: int, asked: str | None = None, among: Slots | None = None
    ) -> Candidates:
        """Candidates for a user as of `now_ms`.

        Parameters
        ----------
        asked : category of the request.
        among : take exactly these slots instead of choosing about 256.
        """
        knowledge, space = self.knowledge, self.workspace
        items = knowledge.items
        space.begin()
        scratch = (space.place, space.slots, space.value, space.found, space.size)
        n_own, in_session = locate(
            state.items, state.order, items.table.keys, items.table.values, self._own, self._order
        )
        if state.starts_session(now_ms):
            in_session = 0
        context = self._order[:n_own]
        own = self._own[context]
        self._lengths[:] = 0
        score_own(self._own, state.order, *scratch)
        self._score_rules(own, in_session, scratch)
        self._score_neighbours(own, in_session, state.user, scratch)
        self._tastes.take(knowledge, state, self._own, context, in_session)
        self._score_content(own, scratch)
        self._score_newcomers(scratch)
        self._propose(own)
        if among is not None:
            rows = np.array([touch(slot, *scratch) for slot in among.tolist()], np.int32)
            rows = rows[rows >= 0]
        else:
            rows = self._choose()
        category = knowledge.categories.numbers.get(asked or "", 0)
        slots = space.slots[rows]
        features = self._rows.fill(
            rows, slots, space, state, now_ms, category, self._tastes, self._profile, self._own, context, in_session
        )
        return Candidates(slots, features, space.found[rows])

    def _score_rules(self, own: Slots, in_session: int, scratch: Scratch) -> None:
        knowledge = self.knowledge
        pairs, second, items = knowledge.pairs, knowledge.second, knowledge.items
        score_rules(
            own,
            in_session,
            knowledge.event,
            knowledge.slow_half_life,
            knowledge.config.fast_half_life,
            pairs.blocks.row,
            pairs.partner,
            pairs.weight,
            pairs.total,
            pairs.stamp,
            items.generation,
            *scratch,
        )
        if len(own) >= 2 and own[0] and own[1]:
            score_second(
                items.reference(int(own[1])),
                items.reference(int(own[0])),
                second.context,
                second.total,
                second.successor,
                second.weight,
                items.generation,
                *scratch,
            )

    def _score_neighbours(self, own: Slots, in_session: int, user: int, scratch: Scratch) -> None:
        knowledge = self.knowledge
        users, items, sessions = knowledge.users, knowledge.items, knowledge.sessions
        slot = users.table.get(user or 1)
        query = own[: max(in_session, min(3, len(own)))][:_SESSION_QUERY]
        score_neighbours(
            query,
            _NEARNESS,
            items.events,
            knowledge.session,
            int(users.session[slot]),
            ws.SESSION_KNN,
            _DEPTH_SESSION,
            sessions.members,
            sessions.size,
            sessions.blocks.row,
            sessions.posted,
            sessions.count,
            sessions.overlap,
            items.generation,
            *scratch,
        )
        lists = users.lists
        query = own[:_USER_QUERY]
        score_neighbours(
            query,
            _FADING,
            items.events,
            len(lists.size) - 1,
            slot or -1,
            ws.USER_KNN,
            _DEPTH_USER,
            lists.members,
            lists.size,
            lists.blocks.row,
            lists.posted,
            lists.count,
            lists.overlap,
            items.generation,
            *scratch,
        )

    def _score_content(self, own: Slots, scratch: Scratch) -> None:
        knowledge = self.knowledge
        items, vector = knowledge.items, knowledge.content.vector
        describe(own, vector, self._profile)
        score_fresh(
            self._profile,
            knowledge.fresh,
            knowledge.met,
            items.generation,
            items.events,
            items.available,
            vector,
            *scratch,
        )

    def _score_newcomers(self, scratch: Scratch) -> None:
        knowledge, tastes = self.knowledge, self._tastes
        newcomers, items, popularity = knowledge.newcomers, knowledge.items, knowledge.popularity
        if not newcomers.present:
            return
        score_newcomers(
            tastes.kinds,
            tastes.category,
            tastes.shares,
            tastes.place,
            newcomers.hot,
            newcomers.newest,
            newcomers.count,
            newcomers.stock,
            newcomers.adopted,
            newcomers.stamp,
            newcomers.readiness,
            newcomers.usual(knowledge.event),
            knowledge.event,
            popularity.category_score,
            max(popularity.total[SLOW_LIST], 1e-9),
            knowledge.fresh,
            knowledge.met,
            items.generation,
            items.last_event,
            items.events,
            items.available,
            items.category,
            items.price,
            tastes.usual_price,
            *scratch,
        )

    def _propose(self, own: Slots) -> None:
        knowledge = self.knowledge
        popularity, items, categories = knowledge.popularity, knowledge.items, knowledge.categories
        propose(
            QUOTAS[1],
            own,
            items.category,
            popularity.leaders,
            popularity.category_leaders,
            categories.follower,
            categories.weight,
            knowledge.recent,
            knowledge.event,
            self._lists,
            self._lengths,
        )

    def _choose(self) -> Slots:
        knowledge, space = self.knowledge, self.workspace
        n = choose(
            COLUMNS,
            QUOTAS,
            knowledge.popularity.leaders,
            knowledge.items.available,
            self._lists,
            self._lengths,
            space.place,
            space.slots,
            space.value,
            space.found,
            space.size,
            self._chosen,
        )
        return self._chosen[:n]
