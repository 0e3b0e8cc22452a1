"""What every worker knows alike: the catalogue, the interactions of all users, and the base model in service.

It arrives on three broadcast topics. `items` and `item-stats` change the item knowledge; `model-updates` names the
version to serve. A record that cannot be used is skipped: whoever wrote it has been told (dead letters, logs).
"""

import logging
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

from models.base import BaseParameters, initial_parameters
from models.interaction import Run
from models.recommender import Recommender
from schemas.knowledge import ModelUpdate, decode_item_stats
from schemas.record import RecordError
from streamproc.artefacts import ArtefactError, load
from streamproc.engine import InputRecord
from streamproc.metrics import WorkerMetrics
from streamproc.settings import Settings
from streamproc.versions import VersionLog
from streamproc.worker.parse import Deleted, parse_item
from streamproc.worker.writes import INSTANCE_HEADER

log = logging.getLogger(__name__)

# One record holds a whole micro-batch of interactions.
MAX_STATS_BYTES: Final = 4_000_000


class SharedKnowledge:
    """Apply broadcast records to the recommender.

    Parameters
    ----------
    recommender
        Changed in place; the caller sees to it that nobody else uses it meanwhile.
    instance
        Name of this process's life: what it wrote itself has been applied already.
    known
        By input topic and partition, the last offset whose interactions the recommender's knowledge holds already,
        since it comes from a snapshot.
    """

    def __init__(
        self,
        settings: Settings,
        recommender: Recommender,
        metrics: WorkerMetrics,
        instance: str,
        known: Mapping[tuple[str, int], int] = MappingProxyType({}),
    ) -> None:
        self._settings = settings
        self.recommender = recommender
        self._metrics = metrics
        self._instance = instance.encode()
        self._items = settings.topic("items")
        self._stats = settings.topic("item-stats")
        self._updates = settings.topic("model-updates")
        self._known = dict(known)
        self.sources = dict(known)
        """Last offset of each topic and partition whose interactions, or signals of drift, were taken."""
        self._versions = VersionLog()
        self._loaded: dict[int, BaseParameters] = {}

    def within(self, positions: Mapping[tuple[str, int], int]) -> dict[tuple[str, int], int]:
        """Those positions whose topics teach the item knowledge: models have no part in it and are named anew."""
        return {at: offset for at, offset in positions.items() if at[0] in (self._items, self._stats)}

    def load(self, records: Sequence[InputRecord]) -> None:
        """Take what records say of versions and load the artefacts they call for; nothing served changes yet.

        Reading and verifying files takes time, and needs nothing that events need: it may run beside them.
        """
        updates = [record for record in records if record.topic == self._updates]
        for record in updates:
            self._versions.apply(record.key, record.value)
        if not updates:
            return
        wanted = {update.version: update for update in self._versions.in_shadow()}
        if pointer := self._versions.pointer:
            wanted[pointer.version] = pointer
        self._loaded = {version: base for version, base in self._loaded.items() if version in wanted}
        for version, update in wanted.items():
            if version in self._loaded:
                continue
            try:
                self._loaded[version] = self._load(update)
            except ArtefactError as error:
                # The version in service goes on serving: a lost artefact must not take a worker down.
                log.error("version %d not loaded, still serving %d: %s", version, self.serving, error)

    def apply(self, records: Sequence[InputRecord]) -> None:
        """Take records in the order of their topics' logs, after `load` has seen them."""
        for record in records:
            try:
                if record.topic == self._items:
                    self._apply_item(record)
                elif record.topic == self._stats:
                    self._apply_stats(record)
            except RecordError as error:
                log.debug("skipped %s-%d@%d: %s", record.topic, record.partition, record.offset, error)
        if any(record.topic == self._updates for record in records):
            self._swap()

    def _apply_item(self, record: InputRecord) -> None:
        item = parse_item(record, self._settings.max_event_bytes)
        if isinstance(item, Deleted):
            self.recommender.remove_item(item.item_id)
        else:
            self.recommender.put_item(item)

    def _apply_stats(self, record: InputRecord) -> None:
        if any(name == INSTANCE_HEADER and value == self._instance for name, value in record.headers):
            return
        delta = decode_item_stats(record.value, max_bytes=MAX_STATS_BYTES)
        source = delta.source_topic, delta.source_partition
        # A leader that takes over reads signals of drift again: what it then writes for the second time is known.
        known = self.sources if delta.kept < 1 else self._known
        if delta.offset_last <= known.get(source, -1):
            return
        self.sources[source] = delta.offset_last
        if delta.kept < 1:
            self.recommender.discount(delta.kept)
            log.info("kept %.3f of the weight of what follows what", delta.kept)
        seen = delta.interactions
        self.recommender.observe_all(
            Run.of(seen.user, seen.item_id, seen.event_type, seen.timestamp_ms, seen.category, seen.price)
        )

    def _swap(self) -> None:
        pointer = self._versions.pointer
        if pointer and pointer.version != self.serving and (base := self._loaded.get(pointer.version)):
            self.recommender.swap(base)
            self._metrics.swapped(base.version)
            log.info("serving base version %d (%s)", base.version, pointer.reason)
        shadow = [self._loaded.get(update.version) for update in self._versions.in_shadow()]
        self.recommender.shadows.replace([base for base in shadow if base and base.version != self.serving])

    @staticmethod
    def _load(pointer: ModelUpdate) -> BaseParameters:
        return initial_parameters() if pointer.version == 0 else load(pointer.uri, pointer.sha256)

    @property
    def serving(self) -> int:
        """Version of the base model in service."""
        return self.recommender.base.version
