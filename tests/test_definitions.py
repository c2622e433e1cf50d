"""Is another definition of an outcome run as the fit on it, set beside the declared one, and counted as none?"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from test_protocol import GOOD, protocol, refusal, swap
from test_sensitivity import BASE, EXACT, OUTCOME, REFUSED, simulated, without

from evalkit import checks, estimators, plots, tables, words, workbench
from evalkit.estimators._did.brief import brief, joint
from evalkit.estimators._did.layout import layout
from evalkit.panel import build_all
from evalkit.simulate import DEMONSTRATIONS, run
from evalkit.study import load

__all__ = ["protocol", "refusal"]  # fixtures
ROOT = Path(__file__).parents[1]
ENDS = ["estimate", "low", "high"]
DESIGNS = ["group_time", "imputation", "extended_twoway"]
OTHER = {"name": "other", "label": "Seen, & otherwise", "kind": "proportion", "numerator": "seen2",
         "denominator": "patients", "better": "higher", "alternative_to": "seen"}  # fmt: skip
WAIT = {"name": "wait", "kind": "continuous", "value": "wait", "better": "higher", "alternative_to": "seen"}


@pytest.fixture
def panels(make):
    """The declared panel and those of its other definitions: `panels(effect, other=..., outcomes=...)`."""

    def made(effect=0.03, *, other=None, outcomes=(OTHER, WAIT), **changes):
        rows, rollout = simulated(36, effect)
        random = np.random.default_rng(9)
        shift = random.normal(scale=0.01, size=len(rows)) if other is None else other(rows, rollout)
        rows["seen2"] = (rows["seen"] + rows["patients"] * shift).round().clip(lower=1, upper=rows["patients"])
        rows["wait"] = (0.3 + rows["seen"] / rows["patients"] + random.normal(scale=0.01, size=len(rows))).round(6)
        study = make.study(rows, rollout, **{**BASE, "outcomes": [OUTCOME, *outcomes], **changes})
        found = list(build_all(study).values())
        return found[0], found[1:]

    return made


def asked(panel, others, design="group_time"):
    return checks.definitions(panel, estimators.fit(design, panel), others)


# -- the check -----------------------------------------------------------------------------


@pytest.mark.parametrize("design", DESIGNS)
def test_each_definition_is_the_fit_on_its_panel(panels, design):
    panel, others = panels()
    data = asked(panel, others, design).data.set_index("definition")
    heads = {
        "As declared": panel,
        "Seen, & otherwise": others[0],
        "wait": others[1],
        "Units by their denominator": replace(
            panel,
            study=replace(panel.study, protocol=panel.study.protocol.model_copy(update={"weights": "denominator"})),
        ),
    }
    assert set(data.index) == {*heads, "In log odds"}
    for name, one in heads.items():
        head = estimators.fit(design, one).headline
        assert data.loc[name, ENDS].tolist() == pytest.approx(head[ENDS].tolist(), rel=EXACT), name
    share = panel.rows["value"] / 100
    logit = panel.with_rows(panel.rows.assign(value=np.log(share / (1 - share))))
    head = estimators.fit(design, logit).headline
    assert data.loc["In log odds", ENDS].tolist() == pytest.approx(
        np.exp(head[ENDS].astype(float)).tolist(), rel=EXACT
    )
    assert data.loc["In log odds", "of_unit"] == "odds ratio"


def test_standard_deviations_and_per_cent_are_of_the_time_before_the_first_wave(panels):
    panel, others = panels()
    data = asked(panel, others).data.set_index("definition")
    rows = others[1].rows
    early = rows[(rows.index.get_level_values("period") < pd.Period("2017-04", "M")) & rows["phase"].eq("pre")]
    row = data.loc["wait"]
    assert row["sd_estimate"] == pytest.approx(row["estimate"] / early["value"].std(), rel=EXACT)
    joined = early[early["cohort"].notna()]["value"].groupby("unit").mean().mean()
    assert row["percent_low"] == pytest.approx(100 * row["low"] / joined, rel=EXACT)
    assert np.isnan(data.loc["In log odds", "percent_estimate"])


@pytest.mark.parametrize("design", DESIGNS)
def test_the_difference_is_the_design_on_the_difference_of_the_values(panels, design):
    panel, others = panels()
    row = asked(panel, others, design).data.set_index("definition").loc["Seen, & otherwise"]
    apart = panel.with_rows(panel.rows.assign(value=others[0].rows["value"] - panel.rows["value"]))
    head = estimators.fit(design, apart).headline
    assert row["difference_estimate"] == pytest.approx(head["estimate"], rel=1e-8)
    reach = (row["difference_high"] - row["difference_low"]) / 2
    assert reach == pytest.approx((head["high"] - head["low"]) / 2, rel=1e-8)


def test_a_definition_without_some_units_is_compared_by_name(panels):
    panel, others = panels(outcomes=(WAIT,))
    some = without(others[0], ["U02", "U30"])
    assert "U30" not in some.units.index
    like = replace(some, outcome=some.outcome.model_copy(update={"report": panel.outcome.unit}))
    scaled = like.with_rows(like.rows.assign(value=panel.rows["value"].reindex(like.rows.index)))
    found = asked(panel, [scaled]).data.set_index("definition").loc["wait"]
    arrays = layout(panel)
    kept = ~panel.units.index.isin(["U02", "U30"])
    apart, error = joint(brief(panel, "group_time", arrays.part(kept)), brief(panel, "group_time", arrays))
    assert found["difference_estimate"] == pytest.approx(apart, rel=1e-8)
    half = (found["difference_high"] - found["difference_low"]) / 2
    assert half == pytest.approx(2.032 * error, rel=0.02)


def test_the_scale_of_a_definition_does_not_matter(panels):
    panel, others = panels(outcomes=(WAIT,))
    first = asked(panel, others)
    scaled = others[0].with_rows(others[0].rows.assign(value=1000 * others[0].rows["value"]))
    again = asked(panel, [scaled])
    assert again.verdict == first.verdict
    for column in ("sd_estimate", "sd_low", "percent_high"):
        assert again.data[column].tolist() == pytest.approx(first.data[column].tolist(), rel=1e-8, nan_ok=True)


def test_the_verdict_follows_the_other_answers(panels):
    panel, others = panels(0.05)
    calm = asked(panel, others)
    assert calm.verdict == "reassuring"
    assert calm.value == 1

    def turned(rows, rollout):
        joined = rows["unit"].map(rollout.set_index("unit")["joined"])
        return np.where(joined.ne("") & rows["period"].ge(joined), -0.1, 0.0)

    against = asked(*panels(0.05, other=turned))
    assert against.verdict == "concern"
    assert "The opposite is found with `Seen, & otherwise`." in against.reading

    def nothing(rows, rollout):
        joined = rows["unit"].map(rollout.set_index("unit")["joined"])
        noise = np.random.default_rng(1).normal(scale=0.001, size=len(rows))
        return noise - np.where(joined.ne("") & rows["period"].ge(joined), 0.052, 0.0)

    one = asked(*panels(0.05, other=nothing))
    assert one.verdict == "inconclusive"
    assert "`Seen, & otherwise`" in one.reading


def test_logarithms_of_a_positive_outcome_are_ratios(panels):
    _, others = panels(outcomes=(WAIT,))
    data = asked(others[0], []).data.set_index("definition")
    logged = others[0].with_rows(others[0].rows.assign(value=np.log(others[0].rows["value"])))
    head = estimators.fit("group_time", logged).headline
    assert data.loc["In logarithms", "estimate"] == pytest.approx(np.exp(head["estimate"]), rel=EXACT)
    assert data.loc["In logarithms", "percent_low"] == pytest.approx(100 * np.expm1(head["low"]), rel=EXACT)
    assert list(data.index) == ["As declared", "In logarithms"]  # a continuous outcome has no denominator


def test_where_nothing_else_can_be_computed_it_says_so(panels):
    panel, others = panels(outcomes=(WAIT,))
    below = others[0].with_rows(others[0].rows.assign(value=others[0].rows["value"] - 100))
    alone = checks.definitions(below, estimators.fit("group_time", below))
    assert alone.verdict == "not applicable"
    assert "no other definition" in alone.reading
    for estimate in (REFUSED, estimators.fit("its", panel)):
        assert checks.definitions(panel, estimate, others).verdict == "not applicable"


def test_the_figure_lists_what_it_draws_and_escapes_it(panels):
    panel, others = panels()
    hostile = others[0].outcome.model_copy(update={"label": "<img src=x onerror=alert(1)>"})
    shown = plots.definitions(asked(panel, [replace(others[0], outcome=hostile)]))
    assert shown.html.count("<tr>") == 5
    assert "<img src=x" not in shown.html


# -- the protocol, and what is counted -------------------------------------------------------


SECOND = "  - {{name: z, kind: continuous, value: z, better: {}, alternative_to: {}}}\n"


@pytest.mark.parametrize(
    ("text", "what", "fix"),
    [
        (SECOND.format("higher", "x"), "names x, which is no outcome of the protocol", "use one of: y"),
        (SECOND.format("higher", "z"), "names z, which is the outcome itself", "use one of: y"),
        (SECOND.format("lower", "y"), "`outcomes[2]` is better lower, and y", "same direction"),
        (SECOND.format("higher", "y, role: balancing"), "has the role of the outcome", ""),
        (SECOND.format("higher", "y, role: primary"), "remove `role`", ""),
        (
            SECOND.format("higher", "y") + SECOND.format("higher", "z").replace("name: z", "name: w"),
            "`outcomes[3].alternative_to` names z, which is another definition itself",
            "use one of: y",
        ),
    ],
)
def test_a_definition_of_nothing_is_a_fault(refusal, text, what, fix):
    told = refusal(swap("rollout:", text + "rollout:"))
    assert any(what in one and fix in one for one in told), told


def test_a_definition_may_be_of_any_outcome(protocol):
    text = "  - {name: b, kind: count, value: b, better: lower, role: balancing}\n"
    text += SECOND.format("lower", "b")
    outcomes = protocol(swap("rollout:", text + "rollout:")).protocol.outcomes
    assert [o.alternative_to for o in outcomes] == [None, None, "b"]
    assert GOOD.count("name: y") == 1


def test_it_is_no_outcome_more_in_the_workbench_and_the_family():
    case = workbench.open_case("uec")
    assert [o.name for o in case.others] == ["admissions"]
    assert [p.outcome.name for p in case.definitions] == ["within_4h_all_types"]
    family = case.family()
    assert family.data["role"].tolist() == ["primary", "balancing"]
    other = workbench.open_case("uec", "within_4h_all_types")
    assert other.outcome.role == "primary"
    assert [o.name for o in other.others] == ["admissions"]
    assert [p.outcome.name for p in other.definitions] == ["within_4h"]
    balancing = workbench.open_case("uec", "admissions")
    assert [o.name for o in balancing.others] == ["within_4h"]
    assert balancing.definitions == []
    estimates = case.estimates()
    asked_all = case.sensitivity(estimates)
    assert [c.verdict for c in asked_all if c.name == "definitions"] == ["reassuring"]
    every = [case.outcome, *case.others, case.definitions[0].outcome]
    heads = [estimates[0], *case.beside(), estimators.attempt("group_time", case.definitions[0])]
    assert len(checks.family(heads, every).data) == 2


def test_words_and_tables_call_it_what_it_is():
    case = workbench.open_case("uec")
    outcome = case.definitions[0].outcome
    said = words.beside([estimators.fit("group_time", case.definitions[0])], [outcome])
    assert said.text.startswith("Another definition of within_4h: Attendances of all types")
    assert "another definition of within_4h" in tables.outcomes(case.study).text


def test_the_demonstration_tells_the_truth_of_all_types():
    text = (ROOT / "data" / "demo" / "README.md").read_text(encoding="utf-8")
    made = run(DEMONSTRATIONS["uec"])
    gain = made.treated["within_4h"] - made.untreated["within_4h"]
    size, other = made.columns["type1_attendances"], made.columns["other_attendances"]
    true = (gain * size / (size + other))[made.since >= 3].mean()
    assert f"+{true:.2f} points of all types" in text
    panel = build_all(load(ROOT / "data" / "collaboratives" / "uec.yml"))["within_4h_all_types"]
    head = estimators.fit("group_time", panel).headline
    assert head["low"] < true < head["high"]
