"""What every comparison between units asks of a panel before it starts."""

from __future__ import annotations

import numpy as np

from evalkit import inference, numbers, periods
from evalkit.errors import DesignError
from evalkit.estimators._did.averages import Cells
from evalkit.estimators._did.layout import Layout
from evalkit.panel import Panel

SMALL = 5  # units; a smaller wave is named
SMALL_WAVE = 10  # units or clusters; below this each is left out of the mean that it is judged by
FEWEST_WILD = 6  # clusters; with fewer the wild bootstrap has too few different draws
FEW_CLUSTERS = 30  # below this, clustered intervals are known to be too narrow


def require_comparison(panel: Panel, waves: int | None = None) -> None:
    """Refuse a panel without anybody who joined, or that wants no comparison.

    waves  how many there are, where that is known
    """
    slug, waves = panel.study.slug, len(panel.cohorts) if waves is None else waves
    if not waves:
        raise DesignError("no unit joined", slug, "give joining dates in the rollout")
    if panel.study.protocol.comparison == "none":
        raise DesignError("the protocol says that there is no comparison", slug, "use an interrupted time series")
    if waves == 1 and panel.never.empty:
        raise DesignError(
            "every unit joined at once, so nobody is left to compare with", slug, "add units that did not join"
        )


def only_never(panel: Panel) -> bool:
    """Whether the protocol allows only units that never joined as comparison. Raises DesignError without any."""
    comparison = panel.study.protocol.comparison
    if comparison in (None, "not_yet_joined"):
        return False
    if panel.never.empty:
        raise DesignError("no unit never joined", panel.study.slug, "use `comparison: not_yet_joined`")
    return True


def require_later_waves(panel: Panel) -> None:
    """Refuse a protocol that rules out later waves as comparison, for designs that learn from all of them."""
    if only_never(panel) and panel.staggered:
        raise DesignError(
            "this design learns from the untouched periods of later waves too, and the protocol allows only units "
            "that never joined as comparison",
            panel.study.slug,
            "use group_time or interaction_weighted, or `comparison: not_yet_joined`",
        )


def require_both_sides(layout: Layout, kept: np.ndarray, *, later_waves: bool) -> None:
    """Refuse a side that is a single cluster.

    kept         units in the sample, booleans, shape (n,)
    later_waves  whether units that join later are part of the comparison
    """
    joined = ~np.isnan(layout.g) & kept
    if joined.sum() == 1:
        raise DesignError(
            "only one unit joined, and its own variation cannot be judged",
            fix="use synthetic_did or synthetic_control, or an interrupted time series",
        )
    waves = len(np.unique(layout.g[joined]))
    never = None if later_waves and waves > 1 else np.isnan(layout.g) & kept
    inference.require_clusters(layout.cluster, joined, never)


def require_after(panel: Panel, cells: Cells) -> None:
    """Refuse a design without an effect in an analysed period after joining."""
    if not cells.post.any():
        raise DesignError(
            "no wave has an analysed period after joining with a comparison left",
            panel.study.slug,
            "shorten `transition`, widen `window`, or add comparison units",
        )


def warn(panel: Panel, layout: Layout, cells: Cells, clusters: int) -> list[str]:
    """What the reader must know of the waves: left out, single, small; and of few clusters."""
    out = []
    waves = set(cells.cohort[cells.post].tolist())
    unseen = [c for h, c in enumerate(layout.cohorts) if h not in waves]
    if unseen:
        joined = ", ".join(periods.say(panel.study.window[c]) for c in unseen)
        out.append(
            f"The average leaves out the {numbers.of(len(unseen), 'wave')} that joined in {joined}: no untouched "
            "period before joining, no analysed one after, or nobody left to compare with."
        )
    sizes = {h: int((layout.group == h).sum()) for h in waves}
    lone = lonely(layout, sorted(waves))
    if lone:
        out.append(
            f"{len(lone)} of {len(waves)} waves are a single unit or cluster: their own variation is taken to be "
            "that of the comparison units."
        )
    small = [h for h, size in sizes.items() if h not in lone and size < SMALL]
    if small:
        verb = "has" if len(small) == 1 else "have"
        out.append(f"{numbers.of(len(small), 'wave')} {verb} fewer than {SMALL} units; intervals may be too narrow.")
    if clusters < FEW_CLUSTERS:
        out.append(f"With only {clusters} clusters the intervals may be too narrow.")
    return out


def smallest_wave(layout: Layout, cells: Cells) -> float:
    """Clusters of the smallest wave that has an effect after joining: see `smallest`."""
    return smallest(layout, np.unique(cells.cohort[cells.post]).tolist())


def smallest(layout: Layout, waves: list[int]) -> float:
    """Clusters of the smallest of some waves, as many of equal weight as they amount to.

    (sum w)^2 / sum w^2 over the clusters of a wave, w their units' sizes; Kish (1965), Survey Sampling, 11.7.
    """
    seen = layout.seen.any(axis=1)
    found = []
    for h in waves:
        inside = (layout.group == h) & seen
        size = np.bincount(layout.cluster[inside], layout.size[inside])
        found.append(float(size.sum() ** 2 / (size**2).sum()))
    return min(found)


def lonely(layout: Layout, waves: list[int]) -> list[int]:
    """Waves that are one unit or one cluster, whose own variation cannot be seen."""
    seen = layout.seen.any(axis=1)
    return [h for h in waves if len(np.unique(layout.cluster[(layout.group == h) & seen])) == 1]


def without_untouched(layout: Layout, gone: np.ndarray) -> str:
    """Which units had joined before anything was seen of them."""
    names = ", ".join(map(str, layout.units[gone][:5]))
    return f"{numbers.of(int(gone.sum()), 'unit')} have no untouched period and were left out ({names})."


def sample(layout: Layout, anticipation: int) -> tuple[np.ndarray, np.ndarray]:
    """Untouched unit-periods and those that joining may have touched; booleans, shape (n, T) each.

    Touched are those from `anticipation` periods before joining on.
    """
    since = np.arange(layout.Y.shape[1])[None, :] - np.where(np.isnan(layout.g), np.inf, layout.g)[:, None]
    touched = layout.seen & (since >= -anticipation)
    return layout.seen & ~touched, touched
