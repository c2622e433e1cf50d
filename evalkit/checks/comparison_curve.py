"""Does the answer depend on how the comparison was set up?

The reasonable choices are run side by side: the design; units not yet joined or only those that never joined as
comparison; anticipation of none to three periods; the transition as declared, without any, and a quarter of a year
longer and shorter; exclusions as declared and off, and the declared events excluded; the window, and the same less
a year at either end; units in a region with joined ones as comparison or not; all units, or pairs that looked alike
in the first half of the baseline (`evalkit/checks/_matched.py`); merged units or not; units with gaps or not; units
alike or by denominator. Each is changed alone and in combination. None is chosen: the declared one stays the answer,
and the curve shows how much hangs on it.

A choice that these data cannot carry alone is listed with the reason and not combined. With more combinations than
are run, those nearest to the declared one come first; the reading says how many.

Source: Simonsohn, Simmons and Nelson (2020), Nature Human Behaviour 4:1208.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from evalkit import numbers
from evalkit.checks import _comparison_choices as choices
from evalkit.checks._comparison_choices import Choice
from evalkit.checks._curve import choices as columns_of
from evalkit.checks._curve import read
from evalkit.checks._its import labelled, not_applicable, sentence
from evalkit.checks.leave_out import ASKED
from evalkit.errors import DesignError
from evalkit.estimate import Check, Estimate, Refusal
from evalkit.estimators._did.brief import brief, can
from evalkit.estimators._did.front import FEW_CLUSTERS
from evalkit.estimators._did.headline import DESIGNS
from evalkit.estimators._did.layout import Layout, layout
from evalkit.panel import Panel

NAME = "comparison_curve"
QUESTION = "Does the answer depend on how the comparison was set up?"
MOST = 600  # specifications
MOST_SLOW = 200  # where each is judged by the wild bootstrap, or adjusted for covariates
RESULTS = ["estimate", "low", "high", "main", "reason"]
Combination = tuple[Choice, ...]


def check(panel: Panel, estimate: Estimate | Refusal, most: int = MOST) -> Check:
    """Concern when another reasonable comparison gives another answer.

    most  specifications that are run; 200 where intervals are by the bootstrap or there are covariates

    Concern when (a) more than 2.5% of the other intervals, which is what chance gives, exclude zero on the other
    side; (b) the declared interval excludes zero and fewer than half of the others do so on its side; (c) it excludes
    zero and fewer than 10% of the others are as large, with their median half a standard error or more nearer to
    zero. Inconclusive when it excludes zero and under 80% share its sign, when under 80% agree with it on whether
    zero is excluded, or when fewer than 5 others could be computed. `value` is the share of the others with its
    sign. Not applicable to a design without a comparison, to one shown for comparison only, and to one whose
    headline is no weighted sum of outcomes. `data`: a column for each decision left open (design and comparison
    always), then estimate, low, high, main, reason (why refused, else blank), and label, unit, level.
    """
    if isinstance(estimate, Refusal):
        reading = f"{estimate.title} was not computed: {' '.join(estimate.reasons)}"
        return not_applicable(NAME, QUESTION, reading, estimate.design)
    if estimate.design not in DESIGNS or estimate.comparison_only:
        return not_applicable(NAME, QUESTION, ASKED, estimate.design)
    if not can(panel, estimate.design):
        reading = f"{estimate.title} as declared is no weighted sum of outcomes, and cannot be run by the hundred."
        return not_applicable(NAME, QUESTION, reading, estimate.design)
    clusters = panel.units["cluster"].nunique()
    slow = clusters < FEW_CLUSTERS or bool(panel.study.protocol.covariates)
    data, every = _run(panel, estimate, min(most, MOST_SLOW) if slow else most)
    more = " ".join(part for part in (_decisive(data, estimate), _thinned(data, every), _apart(panel)) if part)
    return read(NAME, QUESTION, estimate, data, more)


def _run(panel: Panel, estimate: Estimate, most: int) -> tuple[pd.DataFrame, int]:
    """One row a specification, the declared one first, and how many combinations there are."""
    run = _Runner(panel)
    factors = choices.factors(panel, estimate.design)
    declared = tuple(group[0] for group in factors)
    columns = list(dict.fromkeys(label for choice in declared for label in choice.labels))
    head = estimate.headline
    rows = [(_labels(declared), float(head["estimate"]), float(head["low"]), float(head["high"]), True, "")]
    kept: list[list[int]] = []
    alone = {}
    for place, group in enumerate(factors):
        fine = [0]
        for i, choice in enumerate(group[1:], 1):
            where = tuple(i if k == place else 0 for k in range(len(factors)))
            alone[where] = run((*declared[:place], choice, *declared[place + 1 :]))
            if not alone[where][-1]:
                fine.append(i)
        kept.append(fine)
    rows += [row for row in alone.values() if row[-1]]
    combinations, every = choices.combined([len(fine) for fine in kept], most)
    for at in combinations[1:]:
        where = tuple(fine[i] for fine, i in zip(kept, at, strict=True))
        rows.append(alone.get(where) or run(tuple(group[i] for group, i in zip(factors, where, strict=True))))
    rows[1:] = sorted(rows[1:], key=lambda row: row[-1] != "")  # refusals last
    data = pd.DataFrame([[*(row[0][c] for c in columns), *row[1:]] for row in rows], columns=[*columns, *RESULTS])
    return labelled(data, estimate), every


def _labels(combination: Combination) -> dict[str, str]:
    return {column: label for choice in combination for column, label in choice.labels.items()}


class _Runner:
    """Runs combinations on arrays; those that share outcomes, phases, weights, units and window are laid out once."""

    def __init__(self, panel: Panel) -> None:
        self.panel = panel
        self.kept: dict[tuple[str, ...], Layout] = {}
        self.units: dict[bytes, pd.DataFrame] = {}
        self.parts: dict[tuple[tuple[str, ...], bytes, int, int], Layout] = {}

    def __call__(self, combination: Combination) -> tuple[dict[str, str], float, float, float, bool, str]:
        """Labels, estimate, low, high, False for not the declared one, and why it was refused, else blank."""
        labels = _labels(combination)
        panel = self._changed(combination)
        units, (start, end) = np.ones(len(panel.units), bool), (0, 0)
        for choice in combination:
            units = units if choice.keep is None else units & choice.keep
            start, end = start + choice.cut[0], end + choice.cut[1]
        arrays = self._part(panel, labels, units, (start, end))
        try:
            row = brief(self._only(panel, units), combination[0].design, arrays).row
        except DesignError as refusal:
            return labels, float("nan"), float("nan"), float("nan"), False, sentence(refusal)
        return labels, row["estimate"], row["low"], row["high"], False, ""

    def _part(self, panel: Panel, labels: dict[str, str], units: np.ndarray, cut: tuple[int, int]) -> Layout:
        """The arrays of some units, booleans, shape (n,), in the window less some periods at its ends."""
        key = tuple(labels.get(column, "") for column in ("transition", "excluded", "weights"))
        if key not in self.kept:
            self.kept[key] = layout(panel)
        whole, which = self.kept[key], (key, units.tobytes(), *cut)
        if which not in self.parts:
            self.parts[which] = whole.part(units, cut[0], whole.Y.shape[1] - cut[1])
        return self.parts[which]

    def _only(self, panel: Panel, units: np.ndarray) -> Panel:
        """The panel with some of its units, booleans, shape (n,); those of the same choice are picked once."""
        if units.all():
            return panel
        key = units.tobytes()
        if key not in self.units:
            self.units[key] = panel.units[units]
        return replace(panel, units=self.units[key])

    def _changed(self, combination: Combination) -> Panel:
        """The panel with what the choices change in the protocol; its rows are not looked at."""
        protocol, design = self.panel.study.protocol, combination[0].design
        changes = {name: value for choice in combination for name, value in choice.changes.items()}
        leads = [choice.lead for choice in combination if choice.lead is not None]
        options = getattr(protocol.model, design)
        if leads:
            options = options.model_copy(update={"anticipation": leads[0]})
        model = protocol.model.model_copy(update={design: options})
        made = protocol.model_copy(update={**changes, "model": model})
        return replace(self.panel, study=replace(self.panel.study, protocol=made))


def _decisive(data: pd.DataFrame, estimate: Estimate) -> str:
    """The decision on which the estimates depend most, by the medians of its choices."""
    found = data[data["reason"].eq("")]
    medians = {column: found.groupby(column, sort=False)["estimate"].median() for column in columns_of(data)}
    medians = {column: each for column, each in medians.items() if len(each) > 1}
    if not medians:
        return ""
    widest = max(medians, key=lambda column: float(medians[column].max() - medians[column].min()))
    of = medians[widest].sort_values()
    places = numbers.decimals_for([float(estimate.headline["std_error"])])
    low, high = (numbers.signed(float(of.iloc[k]), places) for k in (0, -1))
    return (
        f"They depend most on the choice of {widest}: the median is {low} with `{of.index[0]}` and {high} with "
        f"`{of.index[-1]}`."
    )


def _thinned(data: pd.DataFrame, every: int) -> str:
    run = int(data["reason"].eq("").sum())
    if every <= len(data):
        return ""
    return (
        f"Of {numbers.count(every)} combinations {numbers.count(run)} were run: those with the fewest choices "
        "changed, and of the others a selection by a fixed shuffle."
    )


def _apart(panel: Panel) -> str:
    near = choices.near_joined(panel)
    if near is None or not near.any() or near.sum() < len(panel.never):
        return ""
    return "Every unit that never joined has joined units in its region, so neighbours could not be left out."
