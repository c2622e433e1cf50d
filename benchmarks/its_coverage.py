"""How often do 95 % intervals of an interrupted time series hold the truth, and how wide are they?

    python benchmarks/its_coverage.py [REPLICATIONS] [--out docs/its_coverage.md]

Simulated series without an effect, a straight course and the errors named in each row; the default engine
beside ordinary least squares and Newey-West, on the same draws. `level`, `slope` and `twelfth month` are the
change of level, the change of slope and the effect in the twelfth month. Width is the 95th
percentile of the half-width over that of an analyst who knows the autocorrelation. The bars are
tested with the same functions in tests/test_its_coverage.py.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from scipy import signal, stats

from evalkit import inference
from evalkit.estimators._its import ar1, quasi
from evalkit.estimators._its._noise import COMPOSITE, USUAL, Doubt
from evalkit.estimators._its.fit import expected

SEED = 20261122
HORIZON = 12
BURN = 200
LENGTHS, CORRELATIONS = (24, 48, 96), (0.0, 0.2, 0.4, 0.6)
QUANTITIES = ("level", "slope", "twelfth month")

Noise = Callable[[np.random.Generator, int, int], np.ndarray]


@dataclass(frozen=True)
class Cell:
    """One set of series: n analysed months, where the start lies, months of gap at it, and the errors.

    noise    draws errors of shape (series, months)
    rho      the autocorrelation when the errors are AR(1), None when they are not
    pairs    harmonic pairs in the model
    doubt    how readily noise models are believed: as the design does whose series these are
    counted  family and mean count, when the series are counts; errors are then on the scale of the link
    """

    label: str
    n: int
    noise: Noise
    rho: float | None = None
    share: float = 0.5
    gap: int = 0
    pairs: int = 0
    counted: tuple[str, float] | None = None
    level: float = 0.95
    doubt: Doubt = USUAL


def arma(ar: tuple[float, ...], ma: tuple[float, ...] = (), draw: Noise | None = None) -> Noise:
    """Stationary ARMA errors with the given coefficients."""

    def noise(random: np.random.Generator, series: int, months: int) -> np.ndarray:
        size = (series, months + BURN)
        shocks = random.normal(size=size) if draw is None else draw(random, *size)
        return signal.lfilter((1.0, *ma), (1.0, *(-a for a in ar)), shocks, axis=1)[:, BURN:]

    return noise


def through_noise(rho: float) -> Noise:
    """AR(1) of variance one seen through white noise of variance one."""

    def noise(random: np.random.Generator, series: int, months: int) -> np.ndarray:
        slow = np.sqrt(1 - rho**2) * arma((rho,))(random, series, months)
        return slow + random.normal(size=(series, months))

    return noise


def difference(own: float, other: float) -> Noise:
    """The difference of two AR(1) series of variance one."""

    def noise(random: np.random.Generator, series: int, months: int) -> np.ndarray:
        parts = [np.sqrt(1 - rho**2) * arma((rho,))(random, series, months) for rho in (own, other)]
        return parts[0] - parts[1]

    return noise


def heavy(random: np.random.Generator, series: int, months: int) -> np.ndarray:
    """Student's t on three degrees of freedom."""
    return random.standard_t(3, size=(series, months))


def walk(random: np.random.Generator, series: int, months: int) -> np.ndarray:
    """A random walk of step 0.1 seen through white noise of variance one: no trend can be told from it for long."""
    return 0.1 * random.normal(size=(series, months)).cumsum(axis=1) + random.normal(size=(series, months))


def seasonal(random: np.random.Generator, series: int, months: int) -> np.ndarray:
    """A yearly wave that the model leaves out, over AR(1) errors of 0.4."""
    phase = random.uniform(0, 2 * np.pi, size=(series, 1))
    return arma((0.4,))(random, series, months) + np.sin(2 * np.pi * np.arange(months) / 12 + phase)


def first_order() -> list[Cell]:
    """AR(1) errors: what the engine assumes."""
    out = []
    for n in LENGTHS:
        for rho in CORRELATIONS:
            out.append(Cell(f"AR(1) {rho}", n, arma((rho,)), rho))
        for rho in (0.0, 0.6):
            out.append(Cell(f"AR(1) {rho}, six months left out", n, arma((rho,)), rho, gap=6))
            out.append(Cell(f"AR(1) {rho}, start at three quarters", n, arma((rho,)), rho, share=0.75))
    return out


def seasonal_model() -> list[Cell]:
    """AR(1) errors with the two harmonic pairs that a model of two years or more has by default."""
    return [
        Cell(f"AR(1) {rho}, two harmonic pairs", n, arma((rho,)), rho, pairs=2)
        for n in (24, 36, 48)
        for rho in (0.0, 0.6)
    ]


def controlled() -> list[Cell]:
    """The difference of a joined and a control series, whose own errors persist alike or differently."""
    out = []
    for n in LENGTHS:
        for own, other in ((0.5, 0.5), (0.8, 0.3), (0.8, 0.0)):
            out.append(Cell(f"AR(1) {own} less AR(1) {other}", n, difference(own, other), doubt=COMPOSITE))
    return out


def misspecified() -> list[Cell]:
    """Errors that are not AR(1)."""
    kinds: dict[str, Noise] = {
        "AR(2) 0.4, 0.2": arma((0.4, 0.2)),
        "MA(1) 0.5": arma((), (0.5,)),
        "AR(1) 0.8 through noise": through_noise(0.8),
        "AR(1) 0.4, heavy tails (t on 3)": arma((0.4,), draw=heavy),
        "season left out of the model": seasonal,
    }
    return [Cell(label, n, noise) for n in LENGTHS for label, noise in kinds.items()]


def beyond() -> list[Cell]:
    """Errors under which no trend is stable: shown, and held to no bar."""
    return [Cell("random walk 0.1 through noise", n, walk) for n in LENGTHS]


def counts() -> list[Cell]:
    """Counts and proportions whose log or logit wanders; errors have a standard deviation of 5 %."""
    out = []
    for rho in (0.0, 0.6):
        for label, family, mean in (
            ("counts of 5,000", "log", 5000.0),
            ("counts of 500", "log", 500.0),
            ("counts of 20", "log", 20.0),
            ("proportion 0.8 of 8,000", "logit", 8000.0),
        ):
            out.append(Cell(f"{label}, AR(1) {rho}", 48, arma((rho,)), rho, counted=(family, mean)))
    return out


def design(cell: Cell) -> tuple[np.ndarray, np.ndarray]:
    """Columns and calendar positions of a cell's analysed months."""
    before = int(cell.n * cell.share)
    t = np.r_[:before, before + cell.gap : cell.n + cell.gap]
    after = (t >= before + cell.gap).astype(float)
    waves = [f(2 * np.pi * k * t / 12) for k in range(1, cell.pairs + 1) for f in (np.sin, np.cos)]
    return np.column_stack([np.ones(cell.n), t, after, after * (t - before - cell.gap), *waves]), t


def contrasts(k: int) -> np.ndarray:
    """Weights of the three quantities, shape (3, k)."""
    out = np.zeros((3, k))
    out[0, 2] = out[1, 3] = out[2, 2] = 1.0
    out[2, 3] = HORIZON - 1.0
    return out


@dataclass(frozen=True, eq=False)
class Found:
    """Estimates, half-widths and standard errors of one engine; each shape (3, series). The truth is 0."""

    estimate: np.ndarray
    reach: np.ndarray
    error: np.ndarray

    @property
    def covered(self) -> np.ndarray:
        """The share of intervals that hold the truth, shape (3,)."""
        return (np.abs(self.estimate) <= self.reach).mean(axis=1)

    @property
    def bias(self) -> np.ndarray:
        """The mean estimate in units of its own simulation error, shape (3,)."""
        return self.estimate.mean(axis=1) / (self.estimate.std(axis=1) / np.sqrt(self.estimate.shape[1]))


def draw(cell: Cell, series: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Design, calendar positions and errors of the analysed months."""
    X, t = design(cell)
    noise = cell.noise(np.random.default_rng([seed, *cell.label.encode(), cell.n]), series, int(t[-1]) + 1)
    return X, t, noise[:, t]


def default_engine(cell: Cell, series: int, seed: int = SEED) -> Found:
    """The default engine on a cell."""
    X, t, Y = draw(cell, series, seed)
    many = _fit_counts(cell, X, t, Y, seed) if cell.counted else ar1.fit_many(X, Y, t, doubt=cell.doubt)
    parts = [many.contrast(c) for c in contrasts(X.shape[1])]
    estimate, error, df = (np.array(part) for part in zip(*parts, strict=True))
    return Found(estimate, stats.t.ppf(0.5 + cell.level / 2, df) * error, error)


def _fit_counts(cell: Cell, X: np.ndarray, t: np.ndarray, Y: np.ndarray, seed: int) -> ar1.Many:
    """Counts around exp or expit of the errors, scaled to a standard deviation of 0.05."""
    link, mean = cell.counted or ("", 0.0)
    random = np.random.default_rng([seed, 1])
    latent = 0.05 * Y * np.sqrt(1 - (cell.rho or 0.0) ** 2)
    base = np.full_like(Y, mean)
    if link == "log":
        return quasi.fit_many(
            X, quasi.Counted(link, random.poisson(mean * np.exp(latent)).astype(float), base / mean), t
        )
    drawn = random.binomial(int(mean), expected("logit", np.log(4.0) + latent)).astype(float)
    return quasi.fit_many(X, quasi.Counted(link, drawn, base), t)


def least_squares(cell: Cell, series: int, seed: int = SEED, lags: int | None = None) -> Found:
    """Ordinary least squares, or with `lags` Newey-West (factor n/(n-k), t), on the same draws."""
    X, t, Y = draw(cell, series, seed)
    n, k = X.shape
    bread = np.linalg.inv(X.T @ X)
    beta = Y @ X @ bread
    residuals = Y - beta @ X.T
    C = contrasts(k)
    if lags is None:
        sigma2 = (residuals**2).sum(1) / (n - k)
        error = np.sqrt(np.einsum("ck,kl,cl->c", C, bread, C)[:, None] * sigma2)
    else:
        covariances = [inference.newey_west(X, e, t, lags) for e in residuals]
        error = np.sqrt([[c @ V @ c for V in covariances] for c in C])
    return Found((beta @ C.T).T, stats.t.ppf(0.5 + cell.level / 2, n - k) * error, error)


def known(cell: Cell) -> np.ndarray:
    """Half-width of an analyst who knows rho and the innovations' variance of one, shape (3,)."""
    X, t = design(cell)
    R = (cell.rho or 0.0) ** np.abs(np.subtract.outer(t, t)) / (1 - (cell.rho or 0.0) ** 2)
    bread = np.linalg.inv(X.T @ np.linalg.solve(R, X))
    C = contrasts(X.shape[1])
    return stats.norm.ppf(0.5 + cell.level / 2) * np.sqrt(np.einsum("ck,kl,cl->c", C, bread, C))


def width(cell: Cell, found: Found) -> np.ndarray:
    """95th percentile of the half-width over the known one, shape (3,)."""
    return np.quantile(found.reach, 0.95, axis=1) / known(cell)


def _row(cell: Cell, series: int) -> str:
    found = default_engine(cell, series)
    shares = " / ".join(f"{100 * c:.1f}" for c in found.covered)
    wide = " / ".join(f"{w:.2f}" for w in width(cell, found)[:2]) if cell.rho is not None and not cell.counted else ""
    bias = f"{np.abs(found.bias).max():.1f}"
    plain = newey = ""
    if not cell.counted:
        plain = " / ".join(f"{100 * c:.0f}" for c in least_squares(cell, series).covered)
        newey = " / ".join(f"{100 * c:.0f}" for c in least_squares(cell, min(series, 1000), lags=1).covered)
    return f"| {cell.label} | {cell.n} | {shares} | {wide} | {bias} | {plain} | {newey} |"


def table(series: int) -> str:
    """The whole page."""
    head = [
        "# Coverage of the default interrupted time series",
        "",
        f"Simulated {datetime.now(UTC).date().isoformat()}, seed {SEED}, {series:,} series a row "
        f"(`python benchmarks/its_coverage.py {series}`). A share of 95 % is known to within "
        f"{196 * np.sqrt(0.95 * 0.05 / series):.1f} points. Newey-West (lag 1) on at most 1,000 of them.",
        "",
        "Coverage is that of 95 % intervals, per cent: change of level / change of slope / effect in month 12. "
        "Width is the 95th percentile of the half-width over that of an analyst who knows the autocorrelation, "
        "level / slope. Bias is the largest of the three, in simulation standard errors.",
    ]
    for title, cells in (
        ("AR(1) errors", first_order()),
        ("AR(1) errors and a season in the model", seasonal_model()),
        ("Errors of another kind", misspecified()),
        ("Controlled: the difference of two series", controlled()),
        ("Counts and proportions", counts()),
        ("Beyond the bar: a course with no stable trend", beyond()),
    ):
        head += [
            "",
            f"## {title}",
            "",
            "| errors | months | default engine | width | bias | least squares | Newey-West |",
        ]
        head += ["|---|---|---|---|---|---|---|", *(_row(cell, series) for cell in cells)]
    return "\n".join(head) + "\n"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("replications", nargs="?", type=int, default=4000)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    text = table(options.replications)
    if options.out:
        options.out.write_text(text, encoding="utf-8")
    print(text, end="")
