"""The users of the simulated world: tastes, favourites, sessions."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from streamproc.simulator.config import WorldConfig

_HISTORY = 60  # choices that a user can go back to


@dataclass(slots=True)
class User:
    """One user; `left` is the number of choices left in the running session, 0 between sessions."""

    user_id: str
    taste: NDArray[np.float64]
    vector: NDArray[np.float64]
    sessions_per_day: float
    loyalty: float
    history: list[int] = field(default_factory=list)
    left: int = 0
    focus: int = 0
    last: int | None = None
    last_kind: str = "click"

    def remember(self, item: int, times: int = 1) -> None:
        """Put a choice into the favourites; a purchase counts several times."""
        self.history.extend([item] * times)
        del self.history[:-_HISTORY]


class Population:
    """All users; draws new ones and changes the tastes of old ones."""

    def __init__(self, config: WorldConfig, rng: np.random.Generator) -> None:
        self._config = config
        self._rng = rng
        # Few categories per person: the concentration is far below one.
        self._concentration = 3.0 * (1 + np.arange(config.categories)) ** -0.5 / config.categories
        self.users: list[User] = []

    def arrive(self) -> User:
        """Add a user."""
        taste, vector = self._draw_taste()
        spread = 0.8
        user = User(
            user_id=f"user-{len(self.users):05d}",
            taste=taste,
            vector=vector,
            sessions_per_day=self._config.sessions_per_day * float(np.exp(self._rng.normal(-(spread**2) / 2, spread))),
            loyalty=float(np.clip(self._rng.normal(1.0, 0.5), 0, 2)),
        )
        self.users.append(user)
        return user

    def change_tastes(self, share: float) -> None:
        """A share of the users redraws its taste from the same distribution and drops its favourites.

        The distribution stays, so the demand of all users together does too.
        """
        for user in self.users:
            if self._rng.random() < share:
                user.taste, user.vector = self._draw_taste()
                user.history.clear()
                user.last, user.left = None, 0

    def _draw_taste(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        taste = self._rng.dirichlet(self._concentration)
        return taste, self._rng.normal(size=self._config.taste_dimensions)
