"""The extended two-way regression for counts and proportions, as an Estimate."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from evalkit import inference
from evalkit.errors import DesignError
from evalkit.estimate import EVENTS, Estimate, framed
from evalkit.estimators._common import exposure, horizon_name, identity
from evalkit.estimators._did import front
from evalkit.estimators._did.averages import ALL, Averages, Choice, averages
from evalkit.estimators._did.effects import Observed, observed
from evalkit.estimators._did.extended import Extended, extended_logit, extended_poisson, identified
from evalkit.estimators._did.layout import Layout, layout
from evalkit.estimators._did.poisson import Counts
from evalkit.panel import Panel
from evalkit.study.options import ExtendedTwowayOptions

FITS = {"poisson": ("count", "rate"), "logit": ("proportion",)}
RATIO = {"poisson": "rate ratio", "logit": "risk ratio"}


def fit(panel: Panel, options: ExtendedTwowayOptions, title: str) -> Estimate:
    """Effects on the rate's own scale, and as a ratio. Raises DesignError when the outcome does not fit."""
    front.require_comparison(panel)
    front.require_later_waves(panel)
    _require_plain(panel, options)
    arrays, data = _counts(panel)
    seen, lost = identified(arrays.seen, arrays.g)
    arrays = arrays.only(seen)
    types = arrays.types
    since = np.arange(arrays.Y.shape[1])[None, :] - np.where(np.isnan(arrays.g), np.inf, arrays.g)[:, None]
    cells = observed(arrays, types, (arrays.seen & (since >= 0))[types.first])
    front.require_after(panel, cells.cells)
    front.require_both_sides(arrays, np.asarray(arrays.seen.any(axis=1)), later_waves=True)
    choice = Choice(options.first, options.last, options.balanced)
    chosen = averages(cells.cells, len(arrays.cohorts), panel.study.protocol.horizons, choice)
    weights = cells.target(types, chosen.A)[types.of]
    run = extended_poisson if options.family == "poisson" else extended_logit
    found = run(Counts(data[0], data[1], arrays.seen, arrays.cluster), arrays.g, weights)
    return _estimate(panel, options, title, (arrays, cells, chosen, found, int(lost.sum())))


def _require_plain(panel: Panel, options: ExtendedTwowayOptions) -> None:
    kind, slug = panel.outcome.kind, panel.study.slug
    if kind not in FITS[options.family]:
        raise DesignError(
            f"`family: {options.family}` does not fit {panel.outcome.name}, a {kind}",
            slug,
            f"it is for a {' or '.join(FITS[options.family])}; use `family: gaussian`",
        )
    for asked, what in (
        (bool(panel.study.protocol.covariates), "covariates"),
        (options.anticipation > 0, "`anticipation`"),
        (options.inference == "wild", "`inference: wild`"),
    ):
        if asked:
            raise DesignError(
                f"`family: {options.family}` is not offered with {what}", slug, "use `family: gaussian`"
            )


def _counts(panel: Panel) -> tuple[Layout, tuple[np.ndarray, np.ndarray]]:
    """The arrays, and numerators and denominators, shape (n, T); a count is out of one."""
    arrays = layout(panel)
    rows = panel.rows
    at = panel.units.index.get_indexer(rows.index.get_level_values("unit")), rows["t"].to_numpy()
    numerator, denominator = np.zeros(arrays.Y.shape), np.ones(arrays.Y.shape)
    numerator[at] = np.nan_to_num(rows["numerator"].to_numpy(float))
    if panel.outcome.denominator is not None:
        denominator[at] = rows["denominator"].fillna(1.0).to_numpy(float)
    elif not np.isfinite(rows["numerator"].to_numpy(float)).any():
        numerator[at] = np.nan_to_num(rows["value"].to_numpy(float))
    return arrays, (numerator, denominator)


Found = tuple[Layout, Observed, Averages, Extended, int]


def _estimate(panel: Panel, options: ExtendedTwowayOptions, title: str, all_found: Found) -> Estimate:
    arrays, cells, chosen, found, lost = all_found
    scale, level = panel.outcome.scale, panel.study.protocol.level
    psi = np.sqrt(found.model.factor) * inference.by_cluster(scale * found.effect_parts, arrays.cluster)
    clusters = int((psi != 0).any(axis=1).sum())
    df = float(clusters - 1)
    said = [str(label) for _, label in chosen.names]
    rows = inference.terms(said, scale * found.effect, np.sqrt((psi**2).sum(axis=0)), df, level)
    log_error = np.sqrt(found.model.covariance(found.ratio_parts[:, :1], arrays.cluster)[0, 0])
    ratio = RATIO[options.family]
    terms, missing = _terms(panel, rows, chosen)
    terms.append(inference.ratio(f"{ALL}, as a {ratio}", found.log_ratio[0], log_error, df, level, unit=ratio))
    columns = chosen.kind("event")
    kind = {"poisson": "Poisson regression with unit", "logit": "Logit regression with wave"}[options.family]
    return Estimate(
        **identity(panel, "extended_twoway", title),  # type: ignore[arg-type]
        estimand="average effect on the joined (ATT) over the analysed periods after joining, at fitted values",
        assumption="Without joining, all units would have kept their distance from the common course on the "
        f"{'log' if options.family == 'poisson' else 'logit'} scale, and nothing changed before joining.",
        terms=pd.DataFrame(terms),
        counts={
            "joined units": len(np.unique(np.nonzero(cells.of(arrays.types)[arrays.types.of] >= 0)[0])),
            "comparison units that never joined": len(panel.never),
            "effects by wave and period": len(cells.cells.since),
            "clusters": clusters,
        },
        method=(
            f"{kind} and period effects and a term for every wave in every period after joining, averaged as the "
            f"difference between fitted values with and without joining, delta-method standard errors clustered on "
            f"{clusters} clusters, Student t on {df:.0f} degrees of freedom."
        ),
        events=_events(panel, [rows[k] for k in columns], psi[:, columns], (cells, chosen, columns, df)),
        covariance=psi[:, columns].T @ psi[:, columns],
        exposure=exposure(panel),
        warnings=(*missing, *_warnings(panel, arrays, cells, found, lost, clusters)),
    )


def _terms(panel: Panel, rows: list[dict[str, Any]], chosen: Averages) -> tuple[list[dict[str, Any]], list[str]]:
    out = [rows[k] for k in chosen.kind("term") if k == 0 or panel.staggered or "calendar" not in rows[k]["term"]]
    warnings = []
    for horizon in dict.fromkeys(panel.study.protocol.horizons):
        name = horizon_name(panel.study, horizon)
        if ("horizon", horizon) in chosen.names:
            out.append({**rows[chosen.column("horizon", horizon)], "term": name})
        else:
            warnings.append(f"The {name} is not given: no wave has it in an analysed period with a comparison.")
    return out, warnings


def _events(
    panel: Panel,
    rows: list[dict[str, Any]],
    psi: np.ndarray,
    about: tuple[Observed, Averages, list[int], float],
) -> pd.DataFrame:
    cells, chosen, columns, df = about
    if not rows:
        return framed([], EVENTS)
    reach = inference.critical_value(psi, panel.study.protocol.level, df)
    out = []
    for row, column in zip(rows, columns, strict=True):
        k = int(chosen.names[column][1])
        keep = cells.cells.since == k
        band = {
            "band_low": row["estimate"] - reach * row["std_error"],
            "band_high": row["estimate"] + reach * row["std_error"],
        }
        phase = "post" if cells.cells.post[keep].any() else "transition"
        out.append({**row, **band, "event_time": k, "phase": phase, "units": int(cells.joined[keep].sum())})
    return framed(out, EVENTS)


def _warnings(panel: Panel, arrays: Layout, cells: Observed, found: Extended, lost: int, clusters: int) -> list[str]:
    out = front.warn(panel, arrays, cells.cells, clusters)
    if lost:
        out.append(f"{lost} unit-periods of joined units have nobody untouched to be compared with and are left out.")
    if len(found.model.empty_units):
        out.append(f"{len(found.model.empty_units)} units in which nothing was counted say nothing and are left out.")
    return out
