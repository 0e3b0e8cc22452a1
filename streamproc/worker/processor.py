"""One micro-batch of one partition: score what was shown, adapt, learn, recommend. Records in, writes out."""

import asyncio
import threading
from collections.abc import Callable, Mapping, Sequence

from models.drift import DriftMonitor, Outcome
from models.interaction import Interaction
from models.recommender import Learned, Recommender
from models.user_state import UserState
from schemas.events import RecommendationRequest
from schemas.evidence import encode_evidence
from schemas.record import RecordError
from schemas.training import encode_example, encode_moments
from streamproc.engine import InputRecord, Output, StateView, Writes
from streamproc.metrics import WorkerMetrics
from streamproc.settings import Settings
from streamproc.worker import writes
from streamproc.worker.evidence import EvidenceWindow
from streamproc.worker.parse import Misplaced, Parser, UserEvent

FAST_WEIGHTS_KEY = b""
"""Key of the worker's own fast weights among the users' states: no user id is empty."""

# Examples between two reports of feature moments: the trainer's scaler needs no more.
MOMENTS_EVERY = 500


class _Batch:
    """What one micro-batch has gathered so far."""

    def __init__(self, partition: int, state: StateView) -> None:
        self.partition = partition
        self.state = state
        self.users: dict[bytes, UserState] = {}
        self.latest: dict[bytes, tuple[InputRecord, UserEvent]] = {}
        self.learned: list[tuple[InputRecord, Interaction]] = []
        self.outputs: list[Output] = []

    def user(self, key: bytes) -> UserState:
        if key not in self.users:
            self.users[key] = UserState.decode(self.state.get(key))
        return self.users[key]


class WorkerProcessor:
    """The processor that the engine calls, once for each micro-batch, in one thread.

    Parameters
    ----------
    instance
        Name of this process's life, written to `item-stats`.
    clock
        Wall time, seconds since 1970; injected so that tests own it.
    """

    def __init__(
        self,
        settings: Settings,
        recommender: Recommender,
        metrics: WorkerMetrics,
        instance: str,
        clock: Callable[[], float],
    ) -> None:
        self._settings = settings
        self._recommender = recommender
        self._metrics = metrics
        self._instance = instance
        self._clock = clock
        self._parser = Parser(settings)
        self._monitor = DriftMonitor()
        self._evidence = EvidenceWindow()
        self._examples_since_moments = 0
        # Broadcast knowledge is applied between micro-batches, from another thread.
        self.lock = threading.Lock()
        self.sources: dict[tuple[str, int], int] = {}
        """Last offset of each input topic and partition that was learned here."""

    async def before_assigned(self, states: Mapping[int, StateView]) -> None:
        """Go on from the fast weights that partitions bring, where they were learned from more than this worker's."""
        await asyncio.to_thread(self._adopt, list(states.values()))

    def _adopt(self, states: Sequence[StateView]) -> None:
        with self.lock:
            for state in states:
                if raw := state.get(FAST_WEIGHTS_KEY):
                    self._recommender.fast_weights.adopt(raw)

    def process(self, partition: int, records: Sequence[InputRecord], state: StateView) -> Writes:
        """Take one micro-batch; returns everything that its transaction writes."""
        started = self._clock()
        now_ms = int(started * 1000)
        batch = _Batch(partition, state)
        with self.lock:
            for record in records:
                try:
                    self._take(batch, record, now_ms)
                except RecordError as error:
                    batch.outputs.append(writes.dead_letter(self._settings, record, error))
                    self._metrics.dead_letter(error.kind)
            for record, event in batch.latest.values():
                self._recommend(batch, record, event)
        batch.outputs += writes.item_stats(self._settings, self._instance, batch.learned)
        self._metrics.batch(len(records), self._clock() - started)
        rows: dict[bytes, bytes | None] = {key: user.encode() for key, user in batch.users.items()}
        if batch.learned:
            rows[FAST_WEIGHTS_KEY] = self._recommender.fast_weights.encode()
        return Writes(rows, batch.outputs)

    def _take(self, batch: _Batch, record: InputRecord, now_ms: int) -> None:
        parsed = self._parser.parse(record, now_ms)
        if isinstance(parsed, UserEvent):
            self._learn(batch, record, parsed)
        elif isinstance(parsed, RecommendationRequest):
            self._answer(batch, record, parsed)
        elif isinstance(parsed, Misplaced):
            batch.outputs.append(Output(record.topic, parsed.user_id.encode(), record.value, record.headers))
        # A catalogue item is only checked here: every worker reads the whole catalogue by broadcast.

    def _learn(self, batch: _Batch, record: InputRecord, event: UserEvent) -> None:
        key = event.user_id.encode()
        user = batch.user(key)
        interaction = event.interaction
        if interaction.event_id is not None and user.is_duplicate(interaction.event_id):
            self._metrics.duplicate()
            return
        learned = self._recommender.learn(user, interaction, self._settings.k, source=(record.partition, record.offset))
        batch.learned.append((record, interaction))
        self.sources[record.topic, record.partition] = record.offset
        batch.latest[key] = (record, event)
        self._metrics.learned(interaction.event_type, learned)
        self._watch(batch, interaction, learned)
        self._teach(batch, record, learned)

    def _watch(self, batch: _Batch, interaction: Interaction, learned: Learned) -> None:
        for alarm in self._monitor.update(Outcome.of(learned, interaction.item_id)):
            batch.outputs.append(writes.drift_signal(self._settings, alarm, interaction.timestamp_ms))
            self._metrics.alarm(alarm.name, alarm.kind)
        if evidence := self._evidence.add(interaction, learned):
            topic = self._settings.topic("training-examples")
            batch.outputs.append(Output(topic, None, encode_evidence(evidence), ()))

    def _teach(self, batch: _Batch, record: InputRecord, learned: Learned) -> None:
        if learned.example is None:
            return
        topic = self._settings.topic("training-examples")
        key = learned.example.user.to_bytes(8, "little")
        # Not by the key: a batch that goes to one partition takes fewer requests, and keeps a user's order as well.
        batch.outputs.append(Output(topic, key, encode_example(learned.example), partition=batch.partition))
        self._examples_since_moments += 1
        if self._examples_since_moments >= MOMENTS_EVERY and (moments := self._recommender.take_moments()):
            self._examples_since_moments = 0
            batch.outputs.append(Output(topic, None, encode_moments(moments), ()))

    def _recommend(self, batch: _Batch, record: InputRecord, event: UserEvent) -> None:
        user = batch.user(event.user_id.encode())
        now_ms = event.interaction.timestamp_ms
        ranked = self._recommender.recommend(user, now_ms, self._settings.k)
        self._recommender.show(user, ranked)
        version = self._recommender.base.version
        batch.outputs.append(writes.recommendation(self._settings, event.user_id, record, now_ms, ranked, version))
        self._metrics.recommended(self._clock() - record.timestamp_ms / 1000)

    def _answer(self, batch: _Batch, record: InputRecord, request: RecommendationRequest) -> None:
        key = request.user_id.encode()
        known = key in batch.users or batch.state.get(key) is not None
        user = batch.user(key) if known else UserState.decode(None)
        ranked = self._recommender.recommend(
            user,
            request.timestamp_ms,
            request.k,
            exclude=request.exclude,
            among=request.items,
            context_category=request.context.category if request.context else None,
        )
        if known:
            # A stranger's request leaves no state behind: asking is not acting.
            self._recommender.show(user, ranked)
        version = self._recommender.base.version
        batch.outputs.append(
            writes.recommendation(
                self._settings, request.user_id, record, request.timestamp_ms, ranked, version, request.request_id
            )
        )
        self._metrics.recommended(self._clock() - record.timestamp_ms / 1000)
