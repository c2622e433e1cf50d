"""A study opened by slug or path."""

from __future__ import annotations

from evalkit import catalogue
from evalkit.checks.engine_agreement import second_engine
from evalkit.panel import Panel, build, build_all, handed
from evalkit.workbench.answers import shared
from evalkit.workbench.case import Case


def open_case(collaborative: str, outcome: str = "") -> Case:
    """Open a study by slug or path, with the named outcome (blank for the primary one).

    Raises StudyError or DataError with every fault.
    """
    if (collaborative, outcome) in HELD:
        return HELD[collaborative, outcome]
    if (panels := handed.found(collaborative)) is not None:
        return shared(_case(panels, outcome), collaborative)
    study = catalogue.open_study(collaborative)
    study.outcome(outcome)  # a wrong name is said before data are read
    return _case(build_all(study), outcome)


def _case(panels: dict[str, Panel], outcome: str) -> Case:
    study = next(iter(panels.values())).study
    chosen = study.outcome(outcome)
    if chosen.alternative_to is not None:  # it stands where the outcome stands that it defines otherwise
        chosen = chosen.model_copy(update={"role": study.outcome(chosen.alternative_to).role})
    return Case(study, chosen, panels)


HELD: dict[tuple[str, str], Case] = {}  # filled only in a process that kernels are forked from


def hold(collaborative: str, outcome: str, *, ahead: bool, panels: dict[str, Panel] | None = None) -> None:
    """Open a case and keep it for `open_case`, in a process that kernels of one run are forked from.

    ahead   compute beforehand what several notebooks want, too
    panels  those of the study where they have been built; None to build them

    Raises StudyError or DataError with every fault.
    """
    case = open_case(collaborative, outcome) if panels is None else _case(panels, outcome)
    HELD[collaborative, outcome] = case
    if ahead:
        case.checks(case.estimates())
        second_engine()


def open_baseline(collaborative: str, outcome: str = "") -> Panel:
    """Open one outcome's panel to plan on; nobody need have joined yet.

    Raises StudyError or DataError with every fault.
    """
    study = catalogue.open_study(collaborative)
    return build(study, study.outcome(outcome), started=False)
