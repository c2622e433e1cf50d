"""Do figures carry real alt text and their data, the same bytes every time, and escape what they are given?"""

from __future__ import annotations

import dataclasses
import re
from html.parser import HTMLParser
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from drawings import crowded, drawing, laid_out

from evalkit import estimators, plots, tables
from evalkit.estimate import Refusal
from evalkit.report.audit import problems

HOSTILE = "<img src=x onerror=alert(1)>&\"'"
REFUSED = Refusal("s", "y", "its", "Interrupted time series", (f"Too short {HOSTILE}.",))


@pytest.fixture
def panel(make):
    rng = np.random.default_rng(2)
    months = pd.period_range("2016-01", "2019-12", freq="M").astype(str)
    units = [f"U{i:02d} {HOSTILE if i == 3 else ''}".strip() for i in range(24)]
    rows = pd.DataFrame([(u, m, 50 + rng.normal()) for u in units for m in months], columns=["unit", "period", "y"])
    rollout = pd.DataFrame({"unit": units, "joined": ["2018-01"] * 8 + ["2018-03"] * 8 + [""] * 8})
    outcomes = [{"name": "y", "label": f"Label {HOSTILE}", "kind": "continuous", "value": "y", "better": "higher",
                 "role": "primary"}]  # fmt: skip
    events = [{"from": "2017-01", "to": "2017-02", "label": f"Event {HOSTILE}"}]
    exclude = [{"from": "2016-05", "to": "2016-06", "why": f"Why {HOSTILE}"}]
    window = ["2016-01", "2019-12"]
    return make.panel(rows, rollout, outcomes=outcomes, events=events, exclude=exclude, window=window, transition=1)


FIGURES = {
    "rollout": plots.rollout,
    "heat_map": plots.heat_map,
    "group_means": plots.group_means,
    "counterfactual": lambda p: plots.counterfactual(estimators.fit("its", p)),
    "event_study": lambda p: plots.event_study(estimators.fit("group_time", p)),
    "caterpillar": lambda p: plots.caterpillar(estimators.fit("its_pooled", p)),
    "synthetic_path": lambda p: plots.synthetic_path(estimators.fit("synthetic_did", p)),
    "unit_weights": lambda p: plots.unit_weights(estimators.fit("augmented_synthetic_control", p)),
    "forest": lambda p: plots.forest([estimators.fit("its", p), REFUSED, estimators.fit("group_time", p)]),
}
TABLES = {
    "protocol": lambda p: tables.protocol(p.study),
    "outcomes": lambda p: tables.outcomes(p.study),
    "waves": tables.waves,
    "warnings": tables.data_warnings,
    "files": tables.files,
    "weights": lambda p: tables.weights(estimators.fit("synthetic_did", p)),
    "estimates": lambda p: tables.estimates([estimators.fit("its", p), REFUSED], f"Caption {HOSTILE}"),
}


def svg(shown):
    return drawing(shown.html)


def page(fragment):
    head = "<!doctype html><html lang='en-GB'><head><title>t</title></head>"
    return f"{head}<body><main><h1>t</h1>{fragment}</main></body></html>"


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_has_real_alt_text_and_its_data_and_nothing_is_cut_off(panel, name, monkeypatch):
    with laid_out(monkeypatch) as figures:
        shown = FIGURES[name](panel)
    assert [crowded(figure) for figure in figures] == [[]]
    assert not [
        p for p in problems(page(shown.html)) if "img" in p or "alt" in p.lower() or "table" in p or "th" in p.split()
    ]
    assert len(shown.payload["figure"]["alt"]) >= 60
    assert shown.html.count("<tr>") > 2


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_is_well_formed_small_and_the_same_every_time(panel, name):
    first, second = FIGURES[name](panel), FIGURES[name](panel)
    assert first.html == second.html
    root = ElementTree.fromstring(svg(first))  # noqa: S314 - our own drawing
    assert root.tag.endswith("svg")
    assert len(svg(first)) < 60_000


class Elements(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags = []

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))


@pytest.mark.parametrize("made", [*FIGURES.items(), *TABLES.items()], ids=lambda m: m[0])
def test_nothing_from_the_data_becomes_markup(panel, made):
    parser = Elements()
    parser.feed(made[1](panel).html)
    images = [attributes for tag, attributes in parser.tags if tag == "img"]
    assert all(a["src"].startswith("data:image/svg+xml,") and "onerror" not in a for a in images)


@pytest.mark.parametrize("draw", [plots.counterfactual, plots.event_study, plots.caterpillar])
def test_a_refusal_is_shown_in_words_instead_of_a_figure(draw):
    shown = draw(REFUSED)
    assert "Too short" in shown.text
    assert "<img src=x" not in shown.html


def test_the_counterfactual_figure_carries_the_numbers_of_the_path(panel):
    estimate = estimators.fit("its", panel)
    shown = plots.counterfactual(estimate)
    last = estimate.path.iloc[-1]
    assert f"{last['fitted']:.2f}"[:4] in shown.html
    assert shown.html.count("<tr>") == len(estimate.path) + 1


def test_drawing_leaves_no_trace_in_matplotlib(panel):
    import matplotlib as mpl

    before = dict(mpl.rcParams)
    plots.rollout(panel)
    assert dict(mpl.rcParams) == before


def test_dollar_signs_in_a_label_are_no_mathematics(panel):
    estimate = dataclasses.replace(estimators.fit("its", panel), label=r"Cost in $ \frac{1 $", unit="$ a $head")
    assert b"$ a $head" in svg(plots.counterfactual(estimate))
    assert plots.forest([estimate, dataclasses.replace(estimate, outcome="z")]).html


@pytest.mark.parametrize("name", FIGURES)
def test_every_reference_inside_a_drawing_has_its_target(panel, name):
    text = svg(FIGURES[name](panel)).decode("utf-8")
    targets = re.findall(r"\bid='([^']+)'", text)
    wanted = set(re.findall(r"url\(#([^)]+)\)|href='#([^']+)'", text))
    assert len(targets) == len(set(targets)) > 0
    assert {a or b for a, b in wanted} <= set(targets)
