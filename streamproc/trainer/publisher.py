"""Writes versions: artefact first, then record, pointer and consumed offsets, in one transaction where there is one."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.structs import TopicPartition

from schemas.knowledge import ModelUpdate
from schemas.record import encode
from streamproc import artefacts
from streamproc.artefacts import ArtefactError
from streamproc.connection import aiokafka_options
from streamproc.settings import Settings
from streamproc.trainer.training import Candidate
from streamproc.trainer.versions import POINTER_KEY, VersionLog, record_key

log = logging.getLogger(__name__)

Offsets = Mapping[TopicPartition, int]


class Publisher:
    """Producer of `model-updates`.

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

    async def start(self) -> None:
        """Connect; this fences a former trainer."""
        await self._producer.start()

    async def stop(self) -> None:
        """Disconnect."""
        await self._producer.stop()

    async def publish(self, candidate: Candidate, offsets: Offsets) -> None:
        """Publish a verdict; for a promoted version also the pointer, and the offsets of what it learned from.

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
            verdict="promoted" if candidate.promoted else "rejected",
            reason=candidate.reason[:1_024],
            created_ms=time.time_ns() // 1_000_000,
            kind=candidate.kind,
            serving=candidate.promoted,
            metrics=candidate.metrics,
        )
        records: list[tuple[bytes, bytes | None]] = [(record_key(update.version), encode(update))]
        if candidate.promoted:
            records.append((POINTER_KEY, encode(update)))
        await self._write(records, offsets if candidate.promoted else {})

    async def expire(self, versions: VersionLog) -> None:
        """Remove versions beyond `keep_versions`: the record first, then the artefact that it names."""
        expired = versions.expired(self._settings.keep_versions)
        if not expired:
            return
        await self._write([(record_key(update.version), None) for update in expired], {})
        for update in expired:
            try:
                await asyncio.to_thread(artefacts.remove, update.uri)
            except ArtefactError as error:
                log.warning("%s", error)

    async def commit(self, offsets: Offsets) -> None:
        """Commit offsets of records that taught nothing."""
        await self._write([], offsets)

    async def _write(self, records: Sequence[tuple[bytes, bytes | None]], offsets: Offsets) -> None:
        if not self._transactional:
            for key, value in records:
                await self._producer.send_and_wait(self._topic, value, key=key)
            if offsets:
                await self._consumer.commit(dict(offsets))
            return
        async with self._producer.transaction():
            sent = [await self._producer.send(self._topic, value, key=key) for key, value in records]
            await asyncio.gather(*sent)
            if offsets:
                await self._producer.send_offsets_to_transaction(dict(offsets), self._group)
