"""Dose: is the effect larger where more was done? A declared secondary analysis.

Effects tau_it after joining are imputed as in `imputation` and regressed on the unit's dose d_i, such as
sessions attended or fidelity to the programme:

    tau_it = a + b (d_i - mean d) + u_it       over the analysed unit-periods of the joined

b, the headline, is the difference in effect per unit of dose, a the effect at the mean dose. Contributions are
those of the two stages together (Gardner 2022, arXiv:2207.05943).

Units choose their dose, so b is an association: units that did more may differ in other ways, and reading
it as what a larger dose would do needs that units with different doses would have gained alike from the same
one (Callaway, Goodman-Bacon and Sant'Anna 2024, Difference-in-differences with a continuous treatment,
NBER working paper 32117, section 3).
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from evalkit import numbers
from evalkit.errors import DesignError
from evalkit.estimate import Estimate
from evalkit.estimators._common import identity, size
from evalkit.estimators._did import bootstrap, imputed
from evalkit.estimators._did.imputation import impute, two_stage
from evalkit.estimators._did.layout import Layout
from evalkit.estimators._did.terms import judge
from evalkit.panel import Panel

TITLE = "Dose and effect"
FEWEST = 4  # joined units with a dose


def fit(panel: Panel) -> Estimate:
    """Difference in effect per unit of dose. Raises DesignError when the doses do not vary or are missing."""
    options = panel.study.protocol.model.dose
    dose = _dose(panel)
    base = imputed.prepare(panel, options.anticipation, apart=dose[:, None])
    arrays, types = base.layout, base.types
    post = arrays.of("post")[types.first] & (base.observed.of(types) >= 0)
    weight = np.where(post, types.weight, 0.0)
    own = dose[types.first]
    total = types.count @ weight
    mean = float((types.count @ (weight * own[:, None])).sum() / total.sum())
    design = np.stack([post.astype(float), post * (own - mean)[:, None]], axis=2)
    gram = np.einsum("u,ut,utj,utk->jk", types.count, weight, design, design, optimize=True)
    if np.linalg.matrix_rank(gram) < len(gram):
        raise DesignError("the dose is the same in all joined units", panel.study.slug, "name another column")
    target = weight[:, :, None] * (design @ np.linalg.inv(gram))
    linear = two_stage(impute(types, base.periods, target), arrays, design)
    judged = judge(panel, arrays, linear, options.inference, E=lambda: bootstrap.residuals(arrays))
    level, scale, name = panel.study.protocol.level, size(panel), str(options.column)
    rows = [
        judged.row(f"difference in effect per unit of {name}", 1, level, scale),
        judged.row(f"effect at the mean of {name} ({mean:.3g})", 0, level, scale),
    ]
    return Estimate(
        **identity(panel, "dose", TITLE),  # type: ignore[arg-type]
        estimand=f"difference in the effect of joining per unit of {name}, an association",
        assumption=f"Units with more {name} would have gained no more from the same dose than the others.",
        terms=pd.DataFrame(rows),
        counts={"joined units": _joined(arrays, post, types.of), "clusters": judged.clusters},
        method=(
            f"Imputed effects regressed on {name}, standard errors of both stages clustered on {judged.clusters} "
            f"clusters, {judged.how}"
        ),
        anticipation=options.anticipation,
        diagnostics=_range(dose, arrays),
        comparison_only=False,
        warnings=(*base.warnings, "Units choose their dose: this is an association, and a secondary analysis."),
    )


def _dose(panel: Panel) -> np.ndarray:
    """Dose of each unit, nought in units that never joined; shape (n,)."""
    name, slug = panel.study.protocol.model.dose.column, panel.study.slug
    if name is None:
        raise DesignError("no dose is named", slug, "name the rollout's column under `model.dose.column`")
    if name not in panel.units.columns:
        raise DesignError(f"the rollout has no column `{name}`", slug, "add it, or correct `model.dose.column`")
    dose = pd.to_numeric(panel.units[name], errors="coerce").to_numpy(float)
    joined = panel.units["cohort"].notna().to_numpy()
    lacking = panel.units.index[joined & ~np.isfinite(dose)]
    if len(lacking):
        some = ", ".join(map(str, lacking[:5]))
        raise DesignError(
            f"`{name}` is not a number in {numbers.of(len(lacking), 'joined unit')} ({some})", slug, "fill it in"
        )
    if joined.sum() < FEWEST:
        raise DesignError(
            f"only {numbers.of(int(joined.sum()), 'unit')} joined", slug, f"a dose needs at least {FEWEST}"
        )
    return np.where(joined, dose, 0.0)


def _joined(arrays: Layout, post: np.ndarray, of: np.ndarray) -> int:
    return int((np.asarray(post.any(axis=1))[of] & ~np.isnan(arrays.g)).sum())


def _range(dose: np.ndarray, arrays: Layout) -> dict[str, float]:
    seen = dose[~np.isnan(arrays.g)]
    return {"dose_low": float(seen.min()), "dose_high": float(seen.max())}
