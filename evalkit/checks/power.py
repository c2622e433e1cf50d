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
from evalkit.checks._its import not_applicable
from evalkit.errors import DesignError
from evalkit.estimate import Check
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
) -> Check:
    """Reassuring when the smallest worthwhile effect would have been found, inconclusive when it could be missed.

    It is inconclusive too where the protocol declares no such effect (`worthwhile` of the outcome).
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
    worthwhile = panel.outcome.worthwhile
    enough = worthwhile is not None and found["constant"] <= worthwhile
    data = _curves(record, found, sign, wider).assign(label=panel.outcome.title, unit=panel.outcome.unit)
    reading = f"{_reading(panel, design, found, wider)} {_yardstick(panel, enough)}"
    return Check(NAME, QUESTION, "reassuring" if enough else "inconclusive", reading, found["constant"], design, data)


def _yardstick(panel: Panel, enough: bool) -> str:
    worthwhile = panel.outcome.worthwhile
    if worthwhile is None:
        return "The protocol does not say which effect would be worth having (`worthwhile`)."
    size = f"{numbers.number(worthwhile, numbers.decimals_for([worthwhile / 4]))} {panel.outcome.unit}"
    if enough:
        return f"The smallest effect worth having, {size}, would have been found."
    return f"The smallest effect worth having, {size}, could have been missed."


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
