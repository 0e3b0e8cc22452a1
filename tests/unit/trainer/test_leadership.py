"""All partitions go to one trainer, and stay with it."""

from __future__ import annotations

from aiokafka.cluster import ClusterMetadata
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment
from aiokafka.structs import TopicPartition

from streamproc.trainer.leadership import OneLeaderAssignor, Progress


class Cluster(ClusterMetadata):
    def partitions_for_topic(self, topic: str) -> set[int]:
        return {"examples": {0, 1, 2}, "signals": {0}}[topic]


class Group:
    """Trainers that join, are dealt everything, and leave."""

    def __init__(self) -> None:
        self.members: dict[str, OneLeaderAssignor] = {}

    def rebalance(self) -> list[str]:
        """Who has what afterwards: everything, or nothing."""
        told = {name: member.metadata(["signals", "examples"]) for name, member in self.members.items()}
        dealt = OneLeaderAssignor().assign(Cluster(), told)
        for name, member in self.members.items():
            # As it arrives: through the wire format.
            member.on_assignment(ConsumerProtocolMemberAssignment.decode(dealt[name].encode()))
        assert {len(each.partitions()) for each in dealt.values()} <= {0, 4}
        return [name for name, each in dealt.items() if each.partitions()]


def test_who_leads_keeps_everything_until_it_leaves() -> None:
    group = Group()
    group.members["m"] = OneLeaderAssignor()
    assert group.rebalance() == ["m"]
    group.members |= {"a": OneLeaderAssignor(), "z": OneLeaderAssignor()}
    assert group.rebalance() == ["m"]
    del group.members["m"]
    assert group.rebalance() == ["a"]
    group.members["0"] = OneLeaderAssignor()
    assert group.rebalance() == ["a"]


def test_of_two_that_think_they_lead_one_does() -> None:
    group = Group()
    for name in ("b", "a"):
        alone = Group()
        alone.members[name] = OneLeaderAssignor()
        alone.rebalance()
        group.members |= alone.members
    assert group.rebalance() == ["a"]
    assert group.rebalance() == ["a"]


def test_a_leader_that_slept_while_another_took_over_stands_by_when_it_is_back() -> None:
    group = Group()
    sleeper = group.members["a"] = OneLeaderAssignor()
    group.rebalance()
    group.members["b"] = OneLeaderAssignor()
    assert group.rebalance() == ["a"]
    del group.members["a"]
    assert group.rebalance() == ["b"]
    group.members["a"] = sleeper
    assert group.rebalance() == ["b"]
    assert group.rebalance() == ["b"]


PART = TopicPartition("examples", 1)


class Consumer:
    """A consumer that remembers what it was asked."""

    def __init__(self) -> None:
        self.assigned: list[TopicPartition] = []
        self.paused: set[TopicPartition] = set()
        self.sought: dict[TopicPartition, int] = {}

    def assignment(self) -> set[TopicPartition]:
        return set(self.assigned)

    def pause(self, *partitions: TopicPartition) -> None:
        self.paused |= set(partitions)

    def resume(self, *partitions: TopicPartition) -> None:
        self.paused -= set(partitions)

    def seek(self, partition: TopicPartition, offset: int) -> None:
        self.sought[partition] = offset


def progress() -> tuple[Progress, Consumer]:
    consumer = Consumer()
    return Progress(consumer), consumer


def assign(made: Progress, consumer: Consumer, *partitions: TopicPartition) -> None:
    made.on_partitions_revoked(consumer.assigned)
    consumer.assigned = list(partitions)
    made.on_partitions_assigned(partitions)


def test_nothing_is_read_before_this_trainer_is_the_only_writer() -> None:
    made, consumer = progress()
    assign(made, consumer, PART)
    assert (made.leads, consumer.paused) == (False, {PART})
    made.lead()
    assert (made.leads, made.lost, consumer.paused) == (True, False, set())


def test_a_leader_reads_on_where_it_was_when_another_trainer_joins_and_knows_when_it_has_lost() -> None:
    made, consumer = progress()
    assign(made, consumer, PART)
    made.lead()
    made.fetched[PART] = 17
    assign(made, consumer, PART)
    assert (made.lost, consumer.sought, consumer.paused) == (False, {PART: 17}, set())
    assign(made, consumer)
    assert made.lost


def test_partitions_that_went_away_before_it_could_lead_are_lost() -> None:
    made, consumer = progress()
    assign(made, consumer, PART)
    assign(made, consumer)
    made.lead()
    assert made.lost
