"""The whole recommender behind one small class: used alike by the worker, the evaluation and the tests."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import repeat

import numpy as np
from numpy.typing import NDArray

from models.base import BaseParameters
from models.examples import RunningMoments, example, seed_of
from models.explain import reasons
from models.fast_weights import FastWeights
from models.features import F
from models.interaction import CatalogueItem, EventType, Interaction, Run
from models.knowledge import Knowledge, KnowledgeConfig
from models.knowledge.arrays import position, spread
from models.knowledge.popularity import MID_LIST
from models.lists import Learned, Ranked
from models.rank import Ranker, top
from models.retrieval import Candidates, Retriever
from models.retrieval.select import TAKEN
from models.rules import Placed, RulesConfig, arrange
from models.served import Served
from models.shadow import Comparison, Shadows
from models.standing import stand
from models.user_state import UserState
from schemas.training import Moments

__all__ = ["Learned", "Ranked", "Recommender", "RecommenderConfig"]

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class RecommenderConfig:
    """Settings of the recommender.

    Attributes
    ----------
    knowledge : bounds of the item knowledge.
    rules : what every list that is shown must keep to.
    fast_weights : adapt to each user.
    worker_delta : adapt to what moves all users, between two versions of the base.
    track_unadapted : have `learn` report the rank that a list without user knowledge would have given, where the user
        was shown one.
    moments_every : events between those whose candidates count for the feature scaler.
    served_lists : latest lists whose candidates are kept for the users' next events, 66 KB each.
    """

    knowledge: KnowledgeConfig = field(default_factory=KnowledgeConfig)
    rules: RulesConfig = field(default_factory=RulesConfig)
    fast_weights: bool = True
    worker_delta: bool = True
    track_unadapted: bool = False
    moments_every: int = 4
    served_lists: int = 2_048


class Recommender:
    """Retrieves, ranks, explains and learns; deterministic, without clock or global state.

    Parameters
    ----------
    base : the version to serve first.
    knowledge : item knowledge to share with another recommender; None: its own, bounded by `config`.

    Examples
    --------
    >>> from models.base import initial_parameters
    >>> from models.interaction import EventType
    >>> recommender, anna, ben = Recommender(initial_parameters()), UserState(), UserState()
    >>> for second, item in enumerate(["tea", "milk", "tea", "milk"]):
    ...     event = Interaction(1, item, EventType.CLICK, 1_700_000_000_000 + 1000 * second)
    ...     learned = recommender.learn(anna, event)
    >>> learned.rank
    1
    >>> sorted(ranked.item_id for ranked in recommender.recommend(ben, 1_700_000_009_000))
    ['milk', 'tea']
    """

    def __init__(
        self, base: BaseParameters, config: RecommenderConfig | None = None, knowledge: Knowledge | None = None
    ) -> None:
        self.config = config or RecommenderConfig()
        self.knowledge = knowledge or Knowledge(self.config.knowledge)
        self._retriever = Retriever(self.knowledge)
        self._served = Served(self.config.served_lists)
        self._moments = RunningMoments()
        self._learned = 0
        self.fast_weights = FastWeights(base, self.config.fast_weights, self.config.worker_delta)
        self.shadows = Shadows()
        """Versions that are compared with the one served, on the events learned."""
        self.swap(base)

    @property
    def base(self) -> BaseParameters:
        """The version served."""
        return self._ranker.base

    def swap(self, base: BaseParameters) -> None:
        """Serve another version from now on; fast weights are carried over."""
        base.check()
        self._ranker = Ranker(base)
        self.fast_weights.base = base

    def put_item(self, item: CatalogueItem) -> None:
        """Take what the catalogue says of an item; a new one can be recommended at once."""
        self.knowledge.put_item(item)

    def remove_item(self, item_id: str) -> None:
        """Forget an item."""
        self.knowledge.remove_item(item_id)

    def observe(self, event: Interaction) -> None:
        """Take an event into the item knowledge alone, exactly as `learn` does."""
        self.knowledge.take(event)

    def observe_all(self, run: Run) -> None:
        """Take a run of events into the item knowledge alone, as `observe` takes one."""
        self.knowledge.take_all(run)

    def discount(self, kept: float) -> None:
        """Keep so much, 0 to 1, of the weight of what the item knowledge has learned of what follows what."""
        self.knowledge.discount(kept)

    def take_moments(self) -> Moments | None:
        """Moments of the raw features since the last call, for the trainer; None where there are none."""
        return self._moments.take()

    def show(self, state: UserState, ranked: Sequence[Ranked]) -> None:
        """Remember the list just shown, to score it at the user's next event."""
        state.show([item.item_id for item in ranked])

    def recommend(
        self,
        state: UserState,
        now_ms: int,
        k: int = 20,
        exclude: Iterable[str] = (),
        among: Sequence[str] | None = None,
        context_category: str | None = None,
        explain: bool = True,
    ) -> list[Ranked]:
        """The best k items for a user at a moment, best first.

        Parameters
        ----------
        exclude : item ids to leave out.
        among : rank these items only; those not known here come last, in the given order.
        context_category : category that the user is looking at.
        explain : give each item its reasons.
        """
        knowledge = self.knowledge
        left_out = {*exclude, *self.config.rules.blocked}
        asked = None if among is None else np.array([knowledge.slot(item) for item in among], np.int32)
        only = None if asked is None else np.unique(asked[asked > 0])
        candidates = self._retriever.retrieve(state, now_ms, context_category, only, k)
        if only is None:
            self._served.keep(state, candidates, knowledge.items.removed)
        slots = candidates.slots
        fast = self.fast_weights.correction(state)
        scored = self._ranker.assess(candidates.features, fast, k)
        best, propensities = scored.best, None
        if self.config.rules.active or left_out or only is not None:  # else what was chosen may all be shown
            placed = self._arrange(state, now_ms, slots, scored.scores, k, left_out)
            best = np.array(placed.positions, np.int64)
            propensities = placed.propensities if self.config.rules.exploration > 0 else None
        why = reasons(self.base, scored.inputs, best, fast) if explain else repeat(())
        names = [knowledge.items.names[slot] for slot in slots[best].tolist()]
        ranked = list(map(Ranked, names, scored.scores[best].tolist(), why, propensities or repeat(None)))
        for item, slot in zip(among or (), () if asked is None else asked.tolist(), strict=True):
            if slot == 0 and item not in left_out and len(ranked) < k:
                ranked.append(Ranked(item, ranked[-1].score - 1 if ranked else 0.0))
        return ranked

    def _arrange(
        self, state: UserState, now_ms: int, slots: NDArray[np.int32], scores: Floats, k: int, left_out: set[str]
    ) -> Placed:
        """The list that keeps to the rules."""
        knowledge, rules = self.knowledge, self.config.rules
        return arrange(
            scores,
            self._allowed(state, slots, left_out),
            knowledge.items.events[slots] == 0,
            knowledge.items.category[slots],
            knowledge.content.unit(slots if rules.diversity else slots[:0]),
            k,
            rules,
            int(spread(np.uint64(state.user ^ now_ms))),
        )

    def _allowed(self, state: UserState, slots: NDArray[np.int32], left_out: set[str]) -> NDArray[np.bool_]:
        """Which candidates pass the filters."""
        items, rules = self.knowledge.items, self.config.rules
        allowed = items.available[slots]
        if left_out:
            allowed &= ~np.isin(slots, [self.knowledge.slot(item) for item in left_out])
        if rules.filter_seen or rules.filter_purchased:
            remembered = state.items[(state.kinds & (0xFF if rules.filter_seen else 1 << EventType.PURCHASE)) > 0]
            numbers = self.knowledge.categories.numbers
            free = [numbers[name] for name in rules.repeatable if name in numbers]
            allowed &= ~np.isin(items.hashes[slots], remembered) | np.isin(items.category[slots], free)
        return allowed

    def learn(self, state: UserState, event: Interaction, k: int = 20, source: tuple[int, int] = (0, 0)) -> Learned:
        """Score the list that stands before the event, then learn from it.

        That is the one served last, where its candidates are kept, else one made as if asked just before the event.

        Parameters
        ----------
        source : partition and offset of the event, for the training example.
        """
        learned = self.learn_user(state, event, k, source)
        self.observe(event)
        return learned

    def learn_user(
        self, state: UserState, event: Interaction, k: int = 20, source: tuple[int, int] = (0, 0)
    ) -> Learned:
        """All of `learn` but for the item knowledge, which another recommender that shares it takes the event into."""
        served = self._served.take(state, event.timestamp_ms, self.knowledge.items.removed)
        candidates = served or self._retriever.retrieve(state, event.timestamp_ms)
        learned = self._predict(state, event, k, candidates, source)
        state.take(event)
        self._learned += 1
        return learned

    def _predict(
        self, state: UserState, event: Interaction, k: int, candidates: Candidates, source: tuple[int, int]
    ) -> Learned:
        knowledge, ranker = self.knowledge, self._ranker
        slot = knowledge.slot(event.item_id)
        new = slot == 0 or knowledge.items.events[slot] == 0
        names = knowledge.items.names
        made, log_loss, rank, unadapted_rank, promise = None, None, None, None, 0.0
        items: list[str] = []
        found, items_found = 0, np.zeros(0, np.int32)
        row = -1
        comparisons: tuple[Comparison, ...] = ()
        if len(candidates.slots):
            if self._learned % self.config.moments_every == 0:
                self._moments.add(candidates.features)
            scored = ranker.assess(candidates.features, self.fast_weights.correction(state), k)
            best = self._best(state, event.timestamp_ms, candidates.slots, scored.scores, scored.best)
            listed = np.empty((2, len(best)), np.int32)
            row, at, promise = stand(slot, candidates.slots, candidates.found, scored.shares, best, listed)
            items = [names[at] for at in listed[0].tolist()]
            items_found = listed[1]
            if row >= 0:
                found = int(candidates.found[row]) & (TAKEN - 1)
                rank = at or None
                log_loss = -math.log(max(float(scored.shares[row]), 1e-12))
                comparisons = self.shadows.compare(candidates.features, row, scored.plain, self.base.version)
                if self.config.track_unadapted and state.shown:
                    unadapted = ranker.score_unadapted(scored.inputs)
                    others = self._best(
                        state, event.timestamp_ms, candidates.slots, unadapted, top(unadapted, len(best))
                    )
                    unadapted_rank = position(row, others) + 1 or None
                inputs = scored.inputs.T
                seed = seed_of(event, state.events)
                made = example(self.base, event, inputs[:, :F], scored.shares, row, seed, source)
                self.fast_weights.adapt(state, inputs, scored.plain, row, event.event_type)
        leaders = knowledge.popularity.leaders[MID_LIST, :k].tolist()
        return Learned(
            rank=rank,
            promise=promise,
            items=items,
            shown_rank=state.shown_rank(event.item_id),
            had_shown=bool(state.shown),
            popularity_rank=leaders.index(slot) + 1 if slot and slot in leaders else None,
            unadapted_rank=unadapted_rank,
            log_loss=log_loss,
            recalled=row >= 0,
            new_item=bool(new),
            user_events=state.events,
            example=made,
            found=found,
            items_found=items_found,
            comparisons=comparisons,
        )

    def _best(
        self, state: UserState, now_ms: int, slots: NDArray[np.int32], scores: Floats, highest: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """Positions of the list that `recommend` would show; without rules these are the `highest` scores'."""
        if not self.config.rules.active:
            return highest
        placed = self._arrange(state, now_ms, slots, scores, len(highest), set(self.config.rules.blocked))
        return np.array(placed.positions, np.int64)
