"""Do figures of comparisons between units draw what was computed, say it in words, and survive hostile names?"""

from __future__ import annotations

import dataclasses
import re
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from conftest import Maker
from drawings import crowded, drawing, laid_out

from evalkit import checks, estimators, plots, tables
from evalkit.errors import DesignError
from evalkit.estimate import Refusal
from evalkit.report.audit import problems

HOSTILE = "<img src=x onerror=alert(1)>&\"'"
REFUSED = Refusal("s", "y", "group_time", "Group-time", (f"Too short {HOSTILE}.",))
MODEL = {
    "twoway": {"allow_staggered": True}, "event_study": {"allow_staggered": True},
    "heterogeneity": {"by": ["region", "wave"]},
}  # fmt: skip


@pytest.fixture(scope="module")
def panel(tmp_path_factory):
    random = np.random.default_rng(2)
    months = pd.period_range("2016-01", "2018-12", freq="M").astype(str)
    units = [f"U{i:02d} {HOSTILE if i == 3 else ''}".strip() for i in range(24)]
    level = random.normal(size=24)
    rows = pd.DataFrame(
        [(u, m, 50 + 3 * level[i] + random.normal()) for i, u in enumerate(units) for m in months],
        columns=["unit", "period", "y"],
    )
    rollout = pd.DataFrame(
        {
            "unit": units,
            "joined": ["2017-04"] * 6 + ["2017-09"] * 6 + [""] * 12,
            "region": [f"North {HOSTILE}", "South", "East"] * 8,
            "size": (level + random.normal(size=24)).round(3),
        }
    )
    outcomes = [{"name": "y", "label": f"Label {HOSTILE}", "kind": "continuous", "value": "y", "better": "higher",
                 "role": "primary"}]  # fmt: skip
    return Maker(tmp_path_factory.mktemp("study")).panel(
        rows, rollout, outcomes=outcomes, window=["2016-01", "2018-12"], transition=2, horizons=[3], model=MODEL,
        covariates=["size"], exclude=[{"from": "2016-05", "to": "2016-06", "why": "x"}],
        rollout={"path": "rollout.csv", "region": "region"},
    )  # fmt: skip


KEPT = {}


def fit(design, p):
    """Each design is fitted once a panel."""
    key = design, id(p)
    if key not in KEPT:
        KEPT[key] = p, estimators.fit(design, p)
    return KEPT[key][1]


def plain(p):
    """The panel without covariates, so that a two-way regression can be taken apart."""
    if "plain" in KEPT:
        return KEPT["plain"]
    protocol = p.study.protocol.model_copy(update={"covariates": ()})
    KEPT["plain"] = dataclasses.replace(p, study=dataclasses.replace(p.study, protocol=protocol))
    return KEPT["plain"]


FIGURES = {
    "event_study": lambda p: plots.event_study(fit("group_time", p)),
    "cells": lambda p: plots.cells(fit("group_time", p)),
    "cells_since": lambda p: plots.cells(fit("imputation", p), across="joining"),
    "comparisons": lambda p: plots.comparisons(checks.comparisons(p, fit("group_time", p))),
    "misused": lambda p: plots.comparisons(checks.comparisons(p, fit("event_study", p))),
    "decomposition": lambda p: plots.decomposition(checks.comparisons(plain(p), fit("twoway", plain(p)))),
    "balance": lambda p: plots.balance(checks.overlap(p, fit("group_time", p))),
    "unadjusted": lambda p: plots.balance(checks.overlap(plain(p), fit("group_time", plain(p)))),
    "groups": lambda p: plots.groups(checks.heterogeneity(fit("heterogeneity", p))),
    "shrunken": lambda p: plots.caterpillar(fit("heterogeneity", p)),
}
TABLES = {
    "balance": lambda p: tables.balance(checks.overlap(p, fit("group_time", p))),
    "engines": lambda p: tables.engines(checks.engine_agreement(p, fit("group_time", p))),
}


def svg(shown):
    return drawing(shown.html)


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_has_alt_text_and_data_and_is_the_same_every_time(panel, name, monkeypatch):
    with laid_out(monkeypatch) as figures:
        shown, again = FIGURES[name](panel), FIGURES[name](panel)
    assert [crowded(figure) for figure in figures] == [[], []]
    assert shown.html == again.html
    page = f"<!doctype html><html lang='en-GB'><head><title>t</title></head><body><main><h1>t</h1>{shown.html}"
    found = problems(f"{page}</main></body></html>")
    assert not [p for p in found if "img" in p or "alt" in p.lower() or "table" in p or "th" in p.split()]
    assert len(shown.payload["figure"]["alt"]) >= 60
    assert shown.html.count("<tr>") > 2
    assert ElementTree.fromstring(svg(shown)).tag.endswith("svg")  # noqa: S314 - our own drawing
    assert len(svg(shown)) < 80_000


@pytest.mark.parametrize("name", [*FIGURES, *TABLES])
def test_nothing_from_the_data_becomes_markup(panel, name):
    html = {**FIGURES, **TABLES}[name](panel).html
    assert "<img src=x" not in html
    assert "onerror=alert(1)>" not in html


def rows_of(shown):
    """The data table's rows as lists of texts."""
    body = shown.html.split("<tbody>")[1]
    return [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row) for row in body.split("</tr>")[:-1]]


def number(text):
    return float(text.replace("−", "-").replace("+", ""))


@pytest.fixture(scope="module")
def quarterly(tmp_path_factory):
    random = np.random.default_rng(4)
    quarters = [f"{year}-Q{quarter}" for year in range(2014, 2019) for quarter in (1, 2, 3, 4)]
    units = [f"U{i:02d}" for i in range(24)]
    rows = pd.DataFrame([(u, q, random.normal()) for u in units for q in quarters], columns=["unit", "period", "y"])
    rollout = pd.DataFrame({"unit": units, "joined": ["2016-Q2"] * 6 + ["2017-Q1"] * 6 + [""] * 12})
    return Maker(tmp_path_factory.mktemp("quarterly")).panel(
        rows, rollout, window=[quarters[0], quarters[-1]], horizons=[3],
        source={"reader": "csv", "path": "panel.csv", "frequency": "quarter"},
        model={"twoway": {"allow_staggered": True}, "heterogeneity": {"by": ["wave"]}},
    )  # fmt: skip


OF_QUARTERS = {
    "cells": FIGURES["cells"],
    "comparisons": FIGURES["comparisons"],
    "decomposition": lambda p: plots.decomposition(checks.comparisons(p, fit("twoway", p))),
    "groups": FIGURES["groups"],
    "waves": plots.rollout,
    "weights": lambda p: tables.weights(fit("synthetic_did", p)),
}


@pytest.mark.parametrize("name", OF_QUARTERS)
def test_quarters_are_written_in_one_way(quarterly, name):
    shown = OF_QUARTERS[name](quarterly)
    drawn = svg(shown).decode() if "data:image" in shown.html else ""
    every = re.sub(r'svg\+xml,[^"]*', "", shown.html) + shown.text + drawn
    assert "Q2 2016" in every
    assert not re.search(r"\d{4}-?Q\d", every)


def test_the_band_is_in_the_table_and_holds_the_pointwise_intervals(panel):
    estimate = fit("group_time", panel)
    shown = plots.event_study(estimate)
    rows = rows_of(shown)
    assert len(rows) == len(estimate.events)
    for row, event in zip(rows, estimate.events.itertuples(), strict=True):
        assert number(row[0]) == event.event_time
        assert number(row[4]) <= number(row[2]) < number(row[3]) <= number(row[5])
        assert number(row[4]) == pytest.approx(event.band_low, abs=0.01)
    assert "band for all at once" in shown.text
    assert f"band for all {len(rows)} effects at once".encode() in svg(shown)


def test_without_a_band_none_is_drawn_or_spoken_of(panel):
    estimate = fit("group_time", panel)
    without = estimate.events.assign(band_low=np.nan, band_high=np.nan)
    shown = plots.event_study(dataclasses.replace(estimate, events=without))
    assert "band" not in shown.text
    assert b"effects at once" not in svg(shown)
    assert "Band low" not in shown.html


def filled(drawn, colour):
    """How many elements have a style with this colour."""
    names = re.findall(rb"\.(c\d+)\{[^}]*" + colour + rb"[^}]*\}", drawn)
    return sum(drawn.count(b"class='" + name + b"'") for name in names)


def test_a_band_with_gaps_is_drawn_in_parts(panel):
    estimate = fit("group_time", panel)
    gap = estimate.events["event_time"].eq(-3)
    events = estimate.events.assign(
        band_low=estimate.events["band_low"].mask(gap), band_high=estimate.events["band_high"].mask(gap)
    )
    whole, parts = plots.event_study(estimate), plots.event_study(dataclasses.replace(estimate, events=events))
    assert filled(svg(parts), b"#c9d6e2") > filled(svg(whole), b"#c9d6e2") > 0


def test_the_grid_lists_every_effect(panel):
    estimate = fit("imputation", panel)
    rows = rows_of(plots.cells(estimate))
    assert len(rows) == len(estimate.cells)
    found = {row[0]: number(row[3]) for row in rows}
    cell = estimate.cells[estimate.cells["phase"].eq("post")].iloc[0]
    assert found[f"{cell['cohort']}, {cell['period']}"] == pytest.approx(cell["estimate"], abs=0.01)


def test_the_grid_marks_as_many_cells_as_are_far_from_zero(panel):
    estimate = fit("imputation", panel)
    far = estimate.cells["estimate"].abs() > 1.96 * estimate.cells["std_error"]
    text = plots.cells(estimate).text
    said = [int(n) for n in re.findall(r"(\d+) of them over 1.96", text)]
    assert sum(said) == int(far.sum())


def test_the_grid_refuses_what_it_cannot_draw(panel):
    estimate = fit("group_time", panel)
    with pytest.raises(DesignError, match="joining"):
        plots.cells(estimate, across="weeks")
    with pytest.raises(DesignError, match="stores no effects"):
        plots.cells(fit("its", panel))
    assert "Too short" in plots.cells(REFUSED).text


def test_the_table_of_weights_adds_up_by_wave(panel):
    check = checks.comparisons(panel, fit("group_time", panel))
    rows = rows_of(plots.comparisons(check))
    assert [row[0] for row in rows] == ["2017-04", "2017-09", "never"]
    for row in rows:
        assert number(row[1]) + number(row[2]) == pytest.approx(0, abs=1e-9)
    assert "excluded" in set(check.data["phase"])


def test_minus_after_joining_is_marked_where_it_is(panel):
    found = checks.comparisons(panel, fit("event_study", panel))
    clean = checks.comparisons(panel, fit("group_time", panel))
    mark = b"Minus after joining"
    assert (mark in svg(plots.comparisons(found))) == (found.value > 0)
    assert found.value > 0
    assert mark not in svg(plots.comparisons(clean))


def test_the_legend_of_the_grid_lists_only_what_is_there(panel):
    whole = fit("imputation", panel)
    kept = whole.cells[~whole.cells["phase"].eq("transition") & whole.cells["event_time"].eq(5)]
    one = dataclasses.replace(whole, cells=kept.iloc[:1].assign(std_error=np.inf))
    entries = (b"Over 1.96 errors", b"The wave joined", b"Transition: in no average", b"Not estimated")
    assert [entry in svg(plots.cells(whole)) for entry in entries] == [True] * 4
    assert [entry in svg(plots.cells(one)) for entry in entries] == [False] * 4


def test_the_legend_of_weights_lists_only_what_is_there(panel):
    check = checks.comparisons(panel, fit("group_time", panel))
    for gone, entry in (
        ((), b"Transition, excluded"),
        (("transition",), b">Excluded<"),
        (("excluded",), b">Transition<"),
    ):
        phase = check.data["phase"].where(~check.data["phase"].isin(gone), "pre")
        shown = plots.comparisons(dataclasses.replace(check, data=check.data.assign(phase=phase)))
        assert entry in svg(shown)
    phase = check.data["phase"].where(check.data["phase"].eq("post"), "pre")
    plain_text = svg(plots.comparisons(dataclasses.replace(check, data=check.data.assign(phase=phase))))
    assert b"ransition" not in plain_text
    assert b"xcluded" not in plain_text


def test_what_was_not_taken_apart_has_no_scatter(panel):
    shown = plots.decomposition(checks.comparisons(panel, fit("group_time", panel)))
    assert "No figure" in shown.text


def test_the_scatter_lists_pairs_whose_weights_add_up(panel):
    p = plain(panel)
    rows = rows_of(plots.decomposition(checks.comparisons(p, fit("twoway", p))))
    assert sum(number(row[1]) for row in rows) == pytest.approx(100, abs=0.02)


@pytest.mark.parametrize("draw", [plots.comparisons, plots.balance, plots.groups, plots.decomposition])
def test_what_does_not_apply_is_said_instead_of_drawn(panel, draw):
    asked = {plots.groups: checks.heterogeneity}.get(draw)
    check = asked(REFUSED) if asked else checks.comparisons(panel, REFUSED)
    shown = draw(check)
    assert "Too short" in shown.text
    assert "<img" not in shown.html


def test_the_forest_of_groups_has_both_p_values(panel):
    estimate = fit("heterogeneity", panel)
    rows = rows_of(plots.groups(checks.heterogeneity(estimate)))
    assert len(rows) == len(estimate.groups)
    p = estimate.diagnostics["interaction_p_adjusted_wave"]
    assert [number(row[5]) for row in rows if row[0].startswith("wave")] == [pytest.approx(p, abs=5e-4)] * 2
