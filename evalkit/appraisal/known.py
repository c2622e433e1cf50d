"""Questions on bias that a run can answer from what was declared and from the data: answer and reading, or None."""

from __future__ import annotations

import math
from collections.abc import Callable

from evalkit import numbers
from evalkit.appraisal.run import Run
from evalkit.instruments import Answer

Known = tuple[Answer, str] | None
NEARLY_ALL = 0.95  # share of unit-periods reported above which missing data are taken for too few to matter: ours


def _chosen(run: Run) -> Known:
    entry = run.study.protocol.entry
    if entry and entry.selected_on_outcome:
        return "yes", "The protocol says that units joined because their outcome was poor."
    return "probably yes", "As far as the protocol says, it was not drawn by lot who joined."


def _not_drawn(_run: Run) -> Known:
    return "no", "A comparison of this kind counts as not drawn by lot, and nothing in the protocol says otherwise."


def _by_joining_date(_run: Run) -> Known:
    return "no", "Every unit is counted by the period in which it joined, and as joined from then on."


def _covariates_before(run: Run) -> Known:
    named = run.study.protocol.covariates
    if not named:
        return "no", "Nothing was adjusted for."
    return "probably no", f"Only what does not change over time is adjusted for: {', '.join(named)}."


def _no_covariates(run: Run) -> Known:
    return None if run.study.protocol.covariates else ("no", "No covariate is used, so none can be missing.")


def _followed_from_joining(run: Run) -> Known:
    transition = run.study.protocol.transition.periods
    said = f"The {numbers.of(transition, run.study.frequency)} of transition are the same for every unit."
    return "probably yes", "Every unit is followed from the period in which it joined." + (
        f" {said}" if transition else ""
    )


def _one_date_each(_run: Run) -> Known:
    return "yes", "The rollout gives every unit one period of joining, or none."


def _all_listed(run: Run) -> Known:
    if run.study.protocol.rollout.unlisted == "never_joined":
        return "no", "Units that the rollout does not list count as never joined: none is left out."
    return None


def _share(run: Run) -> float | None:
    if run.panel is None:
        return None
    seen, missing = len(run.panel.rows), len(run.panel.missing)
    return seen / (seen + missing) if seen + missing else None


def _reported(run: Run) -> Known:
    share = _share(run)
    if share is None:
        return None
    said = f"{numbers.per_cent(math.floor(1000 * share) / 1000)} of unit-{run.study.frequency}s have a value."
    return ("yes" if share >= NEARLY_ALL else "probably no"), said


def _complete(run: Run) -> Known:
    found = _reported(run)
    return found if found and found[0] == "yes" else None


def _one_source(_run: Run) -> Known:
    return "probably yes", "One source and one definition serve every unit and period."


def _whole_group(_run: Run) -> Known:
    return "no", "The headline is over all units that joined, and groups are those that the protocol declares."


def _shape_declared(run: Run) -> Known:
    transition = run.study.protocol.transition
    if transition.periods and not transition.why:
        return None
    why = f", {transition.why[:1].lower()}{transition.why[1:]}" if transition.periods else ""
    after = f" after {numbers.of(transition.periods, run.study.frequency)} of transition{why}"
    shape = run.study.protocol.model.its.impact.shape.replace("_", " ")
    said = f"The effect is looked for from joining on{after if transition.periods else ''}, as a change of {shape}."
    return "yes", said


def _all_outcomes(run: Run) -> Known:
    protocol = run.study.protocol
    if "findings" not in protocol.notebooks:
        return None
    own = sum(o.alternative_to is None for o in protocol.outcomes)
    return "yes", f"The findings show every outcome that the protocol declares ({own})."


def _planned(run: Run) -> Known:
    """Only a plan that was locked in time and kept can answer; what departs from it is for the check to say."""
    found = next((c for c in run.checks if c.name == "plan"), None)
    return ("no", found.reading) if found and found.verdict == "reassuring" else None


def _outcomes_kept(run: Run) -> Known:
    lock = run.study.lock
    if lock is None:
        return None
    locked = {name for entry in lock.entries for name in entry.plan.get("outcomes", {})}
    lost = sorted(locked - {o.name for o in run.study.protocol.outcomes})
    if lost:
        return "no", f"The locked plan had {', '.join(lost)}, which the protocol no longer has."
    return "yes", "Every outcome of the locked plan is still in the protocol."


KNOWN: dict[str, Callable[[Run], Known]] = {
    "all_listed": _all_listed,
    "all_outcomes": _all_outcomes,
    "by_joining_date": _by_joining_date,
    "chosen": _chosen,
    "complete": _complete,
    "covariates_before": _covariates_before,
    "followed_from_joining": _followed_from_joining,
    "no_covariates": _no_covariates,
    "not_drawn": _not_drawn,
    "one_date_each": _one_date_each,
    "one_source": _one_source,
    "outcomes_kept": _outcomes_kept,
    "planned": _planned,
    "reported": _reported,
    "shape_declared": _shape_declared,
    "whole_group": _whole_group,
}
