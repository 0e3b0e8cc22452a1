"""One trainer leads, others stand by: the group gives all partitions to one member, who keeps them while it lives."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from struct import Struct
from typing import Protocol

from aiokafka import ConsumerRebalanceListener
from aiokafka.cluster import ClusterMetadata
from aiokafka.coordinator.assignors.abstract import AbstractPartitionAssignor
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment, ConsumerProtocolMemberMetadata
from aiokafka.structs import TopicPartition

_TOLD = Struct("<?q")  # what a member tells the group: whether it leads, and the term in which that was last said


class OneLeaderAssignor(AbstractPartitionAssignor):
    """Give everything to the member that has it already, else to any one.

    A leader that slept while another took over still believes that it leads when it is back. So every assignment is a
    term, one above all that its members know, and of two who say that they lead, the one of the later term does.
    """

    name = "streamproc-one-leader"
    version = 1

    def __init__(self) -> None:
        self._leading, self._term = False, 0

    def metadata(self, topics: Iterable[str]) -> ConsumerProtocolMemberMetadata:
        """Return what this member tells the group."""
        return ConsumerProtocolMemberMetadata(self.version, sorted(topics), _TOLD.pack(self._leading, self._term))

    def on_assignment(self, assignment: ConsumerProtocolMemberAssignment) -> None:
        """Remember whether this member leads, and in which term."""
        self._leading, self._term = bool(assignment.partitions()), _TOLD.unpack(assignment.user_data)[1]

    def assign(
        self, cluster: ClusterMetadata, members: Mapping[str, ConsumerProtocolMemberMetadata]
    ) -> dict[str, ConsumerProtocolMemberAssignment]:
        """Return the assignment of every member."""
        told = {member: _TOLD.unpack(metadata.user_data) for member, metadata in members.items()}
        leader = min(members, key=lambda member: (not told[member][0], -told[member][1], member))
        term = 1 + max(last for _, last in told.values())
        topics = sorted({topic for member in members.values() for topic in member.subscription})
        everything = [(topic, sorted(cluster.partitions_for_topic(topic) or ())) for topic in topics]
        return {
            member: ConsumerProtocolMemberAssignment(
                self.version, everything if member == leader else [], _TOLD.pack(member == leader, term)
            )
            for member in members
        }


class Reading(Protocol):
    """What `Progress` asks of a consumer; aiokafka's has it."""

    def assignment(self) -> Collection[TopicPartition]:
        """Return what the group has assigned."""

    def pause(self, *partitions: TopicPartition) -> None:
        """Fetch no more of these."""

    def resume(self, *partitions: TopicPartition) -> None:
        """Fetch again."""

    def seek(self, partition: TopicPartition, offset: int) -> None:
        """Read on there."""


class Progress(ConsumerRebalanceListener):
    """Whether this trainer leads, and how far it has come: offsets of the next records, by partition.

    Attributes
    ----------
    leads, lost : it reads; it did, and another trainer does now.
    fetched : of what the consumer has handed over.
    read : of what was taken of that.
    proposed : of what the candidate in the shadow has learned from; committed when it is promoted.
    committed : as far as this trainer has committed them.
    """

    def __init__(self, consumer: Reading) -> None:
        self._consumer = consumer
        self.leads = self.lost = False
        self.fetched: dict[TopicPartition, int] = {}
        self.read: dict[TopicPartition, int] = {}
        self.proposed: dict[TopicPartition, int] = {}
        self.committed: dict[TopicPartition, int] = {}

    def lead(self) -> None:
        """Begin to read."""
        self.leads, self.lost = True, not self._consumer.assignment()
        self._consumer.resume(*self._consumer.assignment())

    def on_partitions_revoked(self, revoked: Sequence[TopicPartition]) -> None:
        """Nothing to do: whoever leads has them back at once."""

    def on_partitions_assigned(self, assigned: Sequence[TopicPartition]) -> None:
        """Read on where this trainer was, not at what is committed: a second one has come, or gone."""
        self.lost = self.leads and not assigned
        if not self.leads:
            self._consumer.pause(*assigned)  # until it has become the only writer
            return
        for partition in assigned:
            if partition in self.fetched:
                self._consumer.seek(partition, self.fetched[partition])
