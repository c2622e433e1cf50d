"""The covariates that a protocol names, as numbers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from evalkit import numbers
from evalkit.errors import DesignError, Fault
from evalkit.estimators._did.layout import Layout
from evalkit.inference import RANK
from evalkit.panel import Panel

MOST_LEVELS = 20  # different texts that a covariate may hold


@dataclass(frozen=True, eq=False)
class Covariates:
    """One row a unit.

    names   a name for each column, shape (k,)
    values  shape (n, k); a text covariate has a column for each of its values but the first; centred, and
            divided by their standard deviation, which no estimate notices
    """

    names: tuple[str, ...]
    values: np.ndarray

    @property
    def z(self) -> np.ndarray:
        """A one and the values, shape (n, 1 + k)."""
        return np.column_stack([np.ones(len(self.values)), self.values])

    @property
    def sentence(self) -> str:
        """What an estimate is adjusted for, to be put into a sentence; blank without any."""
        asked = dict.fromkeys(name.split(" = ")[0] for name in self.names)
        return f", adjusted for {', '.join(asked)} in every period" if asked else ""


def covariates(panel: Panel, arrays: Layout) -> Covariates:
    """The covariates of the units, none when the protocol names none.

    Raises DesignError with every fault: a covariate that changes over time (joining may have changed it), is
    missing for a unit, takes too many values to be told apart, does not vary, or follows from the others.
    """
    asked = panel.study.protocol.covariates
    if not asked:
        return Covariates((), np.empty((len(panel.units), 0)))
    faults, columns, names = [], [], []
    used = np.asarray(arrays.seen.any(axis=1))
    for name in asked:
        found = _columns(panel, name, used)
        if isinstance(found, Fault):
            faults.append(found)
        else:
            names += [n for n, _ in found]
            columns += [c for _, c in found]
    if faults:
        raise DesignError(faults)
    values = np.column_stack(columns)
    spread = values[used].std(axis=0)
    values = (values - values[used].mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    _require_independent(panel, names, values[used])
    return Covariates(tuple(names), values)


def _columns(panel: Panel, name: str, used: np.ndarray) -> list[tuple[str, np.ndarray]] | Fault:
    """A covariate's columns with their names, or what is wrong with it."""
    where = panel.study.path.name
    if name in panel.varying:
        return Fault(
            f"covariate `{name}` changes over time within units, so joining may have changed it",
            where,
            "give its value before joining as a column of the rollout",
        )
    text = panel.units[name]
    blank = text.isna() | text.astype(str).str.strip().isin(["", "nan", "<NA>"])
    lacking = panel.units.index[blank.to_numpy() & used]
    if len(lacking):
        some = ", ".join(map(str, lacking[:5]))
        return Fault(
            f"covariate `{name}` is missing for {numbers.of(len(lacking), 'unit')} ({some})", where, "fill it in"
        )
    number = pd.to_numeric(text, errors="coerce").to_numpy(float)
    if np.isfinite(number[used]).all():
        return [(name, np.where(used, number, 0.0))]
    levels = sorted(text[used].astype(str).unique())
    if len(levels) > MOST_LEVELS:
        what = f"covariate `{name}` has {len(levels)} different values, some not numbers"
        return Fault(what, where, "correct the values that are not numbers, or group them")
    return [(f"{name} = {level}", text.astype(str).eq(level).to_numpy(float)) for level in levels[1:]] or Fault(
        f"covariate `{name}` is the same for all units", where, "remove it"
    )


def _require_independent(panel: Panel, names: list[str], values: np.ndarray) -> None:
    """Refuse a column that is constant or a combination of those before it."""
    basis = np.ones((len(values), 1)) / np.sqrt(len(values))
    faults = []
    for j, name in enumerate(names):
        column = values[:, j]
        left = column - basis @ (basis.T @ column)
        left -= basis @ (basis.T @ left)
        if left @ left <= RANK * max(float(column @ column), 1.0):
            what = f"covariate `{name}` does not vary, or follows from the covariates before it"
            faults.append(Fault(what, panel.study.path.name, "remove it"))
        else:
            basis = np.column_stack([basis, left / np.linalg.norm(left)])
    if faults:
        raise DesignError(faults)
