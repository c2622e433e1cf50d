"""`evalkit power` and `evalkit calibrate`: what a plan could detect, and what designs find where there is nothing."""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from evalkit import catalogue
from evalkit.cli import DONE
from evalkit.errors import DesignError, RunError

if TYPE_CHECKING:
    from evalkit.planning import Plan
    from evalkit.planning.source import Baseline
    from evalkit.spread import Spread

NUMBERS = ("joined", "comparison", "before", "after", "waves", "spacing", "transition")
NEEDED = ("joined", "comparison", "before", "after")  # without a study to take them from


def power(options: Namespace) -> int:
    """The least effect that each design would find under a plan, and under plans around it."""
    from evalkit import planning, tables
    from evalkit.planning.vary import called

    given = {name: getattr(options, name) for name in NUMBERS if getattr(options, name) is not None}
    with spreading(options) as spread:
        baseline, plan = _stated(options, given) if options.moments is not None else _measured(options, given)
        found = planning.minimal(baseline, plan, options.design or (), options.draws)
        if not found.found:
            raise DesignError(dict.fromkeys(found.refused.values()))
        print(f"{baseline.label}: {baseline.origin}, {options.draws} draws", file=sys.stderr)
        varied = None
        if not options.plan_only:

            def told(name: str) -> None:
                print(f"changing: {called(name, baseline.frequency)}", file=sys.stderr, flush=True)

            varied = planning.vary(baseline, plan, options.design or (), options.draws, told, spread)
    if options.json:
        record = {"study": options.study, **found.record(), **(varied.record() if varied else {})}
        print(json.dumps(record, indent=1, ensure_ascii=False, allow_nan=False))
        return DONE
    print(tables.detectable(found).text)
    if varied:
        print()
        print(tables.varied(varied).text)
    return DONE


@contextmanager
def spreading(options: Namespace) -> Iterator[Spread]:
    """Where parts of a computation are worked out: on the cluster that was named, else here."""
    from evalkit.spread import in_order

    if options.scheduler is None:
        yield in_order
        return
    from evalkit.report.cluster import cluster

    with cluster(options.scheduler, lambda line: print(line, file=sys.stderr, flush=True)) as found:
        yield found.spread


def calibrate(options: Namespace) -> int:
    """The record of designs on pseudo-collaboratives that changed nothing."""
    from evalkit import placebos, tables, workbench

    if options.scheduler is not None:
        from evalkit.report.cluster import address

        address(options.scheduler)  # refused before anything takes long
    case = workbench.open_case(options.study, options.outcome or "")
    designs = tuple(options.design or case.calibrated)
    _known(designs)

    def told(design: str) -> None:
        print(f"drawing: {design}", file=sys.stderr, flush=True)

    draws = placebos.Draws(options.draws, options.whole, max(options.draws // 2, 1))
    with spreading(options) as spread:
        record = placebos.calibrate(case.panel, designs, draws, told, spread)
    if record.source is None:
        raise DesignError(next(iter(record.refused.values())), case.study.slug)
    if options.json:
        print(json.dumps(record.figures(), indent=1, ensure_ascii=False, allow_nan=False))
        return DONE
    print(record.source.sentence())
    print(tables.calibration(record, case.outcome.unit).text)
    return DONE


def _known(designs: tuple[str, ...]) -> None:
    from evalkit import placebos
    from evalkit.estimators import names

    for design in designs:
        if design not in (*names(), placebos.INDEPENDENT):
            known = ", ".join((*names(), placebos.INDEPENDENT))
            raise DesignError(f"there is no design called '{design}'", fix=f"use some of {known}")


def _measured(options: Namespace, given: dict[str, int]) -> tuple[Baseline, Plan]:
    """A study's untouched data and its own rollout."""
    from evalkit import planning
    from evalkit.panel import build

    if options.frequency:
        raise RunError("--frequency belongs to --moments", fix="a study's periods are in its protocol")
    study = catalogue.open_study(options.study)
    panel = build(study, study.outcome(options.outcome), started=False)
    return planning.measured(panel), planning.plan_of(panel, **given)


def _stated(options: Namespace, given: dict[str, int]) -> tuple[Baseline, Plan]:
    """Stated moments and a plan that is stated too."""
    from evalkit import planning
    from evalkit.planning.plan import QUARTER

    if options.outcome:
        raise RunError("--outcome belongs to a study", fix="with --moments leave it out")
    moments = planning.parse(options.moments, options.frequency or "month")
    absent = [f"--{name}" for name in NEEDED if name not in given]
    if absent:
        raise RunError(f"{', '.join(absent)} not given", fix="without a study nothing of the plan is assumed")
    return moments, planning.Plan(**{"spacing": QUARTER[moments.frequency], **given})
