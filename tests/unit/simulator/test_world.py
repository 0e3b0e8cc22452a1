"""The simulated world is deterministic, learnable, and changes in the way its settings say."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np
import pytest
from river.drift import ADWIN

from streamproc.simulator import DriftKind, Event, World, WorldConfig

HOUR_MS = 3_600_000
SMALL = WorldConfig(users=60, items=120, categories=4)


@dataclass
class Baselines:
    """Popularity with a half life of 2,000 events, what followed the last item, and the user's own items."""

    k: int = 20
    popularity: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    rules: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    own: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    last: dict[str, str] = field(default_factory=dict)
    weight: float = 1.0

    def hits(self, event: Event) -> tuple[bool, bool]:
        """Is the event in the top k of popularity, and in that of rules and own items? Then learn it."""
        user, item = event.user_id, event.item_id
        popular = sorted(self.popularity, key=lambda x: -self.popularity[x])[: self.k]
        rules = self.rules[self.last[user]].most_common(self.k // 2) if user in self.last else []
        mixed = dict.fromkeys([x for x, _ in [*rules, *self.own[user].most_common(self.k // 2)]] + popular)
        hit = item in popular, item in list(mixed)[: self.k]
        self.weight *= 2 ** (1 / 2_000)
        self.popularity[item] += self.weight
        if user in self.last:
            self.rules[self.last[user]][item] += 1
        self.own[user][item] += 1
        self.last[user] = item
        return hit


def events(world: World, count: int) -> list[Event]:
    return [world.step() for _ in range(count)]


def test_the_same_seed_gives_the_same_world_and_another_seed_another() -> None:
    first, second, other = World(SMALL, 7), World(SMALL, 7), World(SMALL, 8)
    assert first.take_announcements() == second.take_announcements()
    rows = events(first, 1_500)
    assert rows == events(second, 1_500)
    assert first.take_announcements() == second.take_announcements()
    assert [e.item_id for e in rows] != [e.item_id for e in events(other, 1_500)]


def test_event_numbers_ids_and_times() -> None:
    rows = events(World(SMALL, 1, run="r"), 500)
    assert [e.number for e in rows] == list(range(500))
    assert len({e.event_id for e in rows}) == 500
    assert rows[3].event_id == "r-3"
    assert all(a.timestamp_ms <= b.timestamp_ms for a, b in pairwise(rows))
    assert rows[0].timestamp_ms >= SMALL.start_ms


def test_a_new_item_is_announced_well_before_its_first_click_and_an_old_one_leaves() -> None:
    config = replace(SMALL, new_items_per_1000=30, fade_events=200)
    world = World(config, 3)
    announced: dict[str, int] = {a.item_id: -config.announce_lead for a in world.take_announcements()}
    gone: dict[str, int] = {}
    fresh = 0
    for number in range(4_000):
        event = world.step()
        for notice in world.take_announcements():
            if notice.available:
                assert notice.item_id not in announced
                announced[notice.item_id] = number
            else:
                gone[notice.item_id] = number
        lead = number - announced[event.item_id]
        assert lead >= config.announce_lead
        fresh += announced[event.item_id] >= 0
        if event.cause != "funnel":
            assert event.item_id not in gone, "an item that left the catalogue was chosen"
    assert len(announced) == 120 + 120
    assert gone
    assert fresh > 400, "new items draw clicks"


def test_users_arrive() -> None:
    world = World(replace(SMALL, new_users_per_1000=50), 1)
    users = {e.user_id for e in events(world, 4_000)}
    assert len(world.population.users) == 60 + 200
    assert len(users) > 200


def test_purchases_come_after_a_cart_and_carts_after_a_click_of_the_same_item() -> None:
    before: dict[str, Event] = {}
    kinds: Counter[str] = Counter()
    wanted = {"cart": "click", "purchase": "cart"}
    for event in events(World(SMALL, 4), 4_000):
        kinds[event.kind] += 1
        if event.kind in wanted:
            assert before[event.user_id].kind == wanted[event.kind]
            assert before[event.user_id].item_id == event.item_id
        before[event.user_id] = event
    assert kinds["click"] > kinds["cart"] > kinds["purchase"] > 50


def test_users_go_back_to_their_favourites_more_than_chance() -> None:
    seen: set[tuple[str, str]] = set()
    items: set[str] = set()
    repeats = fillers = 0
    for event in events(World(replace(WorldConfig(), feedback_share=0), 2), 8_000):
        repeats += (event.user_id, event.item_id) in seen
        fillers += event.item_id in items
        seen.add((event.user_id, event.item_id))
        items.add(event.item_id)
    assert 0.3 < repeats / 8_000 < 0.7


def test_rules_and_favourites_beat_popularity_until_a_sudden_drift_which_adwin_notices_within_1000_events() -> None:
    world = World(WorldConfig(drift=DriftKind.SUDDEN, drift_at=8_000), 11)
    baselines, detector = Baselines(), ADWIN(delta=0.002)
    outcomes, alarms = [], []
    for number in range(12_000):
        popular, model = baselines.hits(world.step())
        outcomes.append((popular, model))
        if number > 5_000:  # learnt most of what there is to learn
            detector.update(popular - model)
            if detector.drift_detected:
                alarms.append(number)
    hit = np.array(outcomes, dtype=float)
    before, after, later = hit[5_000:8_000].mean(0), hit[8_000:9_000].mean(0), hit[11_000:].mean(0)
    assert world.drifts == [8_000]
    assert before[1] > before[0] + 0.3
    assert after[1] < before[1] - 0.2, "what was learned stopped to pay"
    assert abs(after[0] - before[0]) < 0.07, "popularity is hurt little"
    assert later[1] > after[1] + 0.05, "the new world can be learned"
    assert any(8_000 < number <= 9_000 for number in alarms)


def successors_changed(config: WorldConfig, count: int) -> float:
    world = World(config, 5)
    before = world.catalogue.successors.copy()
    events(world, count)
    return float((world.catalogue.successors[: len(before)] != before).mean())


def test_a_sudden_drift_changes_the_transition_structure_at_once() -> None:
    config = replace(SMALL, drift=DriftKind.SUDDEN, drift_at=500)
    assert successors_changed(config, 500) == 0
    assert successors_changed(config, 501) > 0.8
    assert successors_changed(replace(config, drift_strength=0.2), 501) < 0.7


def test_a_drift_redraws_tastes_and_drops_favourites_of_about_its_share_of_the_users() -> None:
    world = World(replace(SMALL, users=400, drift=DriftKind.SUDDEN, drift_at=2_000, drift_strength=0.5), 5)
    events(world, 2_000)
    before = [(user.taste, len(user.history)) for user in world.population.users]
    world.step()
    users = world.population.users[: len(before)]
    changed = [user.taste is not taste for user, (taste, _) in zip(users, before, strict=True)]
    assert 0.4 < np.mean(changed) < 0.6
    for user, (_, known), moved in zip(users, before, changed, strict=True):
        assert len(user.history) <= 1 if moved else len(user.history) >= known


def test_a_gradual_drift_changes_it_little_by_little() -> None:
    config = replace(SMALL, drift=DriftKind.GRADUAL, drift_at=500, drift_span=1_000)
    early, whole = successors_changed(config, 600), successors_changed(config, 1_600)
    assert 0.1 < early < whole - 0.1
    assert whole > 0.8
    assert successors_changed(config, 3_000) == whole


def test_drifts_repeat_when_asked() -> None:
    world = World(replace(SMALL, drift=DriftKind.SUDDEN, drift_at=100, drift_every=300), 5)
    events(world, 1_000)
    assert world.drifts == [100, 400, 700]


def test_the_seasons_move_the_demand_between_categories() -> None:
    def share(config: WorldConfig) -> list[float]:
        world = World(config, 6)
        windows = [Counter(e.category for e in events(world, 1_500)) for _ in range(6)]
        return [w["shirts"] / 1_500 for w in windows]

    calm = replace(SMALL, users=300, season_days=3.0)
    assert np.ptp(share(replace(calm, drift=DriftKind.SEASONAL))) > 1.5 * np.ptp(share(calm))


def test_the_loop_is_closed_and_biased_to_the_top_of_the_list() -> None:
    world = World(replace(SMALL, feedback_share=0.5), 9)
    shown = {f"user-{n:05d}": [f"item-{i:05d}" for i in range(40, 60)] for n in range(60)}
    places: Counter[int] = Counter()
    taken = 0
    for _ in range(4_000):
        event = world.step(shown)
        if event.cause == "shown":
            taken += 1
            places[shown[event.user_id].index(event.item_id)] += 1
    assert 0.3 < taken / 4_000 < 0.5  # carts and purchases are not chosen from the list
    assert sum(places[p] for p in range(5)) > 2 * sum(places[p] for p in range(15, 20))


def test_strange_lists_are_ignored() -> None:
    world = World(replace(SMALL, feedback_share=1.0), 9)
    shown = {f"user-{n:05d}": ["unheard-of", "item-99999"] for n in range(60)}
    assert {world.step(shown).cause for _ in range(300)} <= {"taste", "follow", "repeat", "funnel"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"repeat_share": -0.1}, "repeat_share"),
        ({"follow_share": 0.7, "repeat_share": 0.7}, "together"),
        ({"items": 20}, "items must be at least 10 per category"),
        ({"users": 0}, "users"),
        ({"session_events": 0.5}, "session_events"),
        ({"season_days": 0.0}, "season_days"),
        ({"drift_every": -1}, "drift_every"),
        ({"new_items_per_1000": 1e6}, "new_items_per_1000"),
    ],
)
def test_settings_out_of_range_are_named(change: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(WorldConfig(), **change)


def test_a_fork_is_the_same_world_with_another_future_and_leaves_the_first_as_it_was() -> None:
    config = replace(SMALL, drift=DriftKind.SUDDEN, drift_at=500)
    world, twin = World(config, 3), World(config, 3)
    for _ in range(600):
        world.step()
        twin.step()
    fork = world.fork(seed=4)
    assert (fork.catalogue.successors == world.catalogue.successors).all()
    others = [fork.step() for _ in range(100)]
    ours = [world.step() for _ in range(100)]
    assert ours == [twin.step() for _ in range(100)]
    assert [event.item_id for event in others] != [event.item_id for event in ours]


def test_users_do_not_all_begin_at_once() -> None:
    config = WorldConfig(users=300, new_users_per_1000=0.0)
    world = World(config, seed=1)
    first_hours: dict[str, int] = {}
    while len(first_hours) < 300:
        event = world.step()
        first_hours.setdefault(event.user_id, (event.timestamp_ms - config.start_ms) // HOUR_MS)
    busiest = max(Counter(first_hours.values()).values())
    assert busiest < 30
