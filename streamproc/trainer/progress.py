"""How far the trainer has read, and which of it is safe to commit."""

from __future__ import annotations

from collections.abc import Sequence

from aiokafka import ConsumerRebalanceListener
from aiokafka.structs import TopicPartition


class Progress(ConsumerRebalanceListener):
    """Offsets of the next records, by partition.

    Attributes
    ----------
    read : of what was taken.
    proposed : of what the candidate in the shadow has learned from; committed when it is promoted.
    committed : as far as this trainer has committed them.
    """

    def __init__(self) -> None:
        self.read: dict[TopicPartition, int] = {}
        self.proposed: dict[TopicPartition, int] = {}
        self.committed: dict[TopicPartition, int] = {}

    def on_partitions_revoked(self, revoked: Sequence[TopicPartition]) -> None:
        """Forget all: offsets of partitions that went to another trainer must not be committed by this one."""
        for offsets in (self.read, self.proposed, self.committed):
            offsets.clear()

    def on_partitions_assigned(self, assigned: Sequence[TopicPartition]) -> None:
        """Nothing to do: the consumer reads on from what is committed."""
