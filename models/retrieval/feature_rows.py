"""Calls the feature kernels with the tables that they read."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.features import F
from models.knowledge import Knowledge
from models.retrieval.rows import item_features, moment_features, user_features
from models.retrieval.select import CANDIDATES
from models.retrieval.tastes import Tastes
from models.retrieval.workspace import Workspace
from models.user_state import UserState

Slots = NDArray[np.int32]
Floats = NDArray[np.float32]

_PRIOR = 3.0  # events' worth of evidence that all users give about one


class FeatureRows:
    """Raw features of the candidates of one request; the next one overwrites them."""

    def __init__(self, knowledge: Knowledge) -> None:
        self._knowledge = knowledge
        self._numbers = np.zeros((F + 2) * CANDIDATES, np.float32)

    def fill(
        self,
        rows: Slots,
        slots: Slots,
        space: Workspace,
        state: UserState,
        now_ms: int,
        asked: int,
        tastes: Tastes,
        profile: Floats,
        own: Slots,
        context: Slots,
        in_session: int,
    ) -> Floats:
        """Features `[n, F]` of the workspace rows `rows` of `slots`; those of one column lie side by side.

        Parameters
        ----------
        asked : category of the request, 0 for none.
        profile : unit content vector of the user's latest items.
        own, context, in_session : from `locate`.
        """
        knowledge = self._knowledge
        items, popularity, newcomers = knowledge.items, knowledge.popularity, knowledge.newcomers
        if len(self._numbers) < (F + 2) * len(rows):
            self._numbers = np.zeros((F + 2) * len(rows), np.float32)
        numbers = self._numbers[: (F + 2) * len(rows)].reshape(F + 2, len(rows))
        features, popular, share = numbers[:F], numbers[F], numbers[F + 1]
        item_features(
            slots,
            now_ms,
            knowledge.event,
            popularity.score,
            popularity.total,
            popularity.category_score,
            items.category,
            items.price,
            items.born_ms,
            items.last_event,
            items.events,
            items.purchases,
            items.repeats,
            knowledge.price_mean,
            len(items),
            newcomers.usual(knowledge.event),
            newcomers.adopted,
            newcomers.stamp,
            newcomers.stock,
            newcomers.readiness,
            popular,
            share,
            features,
        )
        repeats = state.repeats / (state.events + _PRIOR)
        usual_rate = knowledge.repeat_rate
        user_features(
            rows,
            slots,
            space.value,
            space.found,
            now_ms // 1000,
            state.events + 1,
            own,
            context,
            in_session,
            state.touched,
            state.last,
            state.count,
            state.interval,
            state.kinds,
            repeats,
            items.category,
            items.price,
            tastes.place,
            tastes.shares,
            tastes.usual_price,
            tastes.all_counts,
            popularity.category_score,
            asked,
            items.events,
            items.repeats,
            popularity.total,
            knowledge.content.vector,
            profile,
            popular,
            share,
            repeats + _PRIOR * usual_rate / (state.events + _PRIOR),
            usual_rate,
            knowledge.repeats_in_session,
            features,
        )
        bought = len(context) > 0 and bool(state.kinds[context[0]] & 4)
        length = 0 if state.starts_session(now_ms) else state.session_length
        moment_features(length, state.gap_ms(now_ms) / 1000.0, state.events, repeats, 1.0 * bought, features)
        return features.T
