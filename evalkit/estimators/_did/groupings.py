"""The groupings of units that a protocol declares, as weights of unit-periods."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from evalkit import periods
from evalkit.errors import DesignError
from evalkit.estimators._did.layout import Layout, Types
from evalkit.panel import Panel

Name = tuple[str, str, int, int]  # grouping, group, its units and its clusters
THIRDS = ("lowest third", "middle third", "highest third")


@dataclass(frozen=True, eq=False)
class Grouping:
    """One way to group the joined.

    kind    `segment`, `region`, `wave` or `baseline`
    labels  of the groups
    code    group of each unit, -1 for units that never joined or have none, shape (n,)
    """

    kind: str
    labels: list[str]
    code: np.ndarray


def declared(panel: Panel, by: tuple[str, ...]) -> list[Grouping]:
    """The groupings. Raises DesignError when none is declared, or one has no values."""
    if not by:
        raise DesignError(
            "the protocol declares no grouping of units",
            panel.study.slug,
            "name segment, region, wave or baseline under `model.heterogeneity.by`",
        )
    return [_grouping(panel, kind) for kind in by]


def _grouping(panel: Panel, kind: str) -> Grouping:
    joined = panel.units["cohort"].notna().to_numpy()
    if kind == "baseline":
        return Grouping(kind, list(THIRDS), _thirds(panel, joined))
    if kind == "wave":
        text = np.array([periods.code(c) if j else "" for c, j in zip(panel.units["cohort"], joined, strict=True)])
    else:
        text = panel.units[kind].astype(str).to_numpy()
        if not (text[joined] != "").any():
            raise DesignError(
                f"no joined unit has a {kind}", panel.study.slug, f"name the column in `rollout.{kind}`"
            )
    labels = sorted(set(text[joined]) - {""})
    where = {label: i for i, label in enumerate(labels)}
    code = np.array([where.get(t, -1) if j else -1 for t, j in zip(text, joined, strict=True)])
    return Grouping(kind, labels, code)


def _thirds(panel: Panel, joined: np.ndarray) -> np.ndarray:
    """Thirds of the joined by their mean before the first wave joined."""
    mean = panel.baseline()["mean"].to_numpy(float)
    known = joined & np.isfinite(mean)
    if known.sum() < len(THIRDS):
        raise DesignError(
            "fewer than three joined units were seen before the first wave", panel.study.slug, "widen `window`"
        )
    cuts = np.quantile(mean[known], [1 / 3, 2 / 3])
    return np.where(known, np.searchsorted(cuts, mean, side="left"), -1)


def columns(
    arrays: Layout, types: Types, post: np.ndarray, grouped: list[Grouping], fewest: int
) -> tuple[list[np.ndarray], list[Name], list[str]]:
    """Weights of unit-periods, per unit of a type: of all, then of each group; what each is; what was left out.

    post    analysed unit-periods after joining of each type, booleans, shape (U, T)
    fewest  clusters that a group needs
    """
    everything = np.where(post, types.weight, 0.0)
    names: list[Name] = []
    out, warnings = [_normed(everything, types)], []
    for grouping in grouped:
        code = grouping.code[types.first]
        for g, label in enumerate(grouping.labels):
            inside = np.where((code == g)[:, None], everything, 0.0)
            members = np.flatnonzero((inside.sum(axis=1) > 0)[types.of])
            clusters = len(np.unique(arrays.cluster[members]))
            if clusters < fewest:
                warnings.append(f"The {grouping.kind} {label} has too few units to be judged and is left out.")
                continue
            out.append(_normed(inside, types))
            names.append((grouping.kind, label, len(members), clusters))
    if not names:
        raise DesignError("no group has two units or clusters", fix="declare wider groups")
    return out, names, warnings


def _normed(weight: np.ndarray, types: Types) -> np.ndarray:
    out: np.ndarray = weight / (types.count @ weight).sum()
    return out


def cautions(by: tuple[str, ...]) -> tuple[str, ...]:
    """What a reader of effects by group must know."""
    if "baseline" not in by:
        return ()
    return (
        "By level before joining, regression to the mean alone makes the lowest third improve and the highest fall.",
    )
