"""Tables: what was declared, what was found, what was asked; formatted, never computed."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from evalkit import markup, numbers, periods
from evalkit.estimate import Check, Estimate, Refusal
from evalkit.estimators import title as titled
from evalkit.markup import Shown
from evalkit.panel import Panel
from evalkit.study import Outcome, Study
from evalkit.study.fields import Span


def _shown(header: list[str], rows: list[list[str]], caption: str, numeric: Sequence[bool] = ()) -> Shown:
    return Shown(markup.table(header, rows, caption, numeric), markup.table_text(header, rows, caption))


def protocol(study: Study) -> Shown:
    """What the protocol says, for a reader who will not open it."""
    p, noun = study.protocol, study.frequency
    transition = f"{p.transition.periods} {periods.noun(noun, p.transition.periods)} from joining"
    why = f": {p.transition.why}" if p.transition.why else ""
    comparison = p.comparison or "not_yet_joined"
    chosen = ", ".join(comparison) if isinstance(comparison, tuple) else comparison.replace("_", " ")
    rows = [
        ["Question", p.question],
        ["Window", f"{periods.say(p.window[0])} to {periods.say(p.window[1])}"],
        ["Compared with", {"not yet joined": "units that had not yet joined"}.get(chosen, chosen)],
        ["Transition", f"{transition}{why}"],
        ["Excluded", _spans(p.exclude) or "nothing"],
        ["Declared events", _spans(p.events) or "none"],
        ["Other programmes", "; ".join(other.label for other in p.programmes) or "none declared"],
        ["How units came to join", p.entry.rule if p.entry else "not stated"],
        ["Standard errors clustered on", p.cluster or "unit"],
        ["Reported after joining", ", ".join(numbers.of(h, noun) for h in p.horizons)],
        ["Missing data", _missing_rules(study)],
        ["Departures from the default models", _departures(study)],
        ["Confidence level", numbers.per_cent(p.level)],
        ["Protocol hash", study.sha256[:16]],
    ]
    if p.simulated:
        rows.insert(0, ["Data", "Simulated, with a known truth; no real organisation is described"])
    return _shown(["Part", "As declared"], rows, f"{p.title}: the protocol")


def _missing_rules(study: Study) -> str:
    """What the protocol says of gaps, implausible zeros and declared absences."""
    source = study.protocol.source
    rules = [f"gaps: {source.gaps}", f"implausible zeros: {source.zeros}"]
    rules += [f"missing where {c.column} = {c.equals}" for c in getattr(source, "missing_where", ())]
    return "; ".join(rules)


def _departures(study: Study) -> str:
    """The model options that differ from their defaults, as a protocol writes them."""
    chosen = study.protocol.model.model_dump(mode="json", exclude_defaults=True)
    return "; ".join(_parts("", chosen)) or "none"


def _parts(where: str, value: Any) -> list[str]:  # noqa: ANN401 - any plain value
    """`part.option: value` for every option below."""
    if isinstance(value, dict):
        return [part for name, below in value.items() for part in _parts(f"{where}.{name}", below)]
    each = value if isinstance(value, list) else [value]
    return [f"{where[1:]}: {', '.join(one if isinstance(one, str) else json.dumps(one) for one in each)}"]


def _spans(declared: Sequence[Span]) -> str:
    parts = []
    for span in declared:
        reason = getattr(span, "label", None) or getattr(span, "why", "")
        parts.append(f"{periods.say(span.first)} to {periods.say(span.last)} ({reason})")
    return "; ".join(parts)


def outcomes(study: Study) -> Shown:
    """Every outcome with its definition and role."""
    rows = [
        [
            o.title,
            o.role if o.alternative_to is None else f"another definition of {o.alternative_to}",
            o.kind,
            f"{o.measured}" + (f", out of {o.denominator}" if o.denominator else ""),
            o.unit,
            o.better,
            _target(o),
        ]
        for o in study.protocol.outcomes
    ]
    rows += [
        [
            m.title,
            "case mix",
            m.kind,
            f"{m.measured}" + (f", out of {m.denominator}" if m.denominator else ""),
            m.unit,
            "",
            "",
        ]
        for m in study.protocol.case_mix
    ]
    header = ["Outcome", "Role", "Kind", "Columns", "Unit of report", "Better", "Target"]
    return _shown(header, rows, f"{study.protocol.title}: outcomes")


def _target(outcome: Outcome) -> str:
    if outcome.target is None:
        return "none"
    return numbers.per_cent(outcome.target) if outcome.kind == "proportion" else f"{outcome.target:,g}"


def waves(panel: Panel) -> Shown:
    """Each wave: when it joined, how many units, how many periods it has before and after."""
    rows = []
    for i, cohort in enumerate(panel.cohorts, 1):
        part = panel.rows[panel.rows["cohort"].eq(cohort)].reset_index()
        before, after = (part.loc[part["phase"].eq(p), "period"].nunique() for p in ("pre", "post"))
        units = int(panel.units["cohort"].eq(cohort).sum())
        mean = part.loc[part["phase"].eq("pre"), "value"].mean()
        rows.append([f"Wave {i}", periods.say(cohort), *map(str, (units, before, after)), numbers.number(mean, 1)])
    if len(panel.never):
        mean = panel.rows.loc[panel.rows["cohort"].isna() & panel.rows["phase"].eq("pre"), "value"].mean()
        rows.append(["Never joined", "", str(len(panel.never)), "", "", numbers.number(mean, 1)])
    noun = periods.noun(panel.study.frequency, 2).capitalize()
    unit = "per cent" if panel.outcome.kind == "proportion" else panel.outcome.unit
    header = ["Wave", "Joined", "Units", f"{noun} before", f"{noun} after", f"Mean before ({unit})"]
    caption = f"{panel.study.protocol.title}: waves ({panel.outcome.title})"
    return _shown(header, rows, caption, [False, False, True, True, True, True])


def data_warnings(panel: Panel, others: Sequence[Panel] = ()) -> Shown:
    """What is only suspicious in the data, and what was not reported.

    others  panels of the other outcomes, whose own warnings are named by outcome
    """
    lines = list(panel.warnings)
    lines += [f"{p.outcome.title}: {w}" for p in others for w in p.warnings if w not in panel.warnings]
    if len(panel.missing):
        for why, group in panel.missing.groupby("why"):
            n, units = len(group), group["unit"].nunique()
            lines.append(f"{n} unit-periods in {units} units have no value: {why}.")
    if not lines:
        return Shown(markup.notice("Data warnings", ["None."]), "Data warnings: none.")
    return Shown(markup.notice("Data warnings", lines, "warning"), "\n".join(["Data warnings:", *lines]))


def files(panel: Panel) -> Shown:
    """The files that were read, each with the day it was retrieved and its hash."""
    rows = [
        [
            f.name,
            f.retrieved.isoformat() if f.retrieved else "not recorded",
            "" if f.size is None else numbers.count(f.size),
            f.sha256[:16],
            f.note,
        ]
        for f in panel.files
    ]
    header = ["File", "Retrieved", "Bytes", "Hash (first 16 digits)", "Note"]
    return _shown(header, rows, "Files that were read", [False, False, True, False, False])


def estimates(found: Sequence[Estimate | Refusal], caption: str) -> Shown:
    """Headline estimates side by side, each with what it assumes; refusals with their reason."""
    rows = []
    for one in found:
        if isinstance(one, Refusal):
            rows.append([one.title, one.outcome, "not computed", "", "", " ".join(one.reasons)])
            continue
        head = one.headline
        decimals = numbers.decimals_for([head["std_error"]])
        figure = f"{numbers.signed(head['estimate'], decimals)} {one.unit}"
        span = numbers.interval(head["low"], head["high"], decimals)
        units = numbers.count(one.counts.get("joined units", math.nan))
        level = numbers.per_cent(one.level)
        rows.append([one.title, one.label, figure, f"{span} ({level})", units, one.assumption])
    header = ["Design", "Outcome", "Headline estimate", "Interval", "Joined units", "Leans on, or why not"]
    stored = [one.store() for one in found if isinstance(one, Estimate)]
    return replace(_shown(header, rows, caption), payload={"estimates": stored})


def checks(asked: Sequence[Check], caption: str = "What else could explain it, and what was checked") -> Shown:
    """Every check with its verdict and reading."""
    twice = {c.question for c in asked if sum(c.question == other.question for other in asked) > 1}
    rows = [
        [
            f"{c.question} ({titled(c.design)})" if c.question in twice and c.design else c.question,
            c.verdict,
            c.reading,
        ]
        for c in asked
    ]
    stored = {"checks": [c.store() for c in asked]}
    return replace(_shown(["Question", "Verdict", "Reading"], rows, caption), payload=stored)


DIAGNOSTICS = {
    "rho": "Autocorrelation of neighbouring periods",
    "dispersion": "Dispersion (variance over that of the family)",
    "sigma": "Standard deviation of the errors, on the scale of the model",
    "noise_belief": "Weight of a noise model in the interval (0 none, 1 full)",
    "between_correlation": "Correlation of the joined units' errors with the control's",
    "shared_rho": "Autocorrelation of the shocks that units share",
    "shared_shock": "Correlation of units' errors in the same period",
    "between_sd": "Standard deviation of effects between units, in the unit of report",
    "lags": "Newey-West lags",
    "theta": "Negative binomial theta",
    "rmspe_before": "Difference from the synthetic course before joining, root mean square",
    "rmspe_donors": "The same for placebos, median",
    "imbalance": "Distance before joining over that of the plain mean of the donors (0 a perfect match)",
    "donors_effective": "Equally weighted donors that the weights amount to",
    "largest_weight": "Largest weight of a donor",
    "placebo_p": "Share of placebos with an effect as large, itself counted",
    "ratio_p": "The same for the difference after joining over that before",
    "ridge_penalty": "Penalty of the ridge correction",
    "ridge_error": "Error in a period left out, root mean square",
    "unit_ridge": "Ridge on the donors' weights (zeta)",
}


def diagnostics(estimate: Estimate | Refusal) -> Shown:
    """How the model fitted: autocorrelation with its interval, dispersion, and what else the engine says."""
    if isinstance(estimate, Refusal):
        title = f"No diagnostics: {estimate.title} was not computed"
        return Shown(markup.notice(title, estimate.reasons, "refusal"), f"{title}: {' '.join(estimate.reasons)}")
    found = estimate.diagnostics
    rows = []
    for name, value in found.items():
        if name in ("rho_low", "rho_high"):
            continue
        figure = numbers.number(value, numbers.decimals_for([value]) if value else 1)
        if name == "rho" and "rho_low" in found:
            span = numbers.interval(found["rho_low"], found["rho_high"], 2)
            figure = f"{numbers.number(value, 2)} ({numbers.per_cent(estimate.level)} interval {span})"
        rows.append([DIAGNOSTICS.get(name, name.replace("_", " ")), figure])
    rows = rows or [["None", ""]]
    return _shown(["Diagnostic", "Value"], rows, f"{estimate.title}: how the model fitted", [False, True])
