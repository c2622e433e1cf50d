"""How large an effect would this design have found?

Effects are injected into pseudo-collaboratives that changed nothing (`evalkit.placebos.power`): the same in every
period after joining, building up over a year, or in proportion to the outcome. The share of draws in which the
interval then excludes zero on the right side is the power. Nothing of it rests on the effect that was found, so it
can be read before the result.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from evalkit import numbers
from evalkit.checks._its import excludes_zero, not_applicable
from evalkit.errors import DesignError
from evalkit.estimate import Check, Estimate, Refusal
from evalkit.estimators import title
from evalkit.panel import Panel
from evalkit.placebos import Calibrated, Calibration
from evalkit.placebos.power import POWER, detectable, power
from evalkit.placebos.runs import PROFILES

NAME = "power"
QUESTION = "How large an effect would this design have found?"
POINTS, REACH = 41, 2.0  # sizes on the curve, up to this many detectable effects
COLUMNS = ["profile", "size", "power"]


def check(
    panel: Panel,
    calibration: Calibration,
    design: str,
    estimate: Estimate | Refusal | None = None,
    worthwhile: float | None = None,
) -> Check:
    """Reassuring when a worthwhile effect would have been found, inconclusive when it could have been missed.

    estimate    the real one, when it is known: without a worthwhile effect, an interval that holds zero is
                inconclusive and one that excludes it reassuring
    worthwhile  smallest effect worth having, in the unit of report, sign apart

    `value` is the effect that 80 % of the draws would have shown, constant from joining on. `data`: profile, size (in
    the outcome's unit, or per cent where relative), power; and label, unit. Not applicable to designs without
    a record, or fitted whole.
    """
    record = calibration.found.get(design)
    if record is None or calibration.source is None:
        why = calibration.refused.get(design, "it was not put to pseudo-collaboratives")
        return not_applicable(NAME, QUESTION, f"There is no record of it: {why}.", design)
    sign = 1 if panel.outcome.better == "higher" else -1
    wider = calibration.source.wider
    try:
        found = {p: detectable(record.run, p, POWER, sign, wider) for p in _meaningful(panel)}
    except DesignError as refusal:
        return not_applicable(NAME, QUESTION, f"It cannot be said: {refusal.faults[0].what}.", design)
    reading = _reading(panel, design, found, wider)
    verdict, closing = "reassuring", ""
    if worthwhile is not None:
        enough = found["constant"] <= abs(worthwhile)
        verdict = "reassuring" if enough else "inconclusive"
        size = numbers.number(abs(worthwhile), 2)
        closing = f" An effect of {size} would {'' if enough else 'not '}reliably have been found."
    elif isinstance(estimate, Estimate) and not excludes_zero(estimate.headline):
        verdict, closing = "inconclusive", " Smaller effects could have been missed, and the interval holds zero."
    data = _curves(record, found, sign, wider)
    data = data.assign(label=panel.outcome.title, unit=panel.outcome.unit)
    return Check(NAME, QUESTION, verdict, reading + closing, found["constant"], design, data)  # type: ignore[arg-type]


def _reading(panel: Panel, design: str, found: dict[str, float], wider: float) -> str:
    places = numbers.decimals_for([found["constant"] / 4])
    sizes = {profile: numbers.number(size, places) for profile, size in found.items()}
    text = (
        f"{title(design)} would have found an effect of {sizes['constant']} {panel.outcome.unit} from joining on "
        f"with {numbers.per_cent(POWER)} power, or one that builds up over a year to {sizes['building up']}"
    )
    text += (
        f", or a change of {numbers.number(found['relative'], 1)}% of the outcome." if "relative" in found else "."
    )
    if wider > 1:
        text += (
            f" Fewer units took part in the draws than in the study, and sizes are divided by "
            f"{numbers.number(wider, 2)} for it."
        )
    return text


def _meaningful(panel: Panel) -> list[str]:
    """The profiles that make sense: a share of the outcome does where it has one sign."""
    return [p for p in PROFILES if p != "relative" or bool((panel.rows["value"].dropna() >= 0).all())]


def _curves(record: Calibrated, found: dict[str, float], sign: int, wider: float) -> pd.DataFrame:
    """Power by size, a curve a profile."""
    out = []
    for profile, size in found.items():
        sizes = np.linspace(0.0, REACH * size, POINTS)
        share = power(record.run, profile, sizes * wider, sign)
        out.append(pd.DataFrame({"profile": profile, "size": sizes, "power": share}, columns=COLUMNS))
    return pd.concat(out, ignore_index=True)
