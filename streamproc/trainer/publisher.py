"""Writes versions: artefact first, then record, pointer and consumed offsets, in one transaction where there is one."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.structs import ConsumerRecord, TopicPartition

from models.base import initial_parameters
from models.drift import Alarm
from schemas.knowledge import InteractionColumns, ItemStatsDelta, ModelUpdate
from schemas.outputs import DriftSignal
from schemas.record import encode
from streamproc import artefacts
from streamproc.artefacts import ArtefactError
from streamproc.connection import aiokafka_options
from streamproc.settings import Settings
from streamproc.trainer.proof import Verdict
from streamproc.trainer.training import Candidate
from streamproc.versions import POINTER_KEY, VersionLog, record_key

log = logging.getLogger(__name__)

Offsets = Mapping[TopicPartition, int]


def built_in(settings: Settings, now_ms: int) -> ModelUpdate:
    """Record of the initial model, whose artefact is written if need be: to compare with it, or to go back to it.

    Raises
    ------
    ArtefactError
        The artefact cannot be written.
    """
    uri, digest = artefacts.save(initial_parameters(), settings.artefacts)
    return ModelUpdate(
        version=0,
        uri=uri,
        sha256=digest,
        verdict="promoted",
        reason="built in",
        created_ms=now_ms,
        kind="initial",
        serving=True,
    )


class Publisher:
    """Producer of `model-updates`, of the trainer's alarms, and of the discounts that follow them.

    With `exactly_once` its transactional id is that of the application's trainer: a second trainer fences the first,
    and what an example taught is published exactly when its offset is committed.
    """

    def __init__(self, settings: Settings, consumer: AIOKafkaConsumer) -> None:
        self._settings = settings
        self._consumer = consumer
        self._group = f"{settings.application_id}-trainer"
        self._transactional = settings.processing_guarantee == "exactly_once"
        identity = {"transactional_id": self._group} if self._transactional else {"enable_idempotence": True}
        self._producer = AIOKafkaProducer(**aiokafka_options(settings), acks="all", linger_ms=0, **identity)
        self._topic = settings.topic("model-updates")
        self._signals = settings.topic("drift-signals")
        self._stats = settings.topic("item-stats")

    async def start(self) -> None:
        """Connect; this fences a former trainer."""
        await self._producer.start()

    async def stop(self) -> None:
        """Disconnect."""
        await self._producer.stop()

    async def propose(self, candidate: Candidate) -> ModelUpdate:
        """Publish a candidate: workers take it into the shadow; returns its record.

        Raises
        ------
        ArtefactError
            The artefact cannot be written; nothing is published then.
        """
        parameters = candidate.parameters
        uri, digest = await asyncio.to_thread(artefacts.save, parameters, self._settings.artefacts)
        update = ModelUpdate(
            version=parameters.version,
            parent=parameters.parent,
            uri=uri,
            sha256=digest,
            verdict="candidate",
            reason=candidate.reason[:1_024],
            created_ms=time.time_ns() // 1_000_000,
            kind=candidate.kind,
            serving=False,
            metrics=candidate.metrics,
            privacy=candidate.privacy,
        )
        await self.write([(record_key(update.version), update)])
        return update

    async def decide(self, update: ModelUpdate, verdict: Verdict, offsets: Offsets) -> None:
        """Publish the verdict on a candidate; for a promoted one also the pointer and the offsets it learned from."""
        words = f"{verdict.reason}; {update.reason}"[:1_024]
        changes = {"reason": words, "metrics": update.metrics | verdict.metrics}
        if not verdict.accepted:
            rejected = update.model_copy(update={**changes, "verdict": "rejected"})
            await self.write([(record_key(update.version), rejected)])
            return
        state = {"verdict": "promoted", "serving": True, "probation": True}
        promoted = update.model_copy(update=changes | state)
        await self.write([(record_key(update.version), promoted), (POINTER_KEY, promoted)], offsets)

    async def keep(self, update: ModelUpdate, verdict: Verdict) -> None:
        """Publish that the probation of the version in service is over."""
        changes = {"probation": False, "metrics": update.metrics | verdict.metrics}
        await self.write([(record_key(update.version), update.model_copy(update=changes))])

    async def signal(self, alarm: Alarm, timestamp_ms: int) -> None:
        """Publish an alarm of the merged stream on `drift-signals`."""
        signal = DriftSignal(
            name=alarm.name,
            timestamp_ms=timestamp_ms,
            detector=alarm.detector,
            worker="trainer",
            kind=alarm.kind,
            before=alarm.before,
            after=alarm.after,
            window=alarm.window,
        )
        await self._write([(self._signals, alarm.name.encode(), encode(signal))], {})

    async def discount(self, kept: float, signal: ConsumerRecord) -> None:
        """Publish on `item-stats`, whose order all workers share, what they keep after a signal of drift.

        Its offset tells a second copy from another discount.
        """
        delta = ItemStatsDelta(
            instance=self._group,
            source_topic=signal.topic,
            source_partition=signal.partition,
            offset_first=signal.offset,
            offset_last=signal.offset,
            interactions=InteractionColumns([], [], [], [], [], []),
            kept=kept,
        )
        await self._write([(self._stats, None, encode(delta))], {})

    async def write(self, records: Sequence[tuple[bytes, ModelUpdate]], offsets: Offsets | None = None) -> None:
        """Publish records of versions, and commit offsets with them."""
        await self._write([(self._topic, key, encode(update)) for key, update in records], offsets or {})

    async def expire(self, versions: VersionLog) -> None:
        """Remove versions beyond `keep_versions`: the record first, then the artefact that it names."""
        expired = versions.expired(self._settings.keep_versions)
        if not expired:
            return
        await self._write([(self._topic, record_key(update.version), None) for update in expired], {})
        for update in expired:
            try:
                await asyncio.to_thread(artefacts.remove, update.uri)
            except ArtefactError as error:
                log.warning("%s", error)

    async def commit(self, offsets: Offsets) -> None:
        """Commit offsets of records that taught nothing."""
        await self._write([], offsets)

    async def _write(self, records: Sequence[tuple[str, bytes | None, bytes | None]], offsets: Offsets) -> None:
        if not self._transactional:
            for topic, key, value in records:
                await self._producer.send_and_wait(topic, value, key=key)
            if offsets:
                await self._consumer.commit(dict(offsets))
            return
        async with self._producer.transaction():
            sent = [await self._producer.send(topic, value, key=key) for topic, key, value in records]
            await asyncio.gather(*sent)
            if offsets:
                await self._producer.send_offsets_to_transaction(dict(offsets), self._group)
