"""A Panel: one study, one outcome, one validated long frame."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
import pandas as pd

from evalkit import markup, numbers, periods
from evalkit.disclosure import RULES
from evalkit.panel.distribution import Distribution
from evalkit.sources import SourceFile
from evalkit.study import Outcome, Study

ROWS = ["value", "numerator", "denominator", "cohort", "phase", "t"]
UNITS = ["cohort", "name", "segment", "region", "cluster", "merged", "apart_on_joining"]
SPELLS = ["unit", "programme", "first", "last"]
COUNTED = ["value", "numerator", "denominator"]


class Together(NamedTuple):
    """Some units taken together (`Panel.together`), each shape (T,); `reported`, how many of them did."""

    value: np.ndarray
    numerator: np.ndarray
    denominator: np.ndarray
    reported: np.ndarray


@dataclass(frozen=True, eq=False)
class Panel:
    """What is analysed.

    study     the study
    outcome   the outcome that `value` holds, in `outcome.unit`
    rows      index (unit, period), sorted and unique, every period inside the window that a unit
              reported; columns `ROWS`: value (float), numerator, denominator (float; missing where
              the kind has none), cohort (Period, missing for never joined), phase, t (int)
    units     index unit; columns `UNITS`, then covariates; one row a unit in `rows`; merged is what a unit was
              merged from, blank for nothing, apart_on_joining whether it was still several when it joined
    missing   columns unit, period, why: unit-periods without a value, and the reason
    varying   covariates that change over time within units; their column in `units` is missing
    files     the files that were read
    warnings  what is only suspicious, one sentence each
    programmes  other programmes: columns unit, programme, first, last (periods; `last` missing while it runs)
    distribution  counts by band around the outcome's threshold, None where the protocol declares none; it keeps
              unit-periods that `rows` may have lost since
    """

    study: Study
    outcome: Outcome
    rows: pd.DataFrame
    units: pd.DataFrame
    missing: pd.DataFrame
    varying: tuple[str, ...] = ()
    files: tuple[SourceFile, ...] = ()
    warnings: tuple[str, ...] = field(default=())
    programmes: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=SPELLS))
    distribution: Distribution | None = None

    @cached_property
    def cohorts(self) -> list[pd.Period]:
        """The periods in which units joined, earliest first."""
        found = self.units["cohort"].array
        return sorted(found[~found.isna()].unique())

    @cached_property
    def joined(self) -> pd.Index:
        """Units that joined at some time, in order of name."""
        return self.units.index[~np.asarray(self.units["cohort"].array.isna())]

    @cached_property
    def never(self) -> pd.Index:
        """Comparison units that never joined."""
        return self.units.index[np.asarray(self.units["cohort"].array.isna())]

    @property
    def merged(self) -> pd.Index:
        """Units that are known to have merged, in order of name."""
        said = self.units.get("merged")
        return self.units.index[:0] if said is None else self.units.index[said.ne("")]

    @property
    def staggered(self) -> bool:
        """Whether units joined in more than one period."""
        return len(self.cohorts) > 1

    @property
    def analysed(self) -> pd.DataFrame:
        """The rows that estimators may use: neither excluded nor in transition."""
        return self.rows[self.rows["phase"].isin(["pre", "post"])]

    @cached_property
    def places(self) -> np.ndarray:
        """Where the unit of each row stands in `units`, shape (rows,)."""
        names, code = self.rows.index.levels[0], self.rows.index.codes[0]
        found: np.ndarray = self.units.index.get_indexer(names)[code]
        return found

    def wide(self, column: str = "value") -> pd.DataFrame:
        """`column` as a matrix, units by periods of the window; missing where nothing was reported."""
        return self.rows[column].unstack("period").reindex(columns=self.study.window)

    def counted(self, units: pd.Index) -> np.ndarray:
        """`COUNTED` of the named units, shape (3, n, T), units by periods of the window; NaN where not reported."""
        named, period = self.rows.index.levels
        unit, at = self.rows.index.codes
        row, column = units.get_indexer(named)[unit], self.study.window.get_indexer(period)[at]
        here = (row >= 0) & (column >= 0)
        out = np.full((len(COUNTED), len(units), len(self.study.window)), np.nan)
        for part, name in zip(out, COUNTED, strict=True):
            part[row[here], column[here]] = self.rows[name].to_numpy(float)[here]
        return out

    def together(self, counted: np.ndarray) -> Together:
        """Units taken together, from what `counted` gives of them, shape (3, n, T); NaN where none reported.

        Counts are added before a ratio is formed (sum of numerators over sum of denominators, in the
        unit of report); counts and continuous measures are averaged over the units that reported.
        """
        value, numerator, denominator = _added(counted)
        reported = (~np.isnan(counted[0])).sum(axis=0).astype(float)
        with np.errstate(divide="ignore", invalid="ignore"):
            if self.outcome.denominator is None:
                value = value / reported
            else:
                value = self.outcome.scale * numerator / denominator
        return Together(value, numerator, denominator, reported)

    def over(self, units: pd.Index) -> pd.DataFrame:
        """The named units `together`, one row a period that any of them reported.

        Columns: value, numerator, denominator, units (how many reported).
        """
        counted = self.counted(self.units.index[self.units.index.isin(units)])
        found = pd.DataFrame(self.together(counted)._asdict(), index=self.study.window.rename("period"))
        found = found[~np.isnan(counted).all(axis=(0, 1))].rename(columns={"reported": "units"})
        return found.astype({"units": int})

    def group_means(self) -> pd.DataFrame:
        """Mean of the units that ever joined and of those that never did, each unit counting once.

        One row a period of the window; columns joined, comparison, missing where nobody reported.
        """
        group = self.rows["cohort"].notna().map({True: "joined", False: "comparison"})
        means = self.rows["value"].groupby([self.rows.index.get_level_values("period"), group], observed=True).mean()
        return means.unstack().reindex(index=self.study.window, columns=["joined", "comparison"])

    def baseline(self) -> pd.DataFrame:
        """Each unit's mean over the periods before the first wave that was seen before: columns mean, joined."""
        joined = self.study.time(pd.PeriodIndex(self.cohorts))
        first = min((t for t in joined if t > self.rows["t"].min()), default=joined[0])
        rows = self.rows[(self.rows["t"] < first) & self.rows["phase"].eq("pre")]
        mean = rows["value"].groupby("unit", observed=True).mean().reindex(self.units.index)
        return pd.DataFrame({"mean": mean, "joined": self.units["cohort"].notna()})

    def with_rows(self, rows: pd.DataFrame) -> Panel:
        """The same study and units with other rows: how placebos and sensitivity runs are made."""
        kept = self.units.index.isin(rows.index.unique("unit"))
        return replace(self, rows=rows.sort_index(), units=self.units[kept])

    def joining(self, cohort: pd.Series) -> Panel:
        """The same outcomes had the units joined otherwise; cohort, Periods by unit, missing for never."""
        units = self.units.assign(cohort=cohort.reindex(self.units.index).astype(self.units["cohort"].dtype))
        period = self.rows.index.get_level_values("period")
        rows = self.rows.assign(cohort=units["cohort"].array.take(self.places))
        rows["phase"] = self.study.phases(rows["cohort"], period.to_series(index=rows.index))
        return replace(self, rows=rows, units=units)

    def facts(self) -> list[tuple[str, str]]:
        """What the panel holds, label and value, as texts."""
        window, noun = self.study.window, periods.noun(self.study.frequency, 2)
        phase = self.rows["phase"].value_counts()
        declared, rule = self.outcome.distribution, RULES[self.study.protocol.disclosure]
        bands = f"{len(declared.bands)} bands around {declared.words}" if declared else ""
        spread = [("Distribution", bands)] if bands else []
        return [
            ("Outcome", self.outcome.title),
            ("Unit of every figure", self.outcome.unit),
            ("Better when", self.outcome.better),
            *spread,
            (f"{noun.capitalize()}", f"{periods.say(window[0])} to {periods.say(window[-1])} ({len(window)})"),
            ("Units that joined", f"{len(self.joined)} in {numbers.of(len(self.cohorts), 'wave')}"),
            ("Units that never joined", numbers.count(len(self.never))),
            *([("Units that merged", numbers.count(len(self.merged)))] if len(self.merged) else []),
            (f"Unit-{noun} before joining", numbers.count(phase.get("pre", 0))),
            (f"Unit-{noun} in transition", numbers.count(phase.get("transition", 0))),
            (f"Unit-{noun} after joining", numbers.count(phase.get("post", 0))),
            (f"Unit-{noun} excluded", numbers.count(phase.get("excluded", 0))),
            (f"Unit-{noun} not reported", numbers.count(len(self.missing))),
            *([("Disclosure control", rule.words)] if rule.changes else []),
        ]

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        caption = f"{self.study.protocol.title}: what is analysed"
        header, rows = ["Fact", "Value"], self.facts()
        return {
            "text/html": markup.table(header, rows, caption),
            "text/plain": markup.table_text(header, rows, caption),
        }

    def __repr__(self) -> str:
        """The facts as text."""
        return markup.table_text(["Fact", "Value"], self.facts(), self.study.protocol.title)

    def reached(self, programme: str) -> np.ndarray:
        """Where another programme ran, booleans, shape (units, periods), as `units` and `study.window`."""
        spells, time = self.programmes[self.programmes["programme"].eq(programme)], self.study.time
        out, columns = np.zeros((len(self.units), len(self.study.window)), bool), np.arange(len(self.study.window))
        if spells.empty:
            return out
        row = self.units.index.get_indexer(spells["unit"])
        last = spells["last"].fillna(self.study.window[-1])
        for i, begin, end in zip(row, time(spells["first"]), time(last), strict=True):
            if i >= 0:
                out[i] |= (columns >= begin) & (columns <= end)
        return out

    def value_matrix(self) -> tuple[np.ndarray, np.ndarray]:
        """Values, shape (units, periods), NaN where missing or excluded; cohort positions, shape (units,).

        A cohort position is the column in which the unit joined, NaN for never. The rows follow
        `units`, the columns `study.window`.
        """
        usable = self.rows["value"].where(self.rows["phase"].ne("excluded"))
        matrix = usable.unstack("period").reindex(index=self.units.index, columns=self.study.window)
        start = self.study.time(self.units["cohort"].fillna(self.study.window[0])).astype(float)
        start[self.units["cohort"].isna().to_numpy()] = np.nan
        return matrix.to_numpy(float), start


def _added(parts: np.ndarray) -> np.ndarray:
    """Sums over units of what is not missing, compensated for rounding; (3, n, T) to (3, T), NaN where all are.

    Source: Kahan (1965), Communications of the ACM 8:40.
    """
    seen = ~np.isnan(parts)
    total, lost = np.zeros((2, len(parts), parts.shape[-1]))
    for one, here in zip(np.moveaxis(parts, 1, 0), np.moveaxis(seen, 1, 0), strict=True):
        step = one - lost
        after = total + step
        lost = np.where(here, (after - total) - step, lost)
        total = np.where(here, after, total)
    return np.where(seen.any(axis=1), total, np.nan)
