"""Items of a checklist that a run reports of itself: the text, or an empty one where it cannot say."""

from __future__ import annotations

from collections.abc import Callable

from evalkit import numbers, periods
from evalkit.appraisal.run import Run

COVID = (2020, 2021)  # the years in which the pandemic stopped or changed most elective and emergency work
POINTS, SITES = 3, 2  # EPOC: points either side of the start, sites on either side


def _title(run: Run) -> str:
    return run.study.protocol.title


def _question(run: Run) -> str:
    return run.study.protocol.question


def _hash(run: Run) -> str:
    return (
        f"protocol {run.study.sha256[:16]}; the manifest holds the hashes of data and code, and the date of the run"
    )


def _lock(run: Run) -> str:
    lock = run.study.lock
    if lock is None:
        return ""
    said = f"plan {lock.first.plan_sha256[:16]} locked on {lock.first.date} by {lock.first.by}"
    return f"{said}; amended on {', '.join(e.date for e in lock.entries[1:])}" if len(lock.entries) > 1 else said


def _deviations(run: Run) -> str:
    if run.study.lock is None:
        return ""
    found = [f"{d.part}: {d.why or 'no reason given'}" for d in run.study.departures]
    return "; ".join(found) or "none from the locked plan"


def _entry(run: Run) -> str:
    return run.study.protocol.entry.rule if run.study.protocol.entry else ""


def _comparison(run: Run) -> str:
    chosen = run.study.protocol.comparison or "not_yet_joined"
    return chosen.replace("_", " ") if isinstance(chosen, str) else f"units named: {', '.join(chosen)}"


def _waves(run: Run) -> str:
    if run.panel is None or not run.panel.cohorts:
        return ""
    joined = ", ".join(periods.say(c) for c in run.panel.cohorts)
    return f"{numbers.of(len(run.panel.cohorts), 'wave')}: {joined}"


def _events(run: Run) -> str:
    return "; ".join(f"{e.label} ({periods.say(e.first)})" for e in run.study.protocol.events)


def _counts(run: Run) -> str:
    if run.main is None:
        return ""
    return "; ".join(f"{numbers.count(n)} {name}" for name, n in run.main.counts.items())


def _window(run: Run) -> str:
    first, last = run.study.protocol.window
    return f"{periods.say(first)} to {periods.say(last)}"


def _outcomes(run: Run) -> str:
    return "; ".join(
        f"{o.title}: {o.measured}"
        + (f" out of {o.denominator}" if o.denominator else "")
        + (f" (another definition of {o.alternative_to})" if o.alternative_to else "")
        for o in run.study.protocol.outcomes
    )


def _designs(run: Run) -> str:
    return "; ".join(e.title for e in run.usable)


def _assumption(run: Run) -> str:
    return run.main.assumption if run.main else ""


def _method(run: Run) -> str:
    return run.main.method if run.main else ""


def _headline(run: Run) -> str:
    if run.main is None:
        return ""
    head = run.main.headline
    decimals = numbers.decimals_for([head["std_error"]])
    span = numbers.interval(head["low"], head["high"], decimals)
    said = f"{numbers.signed(head['estimate'], decimals)} {run.main.unit}"
    return f"{said} ({numbers.per_cent(run.main.level)} interval {span})"


def _cluster(run: Run) -> str:
    if run.main is None or "clusters" not in run.main.counts:
        return ""
    return (
        f"clustered on {run.study.protocol.cluster or 'unit'}: {numbers.of(run.main.counts['clusters'], 'cluster')}"
    )


def _groups(run: Run) -> str:
    by = run.study.protocol.model.heterogeneity.by
    return f"groups declared: {', '.join(by)}" if by else ""


def _covariates(run: Run) -> str:
    return ", ".join(run.study.protocol.covariates) or "none adjusted for"


def _transition(run: Run) -> str:
    transition = run.study.protocol.transition
    why = f": {transition.why}" if transition.why else ""
    return f"{numbers.of(transition.periods, run.study.frequency)} of transition{why}"


def _source(run: Run) -> str:
    source = run.study.protocol.source
    files = ", ".join(f.name for f in run.panel.files) if run.panel else ""
    return f"reader {source.reader}" + (f": {files}" if files else "")


def _cleaning(run: Run) -> str:
    source = run.study.protocol.source
    return f"gaps: {source.gaps}; implausible zeros: {source.zeros}"


def _filters(run: Run) -> str:
    source = run.study.protocol.source
    rows = [f"only rows where {c.column} = {c.equals}" for c in getattr(source, "where", ())]
    rows += [f"not reported where {c.column} = {c.equals}" for c in getattr(source, "missing_where", ())]
    rows += [f"units that the rollout does not list: {run.study.protocol.rollout.unlisted.replace('_', ' ')}"]
    return "; ".join(rows)


def _completeness(run: Run) -> str:
    if run.panel is None:
        return ""
    missing, seen = len(run.panel.missing), len(run.panel.rows)
    return f"{numbers.count(missing)} of {numbers.count(seen + missing)} unit-{run.study.frequency}s have no value"


def _covid(run: Run) -> str:
    first, last = run.study.protocol.window
    left_out = [s for s in run.study.protocol.exclude if s.first.year <= COVID[1] and s.last.year >= COVID[0]]
    if left_out:
        said = (f"{periods.say(s.first)} to {periods.say(s.last)} ({s.why})" for s in left_out)
        return f"left out: {'; '.join(said)}"
    outside = first.year > COVID[1] or last.year < COVID[0]
    return f"the window, {_window(run)}, holds nothing of {COVID[0]} and {COVID[1]}" if outside else ""


def _mergers(run: Run) -> str:
    source = run.study.protocol.source
    if source.reader != "nhs_ae":
        return ""
    return (
        "none added up" if source.successions == "none" else "predecessors are added up by the table of successions"
    )


def _patients(run: Run) -> str:
    counted = run.outcome.kind == "proportion" and run.main is not None and run.main.exposure is not None
    return f"the finding gives it in cases a {run.study.frequency}" if counted else ""


def _points(run: Run) -> str:
    series = run.appraised("series")
    before, after = (series.counts.get(f"periods {side}", 0) if series else 0 for side in ("before", "after"))
    return f"{before} before and {after} after" if min(before, after) >= POINTS else ""


def _two_sites(run: Run) -> str:
    if run.panel is None or run.appraised("comparison") is None:
        return ""
    joined, never = len(run.panel.joined), len(run.panel.never)
    return f"{joined} joined, {never} never joined" if min(joined, never) >= SITES else ""


def _same_periods(run: Run) -> str:
    return "one source and one window for both sides" if run.appraised("comparison") else ""


FACTS: dict[str, Callable[[Run], str]] = {
    "assumption": _assumption,
    "cleaning": _cleaning,
    "cluster": _cluster,
    "comparison": _comparison,
    "completeness": _completeness,
    "counts": _counts,
    "covariates": _covariates,
    "covid": _covid,
    "designs": _designs,
    "deviations": _deviations,
    "entry": _entry,
    "events": _events,
    "filters": _filters,
    "groups": _groups,
    "hash": _hash,
    "headline": _headline,
    "lock": _lock,
    "mergers": _mergers,
    "method": _method,
    "outcomes": _outcomes,
    "patients": _patients,
    "points": _points,
    "question": _question,
    "same_periods": _same_periods,
    "source": _source,
    "title": _title,
    "transition": _transition,
    "two_sites": _two_sites,
    "waves": _waves,
    "window": _window,
}
