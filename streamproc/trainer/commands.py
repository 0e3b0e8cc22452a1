"""What an operator may do to the versions: look at them, put one into service, ask for a meta-update."""

from __future__ import annotations

import time
from collections.abc import Sequence

from aiokafka import AIOKafkaProducer

from schemas.knowledge import ModelUpdate, PrivacySpent
from schemas.outputs import DriftSignal
from schemas.record import encode
from streamproc import artefacts
from streamproc.connection import aiokafka_options
from streamproc.engine.broadcast import Broadcast
from streamproc.errors import StreamprocError
from streamproc.pretraining import Pretrained
from streamproc.settings import Settings
from streamproc.trainer.ledger import Ledger
from streamproc.trainer.publisher import built_in
from streamproc.versions import POINTER_KEY, VersionLog, record_key


class VersionError(StreamprocError):
    """A version that cannot be put into service."""

    exit_code = 2


async def read_versions(settings: Settings) -> VersionLog:
    """Read all of `model-updates`."""
    versions = VersionLog()
    async with Broadcast(settings, [settings.topic("model-updates")]) as updates:
        for record in await updates.catch_up():
            versions.apply(record.key, record.value)
    return versions


async def first_version(settings: Settings) -> int:
    """Return the number of a version that replaces the built-in one.

    Raises
    ------
    VersionError
        Another one serves.
    """
    return _replacing_built_in(await read_versions(settings))


async def put_into_service(settings: Settings, pretrained: Pretrained) -> ModelUpdate:
    """Put a pretrained version into service in place of the built-in one, on probation.

    Raises
    ------
    VersionError
        Another version has come into service since.
    ArtefactError
        The artefact cannot be written; nothing was changed.
    """
    versions = await read_versions(settings)
    if _replacing_built_in(versions) != pretrained.parameters.version:
        raise VersionError("versions were published while the history was learned: start again")
    uri, digest = artefacts.save(pretrained.parameters, settings.artefacts)
    now = time.time_ns() // 1_000_000
    update = ModelUpdate(
        version=pretrained.parameters.version,
        parent=0,
        uri=uri,
        sha256=digest,
        verdict="promoted",
        reason=f"pretrained on history, {pretrained.verdict.reason}",
        created_ms=now,
        kind="pretrained",
        serving=True,
        probation=True,
        metrics=pretrained.verdict.metrics,
        privacy=_spent(settings, versions, pretrained),
    )
    written = [(record_key(0), built_in(settings, now)), (record_key(update.version), update), (POINTER_KEY, update)]
    await _write(settings, written)
    return update


def _spent(settings: Settings, versions: VersionLog, pretrained: Pretrained) -> PrivacySpent | None:
    if not settings.privacy_noise_multiplier:
        return None
    ledger = Ledger(settings, versions.privacy_spent())
    for spent in pretrained.spent:
        ledger.add(spent)
    return ledger.spent


def _replacing_built_in(versions: VersionLog) -> int:
    if versions.serving_version:
        raise VersionError(
            f"version {versions.serving_version} serves already: pretraining is for a new deployment; "
            "to start anew, go back to the built-in model first: streamproc models rollback 0"
        )
    return versions.next_version


async def roll_back(settings: Settings, version: int | None = None) -> ModelUpdate:
    """Put an older version into service; workers and trainer follow as soon as they read it.

    Parameters
    ----------
    version
        Which one; None: the parent of the version in service. 0 is the built-in one.

    Returns
    -------
    The new pointer.

    Raises
    ------
    VersionError
        There is no such version, or it serves already.
    ArtefactError
        Its artefact is missing or damaged; nothing was changed.
    """
    versions = await read_versions(settings)
    pointer, serving = versions.pointer, versions.serving_version
    target = versions.parent_in_service() if version is None else version
    if pointer is None or target is None:
        raise VersionError(f"there is nothing to go back to from version {serving}: it is the built-in one")
    if target == serving:
        raise VersionError(f"version {target} serves already")
    now = time.time_ns() // 1_000_000
    restored = _record_of(versions, target, settings, now)
    artefacts.load(restored.uri, restored.sha256)
    reason = f"rolled back by command, version {serving} served before"
    written = versions.rolled_back(restored, reason, now)
    await _write(settings, written)
    return written[-1][1]


async def _write(settings: Settings, records: Sequence[tuple[bytes, ModelUpdate]]) -> None:
    async with AIOKafkaProducer(**aiokafka_options(settings), enable_idempotence=True) as producer:
        for key, update in records:
            await producer.send_and_wait(settings.topic("model-updates"), encode(update), key=key)


def _record_of(versions: VersionLog, version: int, settings: Settings, now: int) -> ModelUpdate:
    if version in versions.records:
        return versions.records[version]
    if version != 0:
        kept = ", ".join(str(update.version) for update in versions.kept())
        raise VersionError(f"version {version} is not kept; these are: 0, {kept}")
    return built_in(settings, now)


async def ask_for_update(settings: Settings) -> None:
    """Ask the trainer for a meta-update now."""
    signal = DriftSignal(
        name="meta-update",
        timestamp_ms=time.time_ns() // 1_000_000,
        detector="operator",
        worker="command line",
        kind="command",
        before=0.0,
        after=0.0,
        window=0,
    )
    async with AIOKafkaProducer(**aiokafka_options(settings), enable_idempotence=True) as producer:
        await producer.send_and_wait(settings.topic("drift-signals"), encode(signal), key=signal.name.encode())
