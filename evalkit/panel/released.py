"""The one door from a source to panels: rows come through it as they may be released, or not at all.

Everything after it (estimates, figures, tables, texts, files) is made of what is released here, and so can tell no
more than that. Counts of units and periods that the study does not use stay behind.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, fields, replace

import numpy as np
import pandas as pd

from evalkit import numbers
from evalkit.disclosure import RULES, Form, Rule, control
from evalkit.errors import DataError, Fault
from evalkit.panel.roster import read_roster
from evalkit.sources import Tidy, read
from evalkit.study import Outcome, Study
from evalkit.study.fields import Columns
from evalkit.study.protocol import Protocol
from evalkit.study.study import there

KEYS = ["unit", "period"]
FEW = 2  # different whole numbers that are more likely a yes and no
SUPPRESSED = "suppressed (disclosure control)"
NO_SIZE = "rounded to none (disclosure control)"


@dataclass(frozen=True, eq=False)
class Released(Tidy):
    """Tidy rows with every count of people as it may be released.

    rule    by which
    hidden  the counts that were suppressed, columns unit, period, column
    """

    rule: Rule = RULES["none"]
    hidden: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=[*KEYS, "column"]))


def release(study: Study, tidy: Tidy | None = None) -> Released:
    """The rows of a study's source, or those given, as they are released.

    Raises DataError with every fault, of the rollout too, when the source cannot be read at all.
    """
    if isinstance(tidy, Released):
        return tidy
    tidy = _read(study) if tidy is None else tidy
    rule = RULES[study.protocol.disclosure]
    own = {part.name: getattr(tidy, part.name) for part in fields(Tidy)}
    if not rule.changes:
        return Released(**own)
    rows, hidden, faults = _controlled(study, tidy.rows, rule)
    own["notes"] = tuple(note for note in tidy.notes if note not in tidy.quoting)
    if own["notes"] != tidy.notes:
        own["notes"] += ("Some notes on the source quote counts, and are not shown (disclosure control).",)
    own |= {"rows": rows, "faults": (*tidy.faults, *faults), "quoting": ()}
    own["files"] = tuple(replace(file, size=None) for file in tidy.files)
    return Released(**own, rule=rule, hidden=hidden)


def _read(study: Study) -> Tidy:
    """The source's rows; when they cannot be read at all, what is wrong with the rollout is told too."""
    try:
        return read(study)
    except DataError as error:
        faults = list(error.faults)
    if there(study.resolve(study.protocol.rollout.path)):
        try:
            faults += read_roster(study)[1]
        except DataError as error:
            faults += error.faults
    raise DataError(dict.fromkeys(faults))


def _controlled(study: Study, rows: pd.DataFrame, rule: Rule) -> tuple[pd.DataFrame, pd.DataFrame, list[Fault]]:
    """Rows with counts released where the study uses them and blank elsewhere, what was suppressed, and faults."""
    protocol = study.protocol
    columns = [name for name in protocol.counts if name in rows.columns]
    used = study.in_window(rows["period"]) & rows["unit"].isin(_units(study, rows)).to_numpy(bool)
    counts = rows.loc[used, columns].apply(pd.to_numeric, errors="coerce").astype(float)
    faults = [_not_whole(name, rule) for name in columns if (counts[name].dropna() % 1 != 0).any()]
    forms, adding = _made(protocol, columns)
    released, hidden = control(counts, rows.loc[used, KEYS], rule, forms, adding)
    texts = [name for name in columns if not pd.api.types.is_numeric_dtype(rows[name])]
    out = rows.assign(**{name: released[name].reindex(rows.index) for name in columns})
    for name in texts:  # a covariate stays the text that it was read as
        out[name] = out[name].map(lambda count: "" if pd.isna(count) else str(int(count)))
    row, column = np.nonzero(hidden.to_numpy(bool))
    found = rows.loc[used, KEYS].iloc[row].assign(column=np.array(columns, object)[column])
    return out, found.reset_index(drop=True), faults


def _units(study: Study, rows: pd.DataFrame) -> Iterable[str]:
    """The units that the study may use: all that the rollout lists, or all there are."""
    if study.protocol.rollout.unlisted == "never_joined":
        return list(rows["unit"].unique())
    try:
        return list(read_roster(study)[0].index)
    except DataError:  # told by whoever builds a panel
        return []


def _not_whole(name: str, rule: Rule) -> Fault:
    what = f"`{name}` holds figures that are not whole numbers, and `disclosure: {rule.name}` releases counts"
    return Fault(what, fix=f"correct the source, or say `not_people: [{name}]` if it counts no people")


def _made(protocol: Protocol, columns: list[str]) -> tuple[list[Form], list[tuple[str, ...]]]:
    """Numbers of people that can be had by subtraction, and counts that are declared to add up."""
    forms: dict[Form, None] = {}
    adding: dict[tuple[str, ...], None] = {}
    for measure in (*protocol.outcomes, *protocol.case_mix):
        if measure.kind == "continuous":
            continue
        bands = [band.columns for band in measure.distribution.bands] if measure.distribution else []
        figures = [part for part in (measure.measured, measure.denominator, *bands) if part]
        found = [_less(figure) for figure in figures]
        if measure.kind == "proportion" and measure.denominator:
            found.append(_less(measure.denominator, measure.measured))
            adding |= dict.fromkeys(_distributed(measure))
        forms |= {form: None for form in found if form.plus and form.minus}
    known = set(columns)
    return (
        [form for form in forms if known.issuperset((*form.plus, *form.minus))],
        [members for members in adding if known.issuperset(members)],
    )


def _less(one: Columns, other: Columns | None = None) -> Form:
    """One figure less another, as a sum of columns less others; what is on both sides falls away."""
    weight: dict[str, int] = {}
    for figure, sign in ((one, 1), (other, -1)):
        for names, own in ((figure.plus, sign), (figure.minus, -sign)) if figure else ():
            for name in names:
                weight[name] = weight.get(name, 0) + own
    return Form(tuple(n for n, w in weight.items() if w > 0), tuple(n for n, w in weight.items() if w < 0))


def _distributed(outcome: Outcome) -> list[tuple[str, ...]]:
    """The columns of all bands and the denominator, and of those on the outcome's side and the numerator."""
    declared = outcome.distribution
    if declared is None or outcome.denominator is None:
        return []
    below = declared.below if declared.side == "below" else ~declared.below
    every = [band.columns for band in declared.bands]
    side = [figure for figure, own in zip(every, below, strict=True) if own]
    pairs = ((every, outcome.denominator), (side, outcome.measured))
    return [_apart(figures, total) for figures, total in pairs]


def _apart(figures: list[Columns], total: Columns) -> tuple[str, ...]:
    """The columns that stand on one side only of: these figures together are the total."""
    plus = tuple(name for figure in figures for name in figure.plus)
    minus = tuple(name for figure in figures for name in figure.minus)
    form = _less(Columns(plus=plus, minus=minus), total)
    return tuple(sorted((*form.plus, *form.minus)))


def explained(tidy: Released, outcome: Outcome, missing: pd.DataFrame) -> pd.DataFrame:
    """What is missing and why, with what was suppressed of an outcome: columns unit, period, why."""
    figures = {name for part in (outcome.measured, outcome.denominator) if part for name in part.names}
    here = tidy.hidden.loc[tidy.hidden["column"].isin(figures), KEYS].drop_duplicates()
    if here.empty:
        return missing
    told = pd.MultiIndex.from_frame(here).isin(pd.MultiIndex.from_frame(missing[KEYS])) if len(missing) else False
    return pd.concat([missing, here[~np.broadcast_to(told, len(here))].assign(why=SUPPRESSED)], ignore_index=True)


def bounded(rows: pd.DataFrame, outcome: Outcome, rule: Rule) -> tuple[pd.DataFrame, np.ndarray]:
    """Figures that rounding alone has put out of bounds, put back; and rows left without a denominator, booleans.

    Sums and differences of rounded counts can be below nought, or a numerator above its denominator, by no more than
    the rounding of every column together. A denominator that is then nought or less has no share.
    """
    parts = [part for part in (outcome.measured, outcome.denominator) if part]
    slack = rule.error * sum(len(part.names) for part in parts)
    out, none = rows.copy(), np.zeros(len(rows), bool)
    if outcome.kind == "continuous" or not slack:
        return out, none
    for name in ("numerator", "denominator"):
        out[name] = out[name].mask((out[name] < 0) & (out[name] >= -slack), 0.0)
    if outcome.kind == "proportion":
        over = out["numerator"] - out["denominator"]
        out["numerator"] = out["numerator"].mask((over > 0) & (over <= slack), out["denominator"])
    if outcome.denominator and len(outcome.denominator.names) > 1:
        none = (out["denominator"].eq(0) & rows["denominator"].notna()).to_numpy(bool)
    return out, none


def said(study: Study, outcome: Outcome, tidy: Released, rows: pd.DataFrame) -> list[str]:
    """What disclosure control did to an outcome, in a sentence; nothing where counts are as published.

    rows  the outcome's unit-periods, columns unit and period
    """
    counted = set(outcome.columns) & set(study.protocol.counts)
    if not tidy.rule.changes or not counted:
        return []
    here = tidy.hidden[tidy.hidden["column"].isin(counted) & tidy.hidden["unit"].isin(rows["unit"])]
    text = f"Disclosure control ({tidy.rule.name}): {tidy.rule.words}."
    if len(here):
        cells, units = len(here.drop_duplicates(KEYS)), here["unit"].nunique()
        text += (
            f" {numbers.of(len(here), 'count')} of this outcome, in {numbers.of(cells, 'unit-period')} of "
            f"{numbers.of(units, 'unit')}, {'was' if len(here) == 1 else 'were'} suppressed, for being small or so "
            "that none can be found by subtraction."
        )
    return [text]


def undeclared(study: Study, roster: pd.DataFrame, tidy: Released) -> list[str]:
    """Covariates and doses in whole numbers of which the protocol does not say whether they count people."""
    protocol, out = study.protocol, []
    named = dict.fromkeys(name for name in (*protocol.covariates, protocol.model.dose.column) if name)
    for name in named if tidy.rule.changes else ():
        if name in (*protocol.people, *protocol.not_people):
            continue
        values = roster[name] if name in roster else tidy.rows.get(name, pd.Series(dtype=float))
        found = pd.to_numeric(values, errors="coerce").dropna()
        if found.nunique() > FEW and (found % 1 == 0).all():
            out.append(
                f"`{name}` holds whole numbers and is used as it is; name it under `people` if it counts people, or "
                "under `not_people` if not."
            )
    return out
