"""The same work on many parts: here one after the other; `report.cluster` sends the parts to other machines.

Numerical code says what its parts are and knows nothing of where they run. A part is worked out from what all parts
have in common and from itself alone, never from another part, so that the results are the same wherever and in
whatever order they are made.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

Common = TypeVar("Common")
Part = TypeVar("Part")
Result = TypeVar("Result")


def _nobody(_: object) -> None:
    pass


class Spread(Protocol):
    """Works out many parts and returns the results in the order of the parts."""

    def __call__(
        self,
        work: Callable[[Common, Part], Result],
        common: Common,
        parts: Sequence[Part],
        told: Callable[[Part], None] = _nobody,
    ) -> list[Result]:
        """Results of `work(common, part)`, one a part.

        work    a function of a module, so that it has a name elsewhere too
        common  what all parts need; it and the parts can be pickled
        told    is told of each part before its result is waited for
        """


def in_order(
    work: Callable[[Common, Part], Result],
    common: Common,
    parts: Sequence[Part],
    told: Callable[[Part], None] = _nobody,
) -> list[Result]:
    """One part after the other, in this process."""
    out = []
    for part in parts:
        told(part)
        out.append(work(common, part))
    return out
