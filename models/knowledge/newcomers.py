"""Newcomers: items of the catalogue that nobody has touched yet, and how readily they are taken up.

How readily depends on the category and on the age: some shops sell what came in this morning, others what arrived a
week ago, and what nobody wanted for long is hardly ever wanted. Both are learned from adoptions, the first events of
announced items: per category as a rate, per age against untouched items drawn at the same moments.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.jit import kernel
from models.knowledge.arrays import spread

Counts = NDArray[np.int64]
Floats = NDArray[np.float32]

NEWEST = 64
HOT = 8
AGES = 48  # classes of age, two per octave of events since the announcement
_ROOT_OF_TWO = 0x6A09E667F3BCD  # its fraction's bits: numbers from there on are in the upper half of their octave
_AGE_MEMORY = 0.999  # of `ages` at each adoption
_DRAWS = 8
HALF_LIFE = 20_000.0
"""Of the count of adoptions, events: that of slow popularity, so that both are shares of the same events."""
EVIDENCE = 2.0  # items' worth of evidence that the catalogue as a whole gives about one of its categories


class Newcomers:
    """Per category (row 0: without one) the untouched items announced last, their number, and the adoptions.

    Attributes
    ----------
    newest : int32[categories, NEWEST], ring of references of the items announced last.
    count : int64[categories], announced ever.
    stock : float64[categories], announced and not yet touched.
    adopted, stamp : float64[categories], decayed adoptions as of event number `stamp`.
    hot : int32[HOT], ring of the categories of the latest adoptions.
    ages : float64[AGES, 2], decayed numbers of the adopted and of the drawn items of an age.
    readiness : float64[AGES], how many times more readily than usual items of an age are adopted.
    """

    def __init__(self, categories: int) -> None:
        self.newest = np.zeros((categories, NEWEST), np.int32)
        self.count = np.zeros(categories, np.int64)
        self.stock = np.zeros(categories)
        self.adopted = np.zeros(categories)
        self.stamp = np.zeros(categories)
        self.hot = np.zeros(HOT, np.int32)
        self.ages = np.zeros((AGES, 2))
        self.readiness = np.ones(AGES)
        self._adoptions = 0
        self._all = [0.0, 0.0, 0.0]  # stock, adopted, stamp of all categories together

    @property
    def present(self) -> bool:
        """Whether there are any."""
        return self._all[0] > 0

    def announce(self, reference: int, category: int) -> None:
        """Take an item that nobody has touched."""
        self.newest[category, self.count[category] % NEWEST] = reference
        self.count[category] += 1
        self.stock[category] += 1
        self._all[0] += 1

    def withdraw(self, category: int) -> None:
        """An untouched item left the category."""
        self.stock[category] -= 1
        self._all[0] -= 1

    def adopt(self, category: int, event: int) -> None:
        """Count the first event of an announced item."""
        self.withdraw(category)
        self.adopted[category] = self.adopted[category] * _kept(event - self.stamp[category]) + 1
        self.stamp[category] = event
        self._all[1] = self._all[1] * _kept(event - self._all[2]) + 1
        self._all[2] = event
        self.hot[self._adoptions % HOT] = category
        self._adoptions += 1

    def learn_age(self, slot: int, event: int, used: int, last_event: Counts, events: Floats) -> None:
        """Compare the age of the item just adopted with that of an untouched one, drawn from the `used` slots.

        Parameters
        ----------
        last_event, events : of `Items`; the last event of an untouched item is its announcement.
        """
        learn_age(slot, event, used, last_event, events, self.ages, self.readiness)

    def usual(self, event: int) -> float:
        """Adoptions per untouched item over all categories; a tenth of one is assumed before the first."""
        stock, adopted, stamp = self._all
        return (adopted * _kept(event - stamp) + 0.1) / (stock + 1)


@kernel
def prospect(category, event, usual, adopted, stamp, stock):
    """Expected adoptions of one untouched item of a category within what is remembered, shrunk to the usual."""
    recent = adopted[category] * 2.0 ** ((stamp[category] - event) / HALF_LIFE)
    return (recent + EVIDENCE * usual) / (stock[category] + EVIDENCE)


@kernel
def age_class(age):
    """Class of an age in events: whole halves of an octave, by the bits of the number, as logarithms are dear here."""
    bits = np.float64(1 + max(age, 0)).view(np.int64)
    octaves = (bits >> 52) - 1023
    return min(2 * octaves + (bits & 0xFFFFFFFFFFFFF >= _ROOT_OF_TWO), AGES - 1)


@kernel
def learn_age(slot, event, used, last_event, events, ages, readiness):
    """Count an adoption and a draw, and renew the readiness of all ages."""
    bits = np.uint64(event)
    for _ in range(_DRAWS):
        bits = spread(bits + np.uint64(0x9E3779B97F4A7C15))
        drawn = 1 + np.int64(bits >> np.uint64(1)) % (used - 1)
        if drawn != slot and events[drawn] == 0:
            ages *= _AGE_MEMORY
            ages[age_class(event - last_event[slot]), 0] += 1
            ages[age_class(event - last_event[drawn]), 1] += 1
            break
    for age in range(AGES):  # neighbours lend their evidence
        adopted = 1.0
        untouched = 1.0
        for near in range(max(age - 1, 0), min(age + 2, AGES)):
            share = 1.0 if near == age else 0.25
            adopted += share * ages[near, 0]
            untouched += share * ages[near, 1]
        readiness[age] = adopted / untouched


def _kept(elapsed: float) -> float:
    return float(2.0 ** (-elapsed / HALF_LIFE))
