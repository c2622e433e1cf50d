"""What may leave, by publisher.

none        Published data: every count as it is.
hes         NHS England, "Disclosure control methodology for Hospital Episode Statistics and Emergency Care Data Set",
            September 2018, counts below national level: 0 stays, 1 to 7 are suppressed, all others are rounded to the
            nearest 5. Numbers of providers are not of people, and are as they are.
opensafely  OpenSAFELY documentation, "Statistical disclosure control": counts of 7 or fewer are redacted first, then
            the rest is rounded to the nearest 5, and totals are sums of what was rounded. Zeros may be kept in
            general: 0 stays.
sde         NHS England Secure Data Environment, output rules: counts below 10 are suppressed, the rest is rounded to
            the nearest 5. That 0 might stay is not said, so that it is suppressed: 0 is below 10.
midpoint6   OpenSAFELY documentation, "Midpoint 6 rounding", for rates: 0 stays, any other x becomes
            6 ceil(x / 6) - 3, so 1 to 6 are 3, 7 to 12 are 9. Nothing is suppressed. A figure y above 0 stands for
            y - 2 to y + 3.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Rule:
    """What is done with a count of people.

    name      as the protocol calls it
    words     the rule, to be printed
    least     counts below this are suppressed; 0 where none is
    zero      whether that holds for a count of zero too
    base      the rest is rounded to multiples of this; 1 where it is not
    midpoint  whether it is rounded to the middle of 1 to base, base + 1 to 2 base, ... instead, zero to zero
    """

    name: str
    words: str
    least: int = 0
    zero: bool = False
    base: int = 1
    midpoint: bool = False

    @property
    def changes(self) -> bool:
        """Whether anything is done at all."""
        return self.least > 0 or self.base > 1

    @property
    def suppresses(self) -> bool:
        """Whether any count is suppressed."""
        return self.least > 0

    @property
    def error(self) -> float:
        """The most that rounding moves a whole number."""
        return self.base / 2 if self.midpoint else self.base // 2

    @property
    def spread(self) -> float:
        """Standard deviation of what rounding adds, all last digits being as frequent: sqrt((b^2 - 1) / 12)."""
        return math.sqrt((self.base**2 - 1) / 12)

    def small(self, counts: np.ndarray) -> np.ndarray:
        """Which counts are suppressed for their size; booleans, shape as given. Missing and negative ones are not."""
        found: np.ndarray = (counts < self.least) & ((counts >= 0) if self.zero else (counts > 0))
        return found

    def rounded(self, counts: np.ndarray) -> np.ndarray:
        """The counts as they are released, shape as given; missing and negative ones as they are."""
        if self.midpoint:
            middle = np.ceil(counts / self.base) * self.base - self.base // 2
            return np.where(counts > 0, middle, counts)
        return np.where(counts >= 0, np.rint(counts / self.base) * self.base, counts)


RULES = {
    rule.name: rule
    for rule in (
        Rule("none", "counts are as published"),
        Rule("sde", "counts below 10 are suppressed, others rounded to the nearest 5", 10, zero=True, base=5),
        Rule("opensafely", "counts of 1 to 7 are redacted, then others rounded to the nearest 5", 8, base=5),
        Rule("hes", "counts of 1 to 7 are suppressed, others rounded to the nearest 5", 8, base=5),
        Rule("midpoint6", "counts are rounded to 0, 3, 9, 15, ..., the middle of six", base=6, midpoint=True),
    )
}
