"""When the state of an idle user may go."""

from collections.abc import Callable

from models.fast_weights import FORMAT
from models.user_state import last_ms

_DAY_MS = 86_400_000


def expiry(days: float) -> Callable[[bytes, int], bool] | None:
    """Return what tells of a user's state and the present (ms) whether the user was idle for more than `days`.

    0 means never: there is nothing to ask then. The worker's own record among the users' never goes.

    >>> from models.user_state import UserState
    >>> user = UserState()
    >>> user.last_ms = 1_700_000_000_000
    >>> over = expiry(2.0)
    >>> [over(user.encode(), user.last_ms + days * 86_400_000) for days in (0, 2, 3)], expiry(0)
    ([False, False, True], None)
    >>> from models.base import initial_parameters
    >>> from models.fast_weights import FastWeights
    >>> over(FastWeights(initial_parameters()).encode(), 9_000_000_000_000)
    False
    """
    if not days:
        return None
    return lambda state, now_ms: state[0] != FORMAT and now_ms - last_ms(state) > days * _DAY_MS
