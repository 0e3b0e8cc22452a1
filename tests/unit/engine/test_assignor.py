"""Dealing out partitions: even, together, and where their state is."""

from types import SimpleNamespace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from streamproc.engine.assignor import CopartitionedStickyAssignor, deal

TOPICS = ["clicks", "purchases"]


def cluster(partitions: int) -> Any:
    return SimpleNamespace(partitions_for_topic=lambda topic: set(range(partitions)))


def rebalance(members: dict[str, CopartitionedStickyAssignor], partitions: int = 8) -> dict[str, set[int]]:
    leader = next(iter(members.values()))
    told = {name: member.metadata(TOPICS) for name, member in members.items()}
    assigned = leader.assign(cluster(partitions), told)
    for name, member in members.items():
        member.on_assignment(assigned[name])
    numbers = {}
    for name, assignment in assigned.items():
        by_topic = dict(assignment.assignment)
        assert by_topic["clicks"] == by_topic["purchases"]
        numbers[name] = set(by_topic["clicks"])
    return numbers


def test_a_newcomer_takes_only_its_share_and_what_it_leaves_goes_back() -> None:
    members = {"a": CopartitionedStickyAssignor(), "b": CopartitionedStickyAssignor()}
    before = rebalance(members)
    assert sorted(map(len, before.values())) == [4, 4]
    members["c"] = CopartitionedStickyAssignor()
    between = rebalance(members)
    assert sorted(map(len, between.values())) == [2, 3, 3]
    assert between["a"] < before["a"]
    assert between["b"] < before["b"]
    del members["c"]
    after = rebalance(members)
    assert after["a"] >= between["a"]
    assert after["b"] >= between["b"]


def test_a_restarted_worker_gets_what_it_has_on_disk() -> None:
    members = {"a": CopartitionedStickyAssignor(), "b": CopartitionedStickyAssignor(stored=[0, 2, 4, 6])}
    assert rebalance(members)["b"] == {0, 2, 4, 6}


def test_owners_go_before_disks() -> None:
    owner, disk = CopartitionedStickyAssignor(), CopartitionedStickyAssignor(stored=range(8))
    rebalance({"a": owner})
    assert rebalance({"a": owner, "b": disk}) == {"a": {0, 1, 2, 3}, "b": {4, 5, 6, 7}}


def test_more_workers_than_partitions() -> None:
    members = {name: CopartitionedStickyAssignor() for name in "abc"}
    assert sorted(map(len, rebalance(members, partitions=2).values())) == [0, 1, 1]


@given(
    st.integers(0, 40),
    st.lists(st.tuples(st.sets(st.integers(0, 50)), st.sets(st.integers(0, 50))), min_size=1, max_size=9),
)
def test_always_even_and_complete(partitions: int, wishes: list[tuple[set[int], set[int]]]) -> None:
    members = [f"member-{i}" for i in range(len(wishes))]
    claims = [dict(zip(members, kind, strict=True)) for kind in zip(*wishes, strict=True)]
    dealt = deal(partitions, members, claims)
    assert sorted(p for own in dealt.values() for p in own) == list(range(partitions))
    assert max(map(len, dealt.values())) - min(map(len, dealt.values())) <= 1
