"""Is bunching measured as by an independent fit, told by band, refused with reasons, and rarely seen where absent?"""

from __future__ import annotations

import dataclasses
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from conftest import Maker
from drawings import drawings
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit import checks, estimators, plots, tables
from evalkit.checks import _bands
from evalkit.checks.bunching import _judged
from evalkit.errors import DataError, DesignError, StudyError
from evalkit.estimate import Refusal
from evalkit.estimators._bunching import smooth
from evalkit.panel import build
from evalkit.panel.distribution import Distribution
from evalkit.report.audit import problems
from evalkit.words.reasons import CONCERNS

EXACT = 1e-9
EDGES = np.array([0, 60, 120, 180, 210, 240, 270, 300, 360, 480], float)
FOUR = 240.0
GRIDS = [
    (EDGES, FOUR),
    (np.array([0, 60, 180, 240, 360, 480], float), FOUR),
    (np.arange(0, 730, 10.0), FOUR),
    (np.array([0, 4, 8, 12, 16, 18, 20, 26, 52], float), 18.0),
]


def moved(shares, near, beyond, part):
    """A part of what lies beyond the threshold, moved just before it; returned with how much that is."""
    out = np.array(shares)
    much = part * out[beyond].sum()
    out[beyond] *= 1 - part
    out[np.flatnonzero(near)[-1]] += much
    return out, much


# -- the estimator -------------------------------------------------------------------


@pytest.mark.parametrize(("edges", "threshold"), GRIDS)
def test_it_is_constrained_least_squares_with_a_dummy_for_every_band_left_out(edges, threshold):
    """Densities on means of powers over bands, by statsmodels; the curve holds as much as was left out."""
    found = smooth(edges, threshold)
    shares = np.random.default_rng(1).dirichlet(np.full(len(edges), 20.0))
    use = np.flatnonzero(found.covered)
    a, b = edges[use] - threshold, edges[use + 1] - threshold
    far = np.abs([a, b]).max()
    k = np.arange(1, found.order + 2)
    powers = ((b / far)[:, None] ** k - (a / far)[:, None] ** k) / k / ((b - a) / far)[:, None]
    out = np.flatnonzero((found.near | found.beyond)[use])
    dummies = (np.arange(len(use))[:, None] == out).astype(float)
    width = (b - a) / far
    model = sm.GLM(shares[use] / width, np.hstack([powers, dummies]), var_weights=width)
    held = np.append(width[out] @ powers[out], np.zeros(len(out)))[None, :]
    coefficients = model.fit_constrained((held, np.array([shares[use][out].sum()]))).params
    curve = width * (powers @ coefficients[: found.order + 1])
    near = found.near[use]
    assert found.excess(shares) == pytest.approx(float((shares[use] - curve)[near].sum()), abs=EXACT)
    assert (found.expected @ shares)[use] == pytest.approx(curve, abs=EXACT)
    assert found.smooth(shares) == pytest.approx(curve[near].sum(), abs=EXACT)


@pytest.mark.parametrize(("edges", "threshold"), GRIDS)
def test_a_polynomial_has_no_excess_and_what_was_moved_is_found_exactly(edges, threshold):
    found = smooth(edges, threshold)
    far = edges[-1]
    upper = np.append(edges[1:], 1.2 * far)
    power = np.arange(found.order + 1)
    height = np.array([1.0, -0.4, 0.3, -0.2, 0.1])[: found.order + 1]
    mass = ((upper[:, None] / far) ** (power + 1) - (edges[:, None] / far) ** (power + 1)) / (power + 1) @ height
    shares = mass / mass.sum()
    assert found.excess(shares) == pytest.approx(0, abs=EXACT)
    bunched, much = moved(shares, found.near, found.beyond, 0.3)
    assert much > 0.01
    assert found.excess(bunched) == pytest.approx(much, abs=EXACT)
    missing = ((found.expected @ bunched) - bunched)[found.beyond].sum()
    assert missing == pytest.approx(much, abs=EXACT)


@pytest.mark.parametrize("median", [120.0, 190.0, 260.0])
def test_waits_that_shorten_everywhere_hardly_move_the_excess(median):
    """A log-logistic law and one 5 % faster: the excess moves by less than 3 % of the share within four hours."""

    def law(scale):
        within = 1 / (1 + (np.append(EDGES[1:], np.inf) / scale) ** -2.2)
        return np.diff(within, prepend=0.0)

    slow, fast = law(median), law(0.95 * median)
    gained = (fast - slow)[EDGES < FOUR].sum()
    assert gained > 0.01
    assert abs(smooth(EDGES, FOUR).excess(fast - slow)) < 0.03 * gained


@settings(deadline=None, max_examples=60)
@given(
    scale=st.floats(1e-3, 1e3), shift=st.floats(-1e3, 1e3), seed=st.integers(0, 10_000), factor=st.floats(0.1, 1e4)
)
def test_unit_and_origin_do_not_matter_and_counts_scale_it(scale, shift, seed, factor):
    shares = np.random.default_rng(seed).dirichlet(np.full(len(EDGES), 5.0))
    plain = smooth(EDGES, FOUR)
    other = smooth(EDGES * scale + shift, FOUR * scale + shift)
    assert (other.near == plain.near).all()
    assert other.excess(factor * shares) == pytest.approx(factor * plain.excess(shares), abs=1e-7 * factor)


def test_window_and_order_follow_from_the_edges():
    found = smooth(EDGES, FOUR)
    assert EDGES[found.near].tolist() == [210]
    assert EDGES[found.beyond].tolist() == [240, 270]
    assert EDGES[found.fitted].tolist() == [0, 60, 120, 180, 300, 360]
    assert found.order == 4
    fine = smooth(np.arange(0, 730, 10.0), FOUR)
    assert np.arange(0, 730, 10)[fine.near].tolist() == [210, 220, 230]
    assert np.arange(0, 730, 10)[fine.beyond].tolist() == [240, 250, 260, 270, 280, 290]
    assert np.arange(0, 730, 10)[fine.fitted].max() == 470  # nothing beyond twice the threshold
    least = smooth(np.array([0, 100, 200, 240, 300, 400.0]), FOUR)
    assert (least.near.sum(), least.beyond.sum(), least.fitted.sum(), least.order) == (1, 1, 3, 1)
    crowded = smooth(np.array([0, 230, 233, 236, 240, 241, 242, 300.0]), FOUR)
    assert (crowded.near.sum(), crowded.beyond.sum(), crowded.fitted.sum()) == (2, 2, 3)


@pytest.mark.parametrize(
    ("edges", "threshold", "said"),
    [
        ([0, 60, 50, 240, 300, 400], FOUR, "increase"),
        ([0, 60, np.nan, 240, 300, 400], FOUR, "finite"),
        ([0, 60, 120, 230, 300, 400], FOUR, "no edge"),
        ([0, 120, 240, 300, 400, 500], FOUR, "2 bands below .* 3 are needed"),
        ([0, 60, 120, 240, 300], FOUR, "2 above"),
        ([0], 0.0, "edges"),
    ],
)
def test_it_is_refused_with_the_reason(edges, threshold, said):
    with pytest.raises(DesignError, match=said):
        smooth(np.array(edges, float), threshold)


# -- a study with bands ----------------------------------------------------------------

COLUMNS = [f"b{edge:g}" for edge in EDGES]
BANDS = [{"columns": c, "upto": float(e)} for c, e in zip(COLUMNS, EDGES[1:], strict=False)] + [
    {"columns": COLUMNS[-1]}
]
DECLARED = {"threshold": 240, "unit": "minutes", "words": "four hours", "bands": BANDS}
OUTCOME = {"name": "seen", "label": "Seen $in$ time", "kind": "proportion", "numerator": "seen",
           "denominator": "patients", "better": "higher", "role": "primary", "distribution": DECLARED}  # fmt: skip
BASE = {
    "outcomes": [OUTCOME], "window": ["2016-01", "2017-12"], "horizons": [], "transition": 1,
    "exclude": [{"from": "2016-05", "to": "2016-06", "why": "x"}],
    "rollout": {"path": "rollout.csv", "region": "region"},
    "source": {"reader": "csv", "path": "panel.csv", "gaps": "allow"},
}  # fmt: skip
MONTHS = pd.period_range("2016-01", "2017-12", freq="M").astype(str)


def joining(n):
    """Two waves of a sixth of the units each; column of joining, `len(MONTHS)` for never."""
    each = n // 6
    return np.array([*[12] * each, *[16] * each, *[len(MONTHS)] * (n - 2 * each)])


def counts(n, random, *, faster=0.0, extra=0.0):
    """Log-normal waits in n units, three in ten just beyond four hours pulled before it; (n, T, J).

    faster  how much joining shortens every wait, as a share
    extra   what joining adds to the share that is pulled
    """
    T = len(MONTHS)
    noise = random.normal(size=(n, T))
    for t in range(1, T):
        noise[:, t] = 0.6 * noise[:, t - 1] + 0.8 * noise[:, t]
    after = np.arange(T) >= joining(n)[:, None]
    middle = np.log(200) + 0.1 * random.normal(size=(n, 1)) + 0.04 * noise + np.log1p(-faster) * after
    upper = np.append(EDGES[1:], 1e9)
    below = 1 / (1 + np.exp(-1.7 * (np.log(upper)[None, None, :] - middle[:, :, None]) / 0.8))
    shares = np.diff(below, axis=2, prepend=0.0)
    k = np.clip(0.3 + 0.05 * random.normal(size=(n, 1)) + 0.03 * random.normal(size=(n, T)) + extra * after, 0, 0.9)
    pulled = k * shares[:, :, 5:7].sum(axis=2)
    shares[:, :, 5:7] *= (1 - k)[:, :, None]
    shares[:, :, 4] += pulled
    size = np.rint(random.uniform(3000, 9000, size=(n, 1)) * (1 + 0.05 * random.normal(size=(n, T)))).astype(int)
    return random.multinomial(size, shares / shares.sum(axis=2, keepdims=True))


def frames(found):
    """Counts as a source and a rollout."""
    n = len(found)
    units = [f"U{i:02d}" for i in range(n)]
    index = pd.MultiIndex.from_product([units, MONTHS], names=["unit", "period"])
    rows = pd.DataFrame(found.reshape(-1, len(EDGES)), index=index, columns=COLUMNS).reset_index()
    rows["seen"] = rows[[c for c, e in zip(COLUMNS, EDGES, strict=True) if e < FOUR]].sum(axis=1)
    rows["patients"] = rows[COLUMNS].sum(axis=1)
    joined = [MONTHS[g] if g < len(MONTHS) else "" for g in joining(n)]
    return rows, pd.DataFrame({"unit": units, "joined": joined, "region": [f"R{i % 4}" for i in range(n)]})


@pytest.fixture(scope="module")
def panel(tmp_path_factory):
    """`panel(n, seed, faster=..., extra=..., **protocol changes)`, each made once."""
    kept = {}

    def made(n=36, seed=3, *, faster=0.06, extra=0.0, **changes):
        key = repr((n, seed, faster, extra, changes))
        if key not in kept:
            found = counts(n, np.random.default_rng(seed), faster=faster, extra=extra)
            kept[key] = Maker(tmp_path_factory.mktemp("study")).panel(*frames(found), **{**BASE, **changes})
        return kept[key]

    return made


def outcome(**changes):
    return [{**OUTCOME, "distribution": {**DECLARED, **changes}}]


def said(make, protocol):
    rows, rollout = frames(counts(12, np.random.default_rng(0)))
    with pytest.raises(StudyError) as refused:
        make.study(rows, rollout, **{**BASE, "outcomes": protocol})
    return refused.value.faults


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"threshold": 250}, "threshold 250 is no edge"),
        ({"bands": BANDS[:4] + BANDS[4:][::-1]}, "only the last band is open, give `upto` to band 5"),
        ({"bands": BANDS[:-1]}, "last band must be open"),
        ({"bands": [BANDS[1], BANDS[0], *BANDS[2:]]}, "band 2 ends at 60, which is not above 120"),
        ({"start": 70}, "band 1 ends at 60, which is not above `start`"),
        ({"bands": BANDS[3:]}, "2 bands below the threshold, and 3 are needed"),
        ({"bands": BANDS[:6] + BANDS[-1:]}, "2 bands above the threshold, and 3 are needed"),
        ({"bands": [{**BANDS[0], "columns": "b60"}, *BANDS[1:]]}, "column `b60` is added in 2 bands"),
        ({"unit": ""}, "unit"),
        ({"words": None}, "words"),
        ({"edge": 3}, "unknown key `edge`"),
        ({"side": "left"}, "side"),
        ({"threshold": "four"}, "threshold"),
        ({"bands": []}, "bands"),
    ],
)
def test_a_distribution_that_cannot_be_is_a_fault_with_its_line(make, change, reason):
    faults = said(make, outcome(**change))
    assert any(reason in fault.what for fault in faults), [fault.what for fault in faults]
    assert all(int(fault.where.rpartition(":")[2]) > 0 for fault in faults)


def test_every_breach_is_said_at_once(make):
    bands = [BANDS[1], BANDS[0], *BANDS[2:-1]]
    (fault,) = said(make, outcome(threshold=250, bands=bands))
    for part in ("no edge", "band 2 ends at 60", "must be open"):
        assert part in fault.what


def test_it_belongs_to_a_proportion(make):
    rate = [{**OUTCOME, "kind": "rate"}]
    assert any("belongs to a proportion" in fault.what for fault in said(make, rate))


# -- the data ------------------------------------------------------------------------


def test_bands_are_read_beside_the_outcome_whatever_the_order_of_rows(make, panel):
    p = panel()
    assert isinstance(p.distribution, Distribution)
    assert p.distribution.counts.sum(axis=1).to_numpy() == pytest.approx(p.rows["denominator"].to_numpy())
    assert list(p.distribution.counts.columns)[4:6] == ["210 to 240", "240 to 270"]
    assert p.distribution.counts.columns[-1] == "480 or more"
    assert ("Distribution", "10 bands around four hours") in p.facts()
    rows, rollout = frames(counts(36, np.random.default_rng(3), faster=0.06))
    again = make.panel(rows.sample(frac=1, random_state=1), rollout, **BASE)
    pd.testing.assert_frame_equal(again.distribution.counts, p.distribution.counts)
    without = {k: v for k, v in OUTCOME.items() if k != "distribution"}
    plain = make.panel(rows, rollout, **{**BASE, "outcomes": [without]})
    assert plain.distribution is None
    assert not [label for label, _ in plain.facts() if label == "Distribution"]


def test_a_band_may_be_a_sum_and_a_difference(make, panel):
    rows, rollout = frames(counts(36, np.random.default_rng(3), faster=0.06))
    rows["first"], rows["rest"] = rows["b0"] // 2, rows["b0"] - rows["b0"] // 2
    rest = {"plus": ["seen"], "minus": COLUMNS[:4]}
    bands = [{"columns": {"plus": ["first", "rest"]}, "upto": 60}, *BANDS[1:4], {"columns": rest, "upto": 240}]
    p = make.panel(rows, rollout, **{**BASE, "outcomes": outcome(bands=[*bands, *BANDS[5:]])})
    pd.testing.assert_frame_equal(p.distribution.counts, panel().distribution.counts)


def spoilt(make, change, **changes):
    rows, rollout = frames(counts(18, np.random.default_rng(0)))
    rows = rows.astype(dict.fromkeys([*COLUMNS, "seen", "patients"], float))
    with pytest.raises(DataError) as refused:
        make.panel(change(rows), rollout, **{**BASE, **changes})
    return refused.value.faults


def put(column, value, row=30):
    def change(rows):
        rows = rows.astype({column: object})
        rows.loc[row, column] = value
        return rows

    return change


@pytest.mark.parametrize(
    ("change", "reason", "where"),
    [
        (put("b60", -3), "negative", "U01, "),
        (put("b60", 3.5), "no whole number", "U01, "),
        (put("b60", "many"), "not a number", "U01, "),
        (put("b480", 5000), "the bands of the distribution add up to something else than the denominator", "U01, "),
        (
            lambda rows: rows.rename(columns={"b210": "b240", "b240": "b210"}),
            "the bands below 240 add up to something else than the numerator",
            "U00, ",
        ),
        (lambda rows: rows.drop(columns="b60"), "no column `b60`", "panel.csv"),
        (put("b60", np.nan, slice(None)), "no unit-period has all 10 bands", ""),
    ],
)
def test_counts_that_cannot_be_are_faults(make, change, reason, where):
    faults = [fault for fault in spoilt(make, change) if reason in fault.what]
    assert faults
    assert any(where in fault.where for fault in faults), faults
    assert faults[0].fix


def test_the_wrong_side_is_a_fault_and_the_right_one_is_not(make):
    assert any("bands above 240" in f.what for f in spoilt(make, lambda rows: rows, outcomes=outcome(side="above")))
    rows, rollout = frames(counts(18, np.random.default_rng(0), faster=0.06))
    rows["late"] = rows["patients"] - rows["seen"]
    late = {**outcome(side="above")[0], "numerator": "late", "better": "lower"}
    p = make.panel(rows, rollout, **{**BASE, "outcomes": [late]})
    found = checks.bunching(p, estimators.fit("imputation", p))
    within = found.data.set_index("part")["estimate"]["within"]
    assert within == pytest.approx(-estimators.fit("imputation", p).headline["estimate"], abs=EXACT)


def test_a_little_missing_is_a_warning_and_is_left_out(make):
    rows, rollout = frames(counts(18, np.random.default_rng(0)))
    rows = rows.astype({"b480": float})
    rows.loc[5, "b480"] -= 3
    rows.loc[20:22, "b480"] = np.nan
    p = make.panel(rows, rollout, **BASE)
    told = " ".join(p.warnings)
    assert "3 unit-periods of 432 have a value and not every band" in told
    assert "In 1 unit-period the bands of the distribution miss the denominator" in told
    assert len(p.distribution.counts) == len(p.rows) - 3
    assert p.rows["value"].notna().all()
    found = checks.bunching(p, estimators.fit("imputation", p))
    assert np.isfinite(found.value)


# -- the check -----------------------------------------------------------------------

DESIGNS = ["group_time", "imputation", "two_stage", "extended_twoway", "interaction_weighted"]


def part(found, name):
    return found.data[found.data["part"].eq(name)]


@pytest.mark.parametrize("design", DESIGNS)
def test_effects_by_band_add_up_to_the_effect_on_the_share_within(panel, design):
    p = panel()
    estimate = estimators.fit(design, p)
    found = checks.bunching(p, estimate)
    bands = part(found, "band")
    assert bands.loc[bands["lower"] < FOUR, "estimate"].sum() == pytest.approx(
        estimate.headline["estimate"], abs=EXACT
    )
    assert bands["estimate"].sum() == pytest.approx(0, abs=EXACT)
    within = part(found, "within").iloc[0]
    for name in ("estimate", "std_error", "low", "high"):
        assert within[name] == pytest.approx(estimate.headline[name], abs=EXACT)


def test_they_add_up_when_units_weigh_by_their_patients_too(panel):
    p = panel(weights="denominator")
    estimate = estimators.fit("group_time", p)
    bands = part(checks.bunching(p, estimate), "band")
    assert bands.loc[bands["lower"] < FOUR, "estimate"].sum() == pytest.approx(
        estimate.headline["estimate"], abs=EXACT
    )


def test_every_figure_is_the_design_s_own_on_that_outcome(panel):
    """A whole fit on a panel whose value is the band, the excess, or the share of those within."""
    p = panel(extra=0.1)
    found = checks.bunching(p, estimators.fit("group_time", p))
    table = p.distribution.counts.reindex(p.rows.index)
    shares = 100 * table.to_numpy() / p.rows["denominator"].to_numpy()[:, None]
    curve = smooth(EDGES, FOUR)
    values = {
        "band": shares[:, 0],
        "excess": shares @ curve.weights,
        "share": 100 * table["210 to 240"].to_numpy() / p.rows["numerator"].to_numpy(),
    }
    for name, value in values.items():
        head = estimators.fit("group_time", p.with_rows(p.rows.assign(value=value))).headline
        row = part(found, name).iloc[0]
        for figure in ("estimate", "std_error", "low", "high", "p_value"):
            assert row[figure] == pytest.approx(head[figure], abs=1e-8), (name, figure)
    bands = part(found, "band")
    assert part(found, "excess")["estimate"].iloc[0] == pytest.approx(curve.weights @ bands["estimate"], abs=EXACT)
    assert found.value == part(found, "excess")["estimate"].iloc[0]
    excess = pd.Series(values["excess"], index=p.rows.index)
    before = excess[p.rows["cohort"].notna() & p.rows["phase"].eq("pre")].groupby("unit").mean()
    level = part(found, "level").set_index("name").loc["Joined, before"]
    assert level["estimate"] == pytest.approx(before.mean(), abs=EXACT)
    assert level["std_error"] == pytest.approx(before.std(ddof=1) / np.sqrt(len(before)), abs=EXACT)


def test_departures_pulled_across_the_line_are_a_concern_and_faster_ones_are_not(panel):
    pulled = panel(60, faster=0.0, extra=0.2)
    found = checks.bunching(pulled, estimators.fit("imputation", pulled))
    assert found.verdict == "concern"
    assert "Bunching grew" in found.reading
    assert found.value == pytest.approx(0.2 * 12, abs=0.6)  # some 12 % leave in the hour after four hours
    faster = panel(60, faster=0.10)
    found = checks.bunching(faster, estimators.fit("imputation", faster))
    assert found.verdict == "reassuring"
    assert part(found, "level")["estimate"].min() > 2  # bunching was there all along


def test_what_does_not_apply_says_why(make, panel):
    p = panel()
    refused = Refusal("s", "y", "group_time", "Group-time", ("Too short.",))
    assert "Too short" in checks.bunching(p, refused).reading
    series = dataclasses.replace(estimators.fit("imputation", p), design="its")
    assert "weighted sums of outcomes" in checks.bunching(p, series).reading
    bare = dataclasses.replace(p, distribution=None)
    found = checks.bunching(bare, estimators.fit("imputation", bare))
    assert found.verdict == "not applicable"
    assert "`distribution`" in found.reading
    assert "No figure" in plots.bunching(found).text
    reduced = panel(model={"twoway": {"inference": "bias_reduced", "allow_staggered": True}})
    estimate = dataclasses.replace(estimators.fit("twoway", reduced), comparison_only=False)
    assert checks.bunching(reduced, estimate).verdict == "not applicable"


def test_a_band_that_is_never_used_does_not_stop_it(make):
    found = counts(18, np.random.default_rng(0))
    found[:, :, 1] += found[:, :, 0]
    found[:, :, 0] = 0
    p = make.panel(*frames(found), **{**BASE, "source": {**BASE["source"], "zeros": "keep"}})
    asked = checks.bunching(p, estimators.fit("imputation", p))
    assert asked.verdict != "not applicable"
    assert part(asked, "band").iloc[0]["estimate"] == 0
    assert plots.bunching(asked).html.count("<tr>") == len(EDGES) + 3 + 4 + 1


@pytest.mark.parametrize(("factor", "shift"), [(1 / 60, 0.0), (60.0, 0.0)])
def test_hours_or_minutes_and_the_names_of_units_do_not_matter(make, panel, factor, shift):
    rows, rollout = frames(counts(36, np.random.default_rng(3), faster=0.06))
    names = {u: f"X{i}" for i, u in enumerate(reversed(rollout["unit"].tolist()))}
    rows["unit"], rollout["unit"] = rows["unit"].map(names), rollout["unit"].map(names)
    bands = [{**band, "upto": band["upto"] * factor + shift} if "upto" in band else band for band in BANDS]
    other = outcome(bands=bands, threshold=bands[4]["upto"], unit="hours")
    p = make.panel(rows, rollout, **{**BASE, "outcomes": other})
    found, plain = (checks.bunching(one, estimators.fit("group_time", one)) for one in (p, panel()))
    assert found.value == pytest.approx(plain.value, abs=1e-8)
    assert found.verdict == plain.verdict


def test_a_concern_has_words_a_row_and_a_figure(panel):
    assert "bunching" in CONCERNS
    p = panel(60, faster=0.0, extra=0.2)
    found = checks.bunching(p, estimators.fit("imputation", p))
    assert found.reading in tables.checks([found]).text
    shown, again = plots.bunching(found), plots.bunching(found)
    assert shown.html == again.html
    assert shown.html.count("<tr>") == len(part(found, "band")) + 3 + 4 + 1
    page = f"<!doctype html><html lang='en-GB'><head><title>t</title></head><body><main><h1>t</h1>{shown.html}"
    faults = problems(f"{page}</main></body></html>")
    assert not [f for f in faults if "img" in f or "alt" in f.lower() or "table" in f]
    drawn = drawings(shown.html)[0]
    assert ElementTree.fromstring(drawn).tag.endswith("svg")  # noqa: S314 - our own drawing


def test_hostile_words_are_escaped(panel):
    hostile = "<img src=x onerror=alert(1)>$"
    p = panel(outcomes=outcome(words=hostile, unit=hostile))
    found = checks.bunching(p, estimators.fit("imputation", p))
    for one in (plots.bunching(found), tables.checks([found])):
        assert "<img src=x" not in one.html


# -- how often ------------------------------------------------------------------------


def redrawn(p, random, **how):
    """The same study with other counts."""
    found = counts(len(p.units), random, **how).astype(float)
    rows, _ = frames(found)
    rows = rows.assign(period=pd.PeriodIndex(rows["period"], freq="M")).set_index(["unit", "period"])
    rows = rows.reindex(p.distribution.counts.index)
    spread = dataclasses.replace(p.distribution, counts=rows[COLUMNS].set_axis(p.distribution.counts.columns, axis=1))
    new = p.rows.assign(
        numerator=rows["seen"], denominator=rows["patients"], value=100 * rows["seen"] / rows["patients"]
    )
    return dataclasses.replace(p, rows=new, distribution=spread)


def rate(p, draws, design="group_time", **how):
    """Share of draws with a concern, and of those whose interval of the change of bunching lies above zero."""
    random = np.random.default_rng(20_261_126)
    concerns = above = 0
    for _ in range(draws):
        one = redrawn(p, random, **how)
        spread = _bands.spread(one)
        effects = {
            name: _bands.effect(one, design, spread.arrays, getattr(spread, name)) for name in ("within", "excess")
        }
        verdict = _judged(effects["excess"], effects["within"])[0]
        concerns += verdict == "concern"
        above += effects["excess"]["low"] > 0
    return concerns / draws, above / draws


def test_a_false_concern_is_rare_where_bunching_does_not_change(panel):
    for faster in (0.0, 0.08):
        concern, above = rate(panel(60), 120, faster=faster)
        assert concern <= above <= 0.08


def test_a_stated_extra_is_seen(panel):
    concern, above = rate(panel(60), 20, faster=0.02, extra=0.08)
    assert above >= 0.9
    assert concern >= 0.7


@pytest.mark.slow
@pytest.mark.parametrize("design", ["group_time", "imputation"])
@pytest.mark.parametrize("faster", [0.0, 0.03, 0.10])
def test_false_concerns_at_length(panel, design, faster):
    """1 in 40 by the rule where nothing changes; fewer where waits shorten and fewer are left to pull."""
    concern, above = rate(panel(60), 600, design, faster=faster)
    assert concern <= above <= (0.05 if faster == 0 else 0.03)
    assert faster > 0 or above >= 0.01


def test_the_demonstration_says_what_was_put_in():
    from evalkit.workbench import open_case

    case = open_case("uec")
    estimates = [estimators.fit("group_time", case.panel)]
    found = case.bunching(estimates)
    assert found.verdict in ("inconclusive", "reassuring")
    excess = part(found, "excess").iloc[0]
    assert excess["low"] - 0.1 < 0.36 < excess["high"] + 0.1
    assert open_case("outpatients").bunching(estimates).verdict == "not applicable"
    assert build(case.study).distribution is not None
