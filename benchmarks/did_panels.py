"""Simulated panels with waves for the benchmarks of difference-in-differences, built in memory."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from scipy import signal

from evalkit import study as studies
from evalkit.panel import Panel

BURN = 60


@dataclass(frozen=True, eq=False)
class Simulated:
    """Outcomes, shape (n, T), NaN where missing; joining columns, shape (n,), NaN for never."""

    Y: np.ndarray
    g: np.ndarray

    @property
    def frame(self) -> pd.DataFrame:
        """Long, for peers: unit, time and first from 1 (first 0 for never), y, joined, and `post` in a wave."""
        n, T = self.Y.shape
        first = np.repeat(np.where(np.isnan(self.g), 0, np.nan_to_num(self.g) + 1).astype(int), T)
        time = np.tile(np.arange(1, T + 1), n)
        out = pd.DataFrame({"unit": np.repeat(np.arange(n), T), "time": time, "first": first, "y": self.Y.ravel()})
        out["joined"] = ((first > 0) & (time >= first)).astype(int)
        return out[out["y"].notna()].reset_index(drop=True)


def ar1(random: np.random.Generator, shape: tuple[int, ...], rho: float) -> np.ndarray:
    """Stationary AR(1) errors of variance one along the last axis."""
    shocks = np.sqrt(1 - rho**2) * random.normal(size=(*shape[:-1], shape[-1] + BURN))
    found: np.ndarray = signal.lfilter([1.0], [1.0, -rho], shocks, axis=-1)[..., BURN:]
    return found


def waves(n: int, T: int, count: int, never: float = 0.2, first: float = 0.3, last: float = 0.7) -> np.ndarray:
    """Joining columns: `count` waves of equal size spread over the window, the rest never."""
    joined = round(n * (1 - never))
    starts = np.round(np.linspace(first * T, last * T, count)).astype(int)
    return np.concatenate(
        [np.repeat(starts, -(-joined // count))[:joined].astype(float), np.full(n - joined, np.nan)]
    )


def simulate(g: np.ndarray, T: int, *, rho: float = 0.5, missing: float = 0.0, seed: int = 1) -> Simulated:
    """Unit and period effects, AR(1) errors, effects that grow with time since joining and differ by wave."""
    random = np.random.default_rng(seed)
    n = len(g)
    Y = random.normal(size=(n, 1)) * 2 + random.normal(size=T) + ar1(random, (n, T), rho)
    Y += effects(g, T)
    if missing:
        Y[random.random(Y.shape) < missing] = np.nan
    return Simulated(Y, g)


def effects(g: np.ndarray, T: int) -> np.ndarray:
    """1 + .05 per period since joining, times .7 to 1.3 from the first wave to the last; shape (n, T)."""
    since = np.arange(T)[None, :] - np.where(np.isnan(g), np.inf, g)[:, None]
    low, high = np.nanmin(g), np.nanmax(g)
    size = 0.7 + 0.6 * (np.nan_to_num(g, nan=low) - low) / max(high - low, 1.0)
    return np.where(since >= 0, size[:, None] * (1 + 0.05 * np.where(np.isfinite(since), since, 0)), 0.0)


def panel(simulated: Simulated, /, **changes: Any) -> Panel:  # noqa: ANN401 - any field of a protocol
    """The same as a Panel, without a detour by files."""
    n, T = simulated.Y.shape
    study = _study(T, changes)
    window = study.window
    names = pd.Index([f"U{i:06d}" for i in range(n)], name="unit")
    cohort = pd.PeriodIndex([window[0] + int(c) if np.isfinite(c) else pd.NaT for c in simulated.g], freq="M")
    present = np.flatnonzero(~np.isnan(simulated.Y.ravel()))
    unit, t = np.divmod(present, T)
    index = pd.MultiIndex(levels=[names, window.rename("period")], codes=[unit, t], names=["unit", "period"])
    joined = cohort[unit]
    rows = pd.DataFrame({"value": simulated.Y.ravel()[present]}, index=index)
    rows["numerator"], rows["denominator"] = rows["value"], np.nan
    rows["cohort"] = joined
    table = np.where(t < np.nan_to_num(simulated.g, nan=np.inf)[unit], "pre", "post")  # no transition, no exclusion
    rows["phase"], rows["t"] = table, t
    units = pd.DataFrame(
        {"cohort": cohort, "name": names, "segment": "", "region": "", "cluster": names}, index=names
    )
    missing = pd.DataFrame({"unit": [], "period": [], "why": []})
    return Panel(study, study.primary, rows, units, missing)


def _study(T: int, changes: dict[str, Any]) -> studies.Study:
    last = pd.Period("2000-01", "M") + T - 1
    protocol = {
        "title": "A benchmark",
        "question": "Did it work?",
        "source": {"reader": "csv", "path": "panel.csv"},
        "window": ["2000-01", str(last)],
        "outcomes": [
            {
                "name": "y",
                "label": "Outcome",
                "kind": "continuous",
                "value": "y",
                "better": "higher",
                "role": "primary",
            }
        ],
        "rollout": {"path": "rollout.csv"},
        **changes,
    }
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "benchmark.yml"
        path.write_text(yaml.safe_dump(protocol, sort_keys=False), encoding="utf-8")
        return studies.load(path)
