"""A Study: one validated protocol, and the only place where a period meets a study date."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from evalkit import files, periods
from evalkit.errors import Fault, StudyError
from evalkit.study.faults import validate
from evalkit.study.fields import check_slug
from evalkit.study.lock import Lock, deviation_faults, read_lock
from evalkit.study.outcome import Outcome
from evalkit.study.plan import Difference, digest, plan
from evalkit.study.protocol import Protocol
from evalkit.study.text import read_tree

Phase = Literal["pre", "transition", "post", "excluded"]
INSIDE = "EVALKIT_INSIDE"
PHASES: tuple[Phase, ...] = ("pre", "transition", "post", "excluded")


@dataclass(frozen=True)
class Study:
    """One collaborative's evaluation: frozen facts from one protocol.

    slug      the file name without its ending
    path      the protocol file; data paths are relative to its folder
    sha256    the hash of the protocol file
    protocol  what it says
    lock      the plan as it was frozen, None where it was not
    """

    slug: str
    path: Path
    sha256: str
    protocol: Protocol
    lock: Lock | None = None

    def __repr__(self) -> str:
        """Slug, title and where the protocol stands."""
        return f"Study {self.slug}: {self.protocol.title} ({self.path.name})"

    @property
    def frequency(self) -> periods.Frequency:
        """`month`, `quarter` or `year`."""
        return self.protocol.source.frequency

    @cached_property
    def plan_sha256(self) -> str:
        """The hash of the analysis plan as the protocol has it now."""
        return digest(plan(self.protocol))

    @cached_property
    def departures(self) -> list[Difference]:
        """Where the protocol differs from the plan that was locked; nothing where none was."""
        return self.lock.departures(self.protocol) if self.lock else []

    @property
    def primary(self) -> Outcome:
        """The outcome on which the finding rests."""
        return next(o for o in self.protocol.outcomes if o.role == "primary")

    def outcome(self, name: str | None = None) -> Outcome:
        """An outcome by name, the primary one by default. Raises StudyError for an unknown name."""
        if name is None or name == "":
            return self.primary
        for outcome in self.protocol.outcomes:
            if outcome.name == name:
                return outcome
        known = ", ".join(o.name for o in self.protocol.outcomes)
        raise StudyError(f"no outcome is called '{name}'", self.path.name, f"use one of: {known}")

    def resolve(self, path: str) -> Path:
        """A path in the protocol, relative to the protocol's folder.

        Raises StudyError for one that leads round in a circle, or out of the folder that `EVALKIT_INSIDE` names.
        """
        inside = os.environ.get(INSIDE)
        try:
            found = (self.path.parent / path).resolve()
            if not inside or found.is_relative_to(Path(inside).resolve()):
                return found
        except (OSError, RuntimeError) as error:
            raise StudyError(f"the path {path} cannot be followed ({error})", self.path.name, "correct it") from None
        what = f"the path {path} leads out of {inside}, and {INSIDE} lets nothing else be read"
        raise StudyError(what, self.path.name, "put the file there")

    @cached_property
    def window(self) -> pd.PeriodIndex:
        """Every period of the study, first to last."""
        first, last = self.protocol.window
        return pd.period_range(first, last)

    def in_window(self, period: pd.Series) -> np.ndarray:
        """Which periods belong to the study; shape as given, booleans."""
        return np.asarray(pd.PeriodIndex(period).isin(self.window))

    def phases(self, cohort: pd.Series | pd.PeriodIndex, period: pd.Series | pd.PeriodIndex) -> np.ndarray:
        """The phase of each unit-period; the only place where one is decided.

        cohort  the period in which the unit joined, missing for a unit that never joined
        period  the period itself, same length

        `excluded` inside a declared exclusion; `pre` before joining (and for ever in a unit that
        never joined); `transition` for the declared number of periods from joining on; then `post`.
        """
        joined, now = periods.ordinals(cohort), periods.ordinals(period)
        since = now - joined  # NaN for a unit that never joined
        phase = np.full(len(now), "pre", dtype=object)
        phase[since >= 0] = "transition"
        phase[since >= self.protocol.transition.periods] = "post"
        excluded = np.zeros(len(now), dtype=bool)
        for span in self.protocol.exclude:
            excluded |= np.asarray((period >= span.first) & (period <= span.last))
        phase[excluded] = "excluded"
        return phase

    @property
    def excluded(self) -> np.ndarray:
        """Which periods of the window a declared exclusion leaves out, booleans, shape (T,)."""
        nobody = pd.Series(pd.PeriodIndex([pd.NaT] * len(self.window), freq=self.window.freqstr))
        found: np.ndarray = self.phases(nobody, pd.Series(self.window)) == "excluded"
        return found

    def phase(self, cohort: pd.Period | None, period: pd.Period) -> Phase:
        """The phase of one unit-period, as decided by `phases`."""
        code = period.freqstr
        joined = pd.Series(pd.PeriodIndex([cohort if cohort is not None else pd.NaT], freq=code))
        phase: Phase = self.phases(joined, pd.Series(pd.PeriodIndex([period], freq=code)))[0]
        return phase

    def time(self, period: pd.Series | pd.PeriodIndex) -> np.ndarray:
        """Calendar distance from the first period of the window, before any exclusion; integers."""
        first = self.protocol.window[0]
        distance: np.ndarray = (periods.ordinals(period) - first.ordinal).astype(int)
        return distance


def load(path: Path) -> Study:
    """Read and validate one protocol file.

    Raises StudyError with every fault at once, each with file and line; also when the lock beside it is not as it was
    written, or a deviation is declared that is none.
    """
    try:
        slug = check_slug(path.stem)
    except ValueError as error:
        raise StudyError(str(error), str(path.name), "rename the protocol file") from None
    tree = read_tree(path)
    protocol, faults = validate(tree)
    if protocol is None:
        raise StudyError(faults)
    lock = read_lock(path)
    if declared := deviation_faults(protocol, lock):
        raise StudyError(replace(fault, where=tree.where(("deviations", i))) for i, fault in declared)
    here = path.parent.resolve() / path.name  # a link stays the study that it is called
    return Study(slug, here, hashlib.sha256(files.read(path)).hexdigest(), protocol, lock)


def there(path: Path) -> bool:
    """Whether there is such a file or folder, as far as one may look."""
    try:
        return path.exists()
    except OSError:  # a name that is too long, a folder that may not be entered
        return False


def missing_files(study: Study) -> list[Fault]:
    """The files that the protocol names and that are not there."""
    named = {"source": study.protocol.source.path, "rollout": study.protocol.rollout.path}
    return [
        Fault(
            f"`{part}.path` names {path}, which is not there",
            study.path.name,
            f"looked for {study.resolve(path)}",
        )
        for part, path in named.items()
        if not there(study.resolve(path))
    ]
