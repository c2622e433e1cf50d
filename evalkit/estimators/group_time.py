"""Group-time effects: each wave against units that have not (yet) joined.

    ATT(g, t) = E[Y_t - Y_b | joined at g] - E[Y_t - Y_b | not joined by t]

for cohort g, period t and base period b, the last analysed period before joining (less any
declared anticipation). Effects are then averaged: over all analysed unit-periods after joining
(the headline, each cohort weighted by its size), by periods since joining, and by cohort. Units
weigh equally; the figures are in the outcome's unit. No unit is ever compared with one that had
already joined. Effects before joining use the previous period as base (`base: varying`) and
should be near zero.

Standard errors come from the influence function, added up within clusters; Student t on
clusters - 1 degrees of freedom.

Assumes that without joining each cohort would have changed as the comparison did from its base
period on (parallel trends), and no effect before joining beyond the declared anticipation.

Source: Callaway and Sant'Anna (2021), J Econometrics 225:200.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from evalkit import inference, numbers, periods
from evalkit.errors import DesignError
from evalkit.estimate import EVENTS, Estimate, framed
from evalkit.estimators._common import exposure, identity, size
from evalkit.estimators._group_time import Cells, Design, aggregate, group_time, of_sizes
from evalkit.panel import Panel

TITLE = "Group-time difference-in-differences"
SMALL = 5  # units; a smaller wave is named
FEW_CLUSTERS = 30  # below this, clustered intervals are known to be too narrow


@dataclass(frozen=True, eq=False)
class Effects:
    """Cells with what it takes to average them and to judge the average."""

    cells: Cells
    g: np.ndarray
    cluster: np.ndarray
    df: int

    def average(self, keep: np.ndarray) -> tuple[float, np.ndarray]:
        """A size-weighted mean of cells and its influence by cluster, over n."""
        effect, influence = aggregate(self.cells, self.g, keep)
        return effect, inference.by_cluster(influence[:, None], self.cluster)[:, 0] / self.cells.n


def fit(panel: Panel) -> Estimate:
    """Effects of joining by cohort and period, averaged. Raises DesignError when not identified."""
    design = _design(panel)
    Y, g = panel.value_matrix()
    effects = _effects(panel, group_time(Y, g, design, panel.units["cluster"].to_numpy()), g, design)
    post = _post(panel, effects.cells)
    events, influence = _events(panel, effects, post)
    terms, warnings = _terms(panel, effects, post, events, influence)
    cells = effects.cells
    return Estimate(
        **identity(panel, "group_time", TITLE),  # type: ignore[arg-type]
        estimand="average effect on the joined (ATT) over the analysed periods after joining",
        assumption=(
            "Without joining, each wave would have changed as the units that had not joined did, "
            "and nothing changed before joining."
        ),
        terms=pd.DataFrame(terms),
        counts={
            "joined units": sum(cells.sizes[c] for c in _waves(cells, post)),
            "comparison units that never joined": len(panel.never),
            "waves": len(_waves(cells, post)),
            "group-time effects": len(cells.effect),
            "clusters": effects.df + 1,
        },
        method=_method(design, effects.df),
        events=events,
        covariance=influence.T @ influence,
        exposure=exposure(panel, cells.period[post]),
        anticipation=design.anticipation,
        base="universal" if design.universal else "varying",
        warnings=(*warnings, *_warnings(panel, effects, post)),
    )


def _design(panel: Panel) -> Design:
    """Who is compared with whom, from the protocol."""
    comparison, options = panel.study.protocol.comparison, panel.study.protocol.model.group_time
    slug = panel.study.slug
    if panel.joined.empty:
        raise DesignError("no unit joined", slug, "give joining dates in the rollout")
    if comparison == "none":
        raise DesignError("the protocol says that there is no comparison", slug, "use an interrupted time series")
    if comparison in (None, "not_yet_joined"):
        return Design("not_yet", options.anticipation, options.base == "universal")
    if panel.never.empty:
        raise DesignError("no unit never joined", slug, "use `comparison: not_yet_joined`")
    return Design("never", options.anticipation, options.base == "universal")


def _effects(panel: Panel, cells: Cells, g: np.ndarray, design: Design) -> Effects:
    if cells.effect.size == 0:
        raise DesignError(
            "no wave has both a period before joining and at least two clusters that had not joined to compare with",
            panel.study.slug,
            "widen `window`, add comparison units, or cluster on a finer level",
        )
    cluster = panel.units["cluster"].to_numpy()
    active = np.any(cells.influence != 0, axis=1)
    clusters = len(np.unique(cluster[active]))
    if not clusters:
        raise DesignError("the changes do not vary between units", panel.study.slug, "check the outcome")
    joined = ~np.isnan(g) & cells.member
    later = design.comparison == "not_yet" and len(cells.sizes) > 1
    inference.require_clusters(cluster, joined, None if later else np.isnan(g))
    return Effects(cells, g, cluster, clusters - 1)


def _post(panel: Panel, cells: Cells) -> np.ndarray:
    """Which cells are analysed periods after joining, by the phase of their cohort in their period."""
    window = panel.study.window
    cohort = pd.Series(window[cells.cohort])
    phase = panel.study.phases(cohort, pd.Series(window[cells.period]))
    post: np.ndarray = phase == "post"
    if not post.any():
        raise DesignError(
            "no wave has an analysed period after joining with a comparison left",
            panel.study.slug,
            "shorten `transition`, widen `window`, or add comparison units",
        )
    if max(cells.clusters[post]) == 1:
        raise DesignError(
            "every wave is a single unit or cluster, whose own variation cannot be judged",
            panel.study.slug,
            "cluster on a finer level, or use an interrupted time series",
        )
    return post


def _events(panel: Panel, effects: Effects, post: np.ndarray) -> tuple[pd.DataFrame, np.ndarray]:
    """Effects by periods since joining, and their influence by cluster, shape (clusters, rows)."""
    cells, level = effects.cells, panel.study.protocol.level
    rows, influences = [], []
    for k in np.unique(cells.since):
        keep = cells.since == k
        if cells.clusters[keep].max() == 1:  # one cluster alone: its own variance would count as zero
            continue
        effect, influence = effects.average(keep)
        error = float(np.sqrt(influence @ influence))
        row = inference.term(f"effect at {k}", effect, error, effects.df, level, scale=size(panel))
        phase = "pre" if k < 0 else "post" if post[keep].any() else "transition"
        rows.append({**row, "event_time": int(k), "phase": phase, "units": int(cells.joined[keep].sum())})
        influences.append(influence)
    return framed(rows, EVENTS), np.stack(influences, axis=1)


def _terms(
    panel: Panel, effects: Effects, post: np.ndarray, events: pd.DataFrame, influence: np.ndarray
) -> tuple[list[dict[str, Any]], list[str]]:
    study, cells = panel.study, effects.cells
    wanted = {"average effect on the joined (ATT)": effects.average(post)}
    times = events["event_time"].to_numpy()
    after = np.isin(times, cells.since[post])
    if after.any():
        wanted["mean over periods since joining"] = _plain_mean(events["estimate"].to_numpy(), influence, after)
    if len(cells.sizes) > 1:
        wanted["mean of the waves' own averages"] = _cohort_mean(effects, post)
    warnings = []
    for horizon in study.protocol.horizons:
        name = f"effect {horizon} {periods.noun(study.frequency, horizon)} after joining"
        keep = post & (cells.since == horizon)
        if not keep.any():
            warnings.append(f"The {name} is not given: no wave has it in an analysed period with a comparison.")
        elif cells.clusters[keep].max() == 1:
            warnings.append(f"The {name} is not given: it rests on single units or clusters.")
        else:
            wanted[name] = effects.average(keep)
    terms = [
        inference.term(
            name, effect, float(np.sqrt(by_cluster @ by_cluster)), effects.df, study.protocol.level, scale=size(panel)
        )
        for name, (effect, by_cluster) in wanted.items()
    ]
    return terms, warnings


def _plain_mean(effect: np.ndarray, influence: np.ndarray, keep: np.ndarray) -> tuple[float, np.ndarray]:
    return float(effect[keep].mean()), influence[:, keep].mean(axis=1)


def _cohort_mean(effects: Effects, post: np.ndarray) -> tuple[float, np.ndarray]:
    """Each wave's own average after joining, averaged over waves by size.

    The sizes are estimated as in `aggregate`; within a wave every cell has the same weight, so a wave's
    average carries no weight of its own to be estimated.
    """
    cells = effects.cells
    cohorts = np.unique(cells.cohort[post])
    share = np.array([cells.sizes[int(c)] for c in cohorts]) / cells.n
    weights = share / share.sum()
    averages, influence = [], np.zeros((len(effects.g), len(cohorts)))
    for j, c in enumerate(cohorts):
        keep = post & (cells.cohort == c)
        averages.append(cells.effect[keep].mean())
        influence[:, j] = cells.influence[:, keep].mean(axis=1)
    average = np.array(averages)
    total = influence @ weights + of_sizes(cells, effects.g, cohorts) @ average
    return float(weights @ average), inference.by_cluster(total[:, None], effects.cluster)[:, 0] / cells.n


def _method(design: Design, df: int) -> str:
    whom = "units that had not yet joined" if design.comparison == "not_yet" else "units that never joined"
    lead = f", {design.anticipation} periods of anticipation" if design.anticipation else ""
    return (
        f"Group-time effects (Callaway and Sant'Anna 2021) against {whom}{lead}, each unit weighing equally, "
        f"standard errors from the influence function clustered on {df + 1} clusters, Student t on {df} degrees "
        "of freedom."
    )


def _waves(cells: Cells, post: np.ndarray) -> list[int]:
    """The waves, by column, that have an effect in an analysed period after joining."""
    return [int(c) for c in np.unique(cells.cohort[post])]


def _warnings(panel: Panel, effects: Effects, post: np.ndarray) -> list[str]:
    cells, out = effects.cells, []
    single = [c for c in _waves(cells, post) if cells.clusters[post & (cells.cohort == c)].max() == 1]
    if single:
        out.append(
            f"{len(single)} of {len(cells.sizes)} waves are a single unit or cluster; their own variation counts "
            "as nought, so intervals are too narrow."
        )
    unseen = sorted(set(cells.sizes) - set(_waves(cells, post)))
    if unseen:
        joined = ", ".join(periods.say(panel.study.window[c]) for c in unseen)
        out.append(
            f"The average leaves out the {numbers.of(len(unseen), 'wave')} that joined in {joined}: after joining, "
            "nobody was left to compare with, or no period is analysed."
        )
    small = [c for c, size in cells.sizes.items() if 1 < size < SMALL]
    if small:
        out.append(f"{len(small)} waves have fewer than {SMALL} units; intervals may be too narrow.")
    if effects.df + 1 < FEW_CLUSTERS:
        out.append(f"With only {effects.df + 1} clusters the intervals may be too narrow.")
    dropped = len(panel.joined) - sum(cells.sizes.values())
    if dropped:
        out.append(f"{dropped} units joined before any analysed period and were left out.")
    if cells.skipped:
        out.append(
            f"{cells.skipped} group-time effects could not be computed: nobody was seen on one side, or one "
            "cluster alone."
        )
    if panel.study.protocol.covariates:
        out.append("The protocol's covariates are described with the data; this estimate is not adjusted for them.")
    return out
