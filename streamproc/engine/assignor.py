"""Which worker gets which partition: equal numbers of all topics together, and where their state already is."""

import json
from collections.abc import Iterable, Mapping

from aiokafka.cluster import ClusterMetadata
from aiokafka.coordinator.assignors.abstract import AbstractPartitionAssignor
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment, ConsumerProtocolMemberMetadata


class CopartitionedStickyAssignor(AbstractPartitionAssignor):
    """Deal out partition numbers evenly; each goes to its present owner, else to one that has its state on disk.

    Aiokafka's range assignor is co-partitioned but moves most partitions when a worker comes or goes, its sticky one
    and Faust's round robin tear the topics of one partition number apart.

    Parameters
    ----------
    stored
        Partition numbers whose state this worker holds on disk.
    """

    name = "streamproc"
    version = 1

    def __init__(self, stored: Iterable[int] = ()) -> None:
        self._stored = sorted(stored)
        self._owned: list[int] = []

    def metadata(self, topics: Iterable[str]) -> ConsumerProtocolMemberMetadata:
        """Return what this member tells the group's leader."""
        told = json.dumps({"owned": self._owned, "stored": self._stored}).encode()
        return ConsumerProtocolMemberMetadata(self.version, sorted(topics), told)

    def on_assignment(self, assignment: ConsumerProtocolMemberAssignment) -> None:
        """Remember what this member owns."""
        self._owned = sorted({tp.partition for tp in assignment.partitions()})

    def assign(
        self, cluster: ClusterMetadata, members: Mapping[str, ConsumerProtocolMemberMetadata]
    ) -> dict[str, ConsumerProtocolMemberAssignment]:
        """Return the assignment of every member."""
        topics = sorted({topic for member in members.values() for topic in member.subscription})
        counts = {topic: len(cluster.partitions_for_topic(topic) or ()) for topic in topics}
        told = {member: json.loads(metadata.user_data or b"{}") for member, metadata in members.items()}
        claims = [{member: set(wish.get(kind, ())) for member, wish in told.items()} for kind in ("owned", "stored")]
        numbers = deal(max(counts.values(), default=0), sorted(members), claims)
        return {
            member: ConsumerProtocolMemberAssignment(
                self.version,
                [(topic, [p for p in sorted(own) if p < counts[topic]]) for topic in topics],
                b"",
            )
            for member, own in numbers.items()
        }


def deal(partitions: int, members: list[str], claims: Iterable[Mapping[str, set[int]]]) -> dict[str, set[int]]:
    """Deal out partition numbers, at most one more to some members than to others.

    Parameters
    ----------
    partitions
        How many there are.
    members
        Who takes part.
    claims
        What members want, the strongest reason first. Two members may claim one number.

    Examples
    --------
    >>> deal(4, ["a", "b"], [{"a": {1, 2, 3}, "b": set()}])
    {'a': {1, 2}, 'b': {0, 3}}
    """
    base, extras = divmod(partitions, len(members))
    dealt: dict[str, set[int]] = {member: set() for member in members}
    left = set(range(partitions))

    def has_room(member: str) -> bool:
        held = len(dealt[member])
        return held < base or (held == base and sum(len(own) > base for own in dealt.values()) < extras)

    def give(partition: int, member: str) -> None:
        dealt[member].add(partition)
        left.discard(partition)

    for claim in claims:
        for partition in sorted(left):
            claimants = [member for member in members if partition in claim[member] and has_room(member)]
            if claimants:
                give(partition, min(claimants, key=lambda member: len(dealt[member])))
    for partition in sorted(left):
        give(partition, min(members, key=lambda member: len(dealt[member])))
    return dealt
