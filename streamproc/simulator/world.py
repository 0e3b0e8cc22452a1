"""The world itself: who acts next, what is chosen, and how everything changes."""

from __future__ import annotations

import copy
import heapq
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from streamproc.simulator.catalogue import Catalogue
from streamproc.simulator.config import DriftKind, WorldConfig
from streamproc.simulator.events import Announcement, Cause, Event, EventKind
from streamproc.simulator.people import Population, User

_DAY_MS = 86_400_000
_SESSION_GAP_MS = 45_000  # mean pause between two choices of a session
_REFRESH = 50  # events between two updates of the attractions
_STEPS = 50  # parts of a gradual change
_TASTE_SLOPE = 0.7  # how much a matching taste vector raises an item's appeal, per unit of the dot product


class World:
    """A deterministic stream of interactions: the same config, seed and shown lists give the same events.

    A discrete-event simulation: every user has a time at which to act next, the earliest acts. A session starts from
    the user's taste; each further choice follows the previous item, goes back to a favourite, follows taste, or is
    taken from the recommended list.

    Parameters
    ----------
    config : WorldConfig
    seed : int
        Of all randomness.
    run : str
        Prefix of the event ids, so that two runs of one seed can feed the same topics.

    Examples
    --------
    >>> world = World(WorldConfig(users=50, items=120, categories=4), seed=1)
    >>> len(world.take_announcements())  # the catalogue comes before the first event
    120
    >>> event = world.step()
    >>> event.number, event.kind
    (0, 'click')
    >>> world.step({"user-00003": ["item-00007"]}).timestamp_ms >= event.timestamp_ms
    True
    """

    def __init__(self, config: WorldConfig, seed: int, run: str = "") -> None:
        self.config = config
        self._rng = np.random.default_rng(seed)
        self._run = run or f"seed{seed}"
        self.catalogue = Catalogue(config, self._rng)
        self.population = Population(config, self._rng)
        self.number = 0
        self.now_ms = config.start_ms
        self.drifts: list[int] = []
        self._phases = self._rng.random(config.categories)
        self._agenda: list[tuple[float, int]] = []
        self._announcements = [self.catalogue.announcement(item, config.start_ms) for item in range(config.items)]
        for index in range(config.users):
            user = self.population.arrive()
            # Everybody comes within three days, whoever comes seldom at any time of them: not all at their end.
            latest = min(_DAY_MS / user.sessions_per_day, 3.0 * _DAY_MS)
            heapq.heappush(self._agenda, (config.start_ms + self._rng.uniform(0.0, latest), index))

    def take_announcements(self) -> list[Announcement]:
        """Catalogue changes since the last call; send them before the next event."""
        taken, self._announcements = self._announcements, []
        return taken

    def step(self, shown: Mapping[str, Sequence[str]] | None = None) -> Event:
        """Let the next user act.

        Parameters
        ----------
        shown : mapping of user id to item ids, best first, optional
            The list last recommended to each user.
        """
        self._change_world()
        time_ms, index = heapq.heappop(self._agenda)
        self.now_ms = max(self.now_ms, int(time_ms))
        user = self.population.users[index]
        if user.left == 0:
            self._start_session(user)
        item, kind, cause = self._choose(user, (shown or {}).get(user.user_id, ()))
        user.last, user.last_kind = item, kind
        if cause != "funnel":
            user.left -= 1
        user.remember(item, times=3 if kind == "purchase" else 1)
        heapq.heappush(self._agenda, (self.now_ms + self._pause(user), index))
        event = Event(
            number=self.number,
            event_id=f"{self._run}-{self.number}",
            user_id=user.user_id,
            item_id=self.catalogue.item_id(item),
            kind=kind,
            timestamp_ms=self.now_ms,
            category=self.catalogue.category_name(int(self.catalogue.category[item])),
            price=float(self.catalogue.price[item]),
            cause=cause,
        )
        self.number += 1
        return event

    def fork(self, seed: int) -> World:
        """The same world as it stands, which goes on by other chances."""
        other = copy.deepcopy(self)
        other._rng.bit_generator.state = np.random.default_rng(seed).bit_generator.state
        return other

    def demand(self, now_ms: int) -> NDArray[np.float64]:
        """Factor on the demand for each category at a time; all ones unless the drift is seasonal."""
        if self.config.drift is not DriftKind.SEASONAL:
            return np.ones(self.config.categories)
        turn = (now_ms - self.config.start_ms) / (self.config.season_days * _DAY_MS)
        swing: NDArray[np.float64] = 1 + self.config.drift_strength * np.sin(2 * np.pi * (turn + self._phases))
        return swing

    # -- the user ------------------------------------------------------------------------------------------------

    def _start_session(self, user: User) -> None:
        user.left = int(self._rng.geometric(1 / self.config.session_events))
        user.last = None
        appetite = np.cumsum(user.taste * self.demand(self.now_ms))
        user.focus = self._draw(appetite)

    def _choose(self, user: User, shown: Sequence[str]) -> tuple[int, EventKind, Cause]:
        funnel = self._funnel(user)
        if funnel is not None:
            return funnel
        if shown and self._rng.random() < self.config.feedback_share:
            picked = self._pick_shown(user, shown)
            if picked is not None:
                return picked, "click", "shown"
        wish = self._rng.random()
        if wish < self.config.repeat_share * user.loyalty and user.history:
            favourite = user.history[int(self._rng.integers(len(user.history)))]
            if not self.catalogue.gone[favourite] and favourite != user.last:
                return favourite, "click", "repeat"
        elif user.last is not None and wish > 1 - self.config.follow_share:
            return self.catalogue.follow(user.last), "click", "follow"
        return self._pick_by_taste(user), "click", "taste"

    def _funnel(self, user: User) -> tuple[int, EventKind, Cause] | None:
        """Cart after a click, purchase after a cart: about the same item."""
        if user.last is None:
            return None
        if user.last_kind == "click" and self._rng.random() < self.config.cart_share:
            return user.last, "cart", "funnel"
        if user.last_kind == "cart" and self._rng.random() < self.config.purchase_share:
            return user.last, "purchase", "funnel"
        return None

    def _pick_by_taste(self, user: User) -> int:
        category = user.focus if self._rng.random() < 0.8 else self._draw(np.cumsum(user.taste))
        members = self.catalogue.members(category)
        return int(members[self._draw(np.cumsum(self._appeal(user, members)))])

    def _pick_shown(self, user: User, shown: Sequence[str]) -> int | None:
        """One item of the list: the higher its place and the better it fits, the likelier."""
        rows = [self.catalogue.row(item_id) for item_id in shown]
        known = np.array([row if row is not None and not self.catalogue.gone[row] else -1 for row in rows])
        examined = (1.0 + np.arange(len(known))) ** -self.config.position_bias
        fit = np.exp(_TASTE_SLOPE * (self.catalogue.vector[known] @ user.vector) / 2)
        weights = np.where(known >= 0, examined * fit * (self.catalogue.attraction[known] > 0), 0.0)
        return int(known[self._draw(np.cumsum(weights))]) if weights.sum() > 0 else None

    def _appeal(self, user: User, items: NDArray[np.int64]) -> NDArray[np.float64]:
        fit: NDArray[np.float64] = np.exp(_TASTE_SLOPE * (self.catalogue.vector[items] @ user.vector))
        return self.catalogue.attraction[items] * fit

    def _pause(self, user: User) -> float:
        if user.left > 0:
            return 1_000 + self._rng.exponential(_SESSION_GAP_MS)
        return 3_600_000 + self._rng.exponential(_DAY_MS / user.sessions_per_day)

    def _draw(self, cumulative: NDArray[np.float64]) -> int:
        point = self._rng.random() * cumulative[-1]
        return min(int(np.searchsorted(cumulative, point, side="right")), len(cumulative) - 1)

    # -- the world around ----------------------------------------------------------------------------------------

    def _change_world(self) -> None:
        self._drift()
        thousands = (self.number + 1) / 1_000
        while len(self.catalogue) < self.config.items + int(self.config.new_items_per_1000 * thousands):
            new = self.catalogue.replace_one(self.number)
            self._announcements.append(self.catalogue.announcement(new, self.now_ms))
        while len(self.population.users) < self.config.users + int(self.config.new_users_per_1000 * thousands):
            self.population.arrive()
            heapq.heappush(self._agenda, (float(self.now_ms), len(self.population.users) - 1))
        if self.number % _REFRESH == 0:
            gone = self.catalogue.refresh(self.number)
            self._announcements += [self.catalogue.announcement(item, self.now_ms) for item in gone]

    def _drift(self) -> None:
        config = self.config
        if config.drift not in (DriftKind.SUDDEN, DriftKind.GRADUAL) or self.number < config.drift_at:
            return
        since = self.number - config.drift_at
        if config.drift_every:
            since %= config.drift_every
        if since == 0:
            self.drifts.append(self.number)
        if config.drift is DriftKind.SUDDEN:
            if since == 0:
                self._turn(config.drift_strength)
        elif since < config.drift_span and since % max(1, config.drift_span // _STEPS) == 0:
            # Small independent parts: after n parts of share s, 1 - (1 - s)^n of the items and users have changed.
            steps = min(_STEPS, config.drift_span)
            self._turn(1 - (1 - min(config.drift_strength, 0.999)) ** (1 / steps))

    def _turn(self, share: float) -> None:
        self.catalogue.reshuffle(share)
        self.population.change_tastes(share)
