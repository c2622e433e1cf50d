"""What is read off the gaps of a panel's blocks: the headline, waves, horizons, event times and periods."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from evalkit.estimators._common import at_horizons
from evalkit.estimators._synthetic.blocks import Block
from evalkit.estimators._synthetic.runs import Quantities, after, cells
from evalkit.study import Study

HEADLINE = "average effect on the joined (ATT)"


@dataclass(frozen=True, eq=False)
class Asked:
    """Rows of the quantities, by what they are for.

    quantities  every row
    terms       names of the first rows: the headline, then horizons
    waves       columns in which waves joined, whose rows come next; empty with one wave
    times       event times, whose rows come next
    phases      phase of each event time
    units       joined units behind each event time
    columns     columns of the window in which every wave has a gap, whose rows come last
    missing     horizons that are not given, one sentence each
    """

    quantities: Quantities
    terms: list[str]
    waves: list[int]
    times: np.ndarray
    phases: list[str]
    units: np.ndarray
    columns: np.ndarray
    missing: list[str]

    @property
    def events(self) -> np.ndarray:
        """Rows of the event times."""
        first = len(self.terms) + len(self.waves)
        return np.arange(first, first + len(self.times))

    @property
    def path(self) -> np.ndarray:
        """Rows of the columns."""
        first = len(self.terms) + len(self.waves) + len(self.times)
        return np.arange(first, first + len(self.columns))


def asked(study: Study, blocks: Sequence[Block]) -> Asked:
    """Every quantity that an estimate reports."""
    length = len(study.window)
    there, time, share = cells(blocks, length)
    later = after(blocks, length)
    found, absent = at_horizons(study, time, later)
    rows, terms = [share * later, *(share * here for here in found.values())], [HEADLINE, *found]
    missing = [f"The {one} is not given: no wave has it in an analysed period with enough donors." for one in absent]
    cohort = np.array([b.cohort for b in blocks])
    waves = [int(c) for c in np.unique(cohort)]
    waves = waves if len(waves) > 1 else []
    rows += [share * later * (cohort == c)[:, None] for c in waves]
    times = np.unique(time[there])
    rows += [share * (there & (time == k)) for k in times]
    phases = ["pre" if k < 0 else "post" if (later & (time == k)).any() else "transition" for k in times]
    units = np.array([round(float((row.T @ [len(b.joined) for b in blocks]).sum())) for row in rows[-len(times) :]])
    columns = _complete(cohort, there)
    for column in columns:
        one = np.zeros_like(share)
        one[:, column] = share[:, column]
        rows.append(one)
    quantities = Quantities(np.stack(rows).reshape(len(rows), -1))
    return Asked(quantities, terms, waves, times, phases, units, columns, missing)


def _complete(cohort: np.ndarray, there: np.ndarray) -> np.ndarray:
    """Columns in which every wave has a gap."""
    kept = np.ones(there.shape[1], bool)
    for wave in np.unique(cohort):
        kept &= there[cohort == wave].any(axis=0)
    return np.flatnonzero(kept)
