"""Is it known which units merged, and is the answer without them the fit without them?"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import yaml
from conftest import SHARED
from test_published_files import protocol
from test_sensitivity import BASE, EXACT, FIGURES, alone, simulated, without

from evalkit import checks, estimators, plots
from evalkit.errors import DataError
from evalkit.panel import build, build_all
from evalkit.panel.merged import with_mergers
from evalkit.study import load

__all__ = ["protocol"]  # a fixture
MERGED = {"path": "rollout.csv", "region": "region", "merged": "merger"}


@pytest.fixture
def merging(make):
    """A panel in which some units merged, as the rollout says: `merging({unit: text}, ...)`."""

    def made(said, effect=0.03, *, rows=None, **changes):
        simulated_rows, rollout = simulated(36, effect)
        rollout["merger"] = [said.get(unit, "") for unit in rollout["unit"]]
        chosen = simulated_rows if rows is None else rows(simulated_rows)
        return make.panel(chosen, rollout, **{**BASE, "rollout": MERGED, **changes})

    return made


# -- what is known -----------------------------------------------------------------------


def roster(cohort, said=""):
    units = pd.Index(["A", "B", "C"], name="unit")
    return pd.DataFrame({"cohort": pd.PeriodIndex(cohort, freq="M"), "merged": said}, index=units)


def tidy(*rows):
    return pd.DataFrame(
        [(unit, pd.Period(when, "M"), codes) for unit, when, codes in rows],
        columns=["unit", "period", "published_codes"],
    )


def test_codes_tell_what_merged_and_whether_it_was_apart_on_joining():
    rows = tidy(
        ("A", "2021-01", "A+X"), ("A", "2021-02", "A+X+Y"), ("A", "2021-03", "A"),
        ("B", "2021-01", "V"), ("B", "2021-02", "B"),
        ("C", "2021-01", "C"), ("Z", "2021-01", "Q+Z"),
    )  # fmt: skip
    for first, apart in (("2021-02", True), ("2021-03", False), ("2021-01", True)):
        found = with_mergers(roster([first, "2021-01", None]), rows)
        assert found["merged"].tolist() == ["X+Y", "V", ""]
        assert found["apart_on_joining"].tolist() == [apart, False, False]  # B was one organisation all along


def test_what_the_rollout_says_stands_beside_the_codes_and_no_is_nothing():
    said = [" acute and community ", "No", "0"]
    rows = tidy(("A", "2021-01", "A+X"), ("B", "2021-01", "B"), ("C", "2021-01", "C"))
    found = with_mergers(roster([None] * 3, said), rows)
    assert found["merged"].tolist() == ["X: acute and community", "", ""]
    assert with_mergers(roster([None] * 3, said), rows[["unit", "period"]])["merged"].tolist() == [
        "acute and community", "", ""
    ]  # fmt: skip


def test_published_files_carry_their_mergers_into_every_panel(protocol):
    for panel in build_all(load(protocol)).values():
        assert panel.units["merged"].to_dict() == {"RAA": "", "RBB": "ROO", "RCC": "", "RGT": ""}
        assert panel.merged.tolist() == ["RBB"]
        assert not panel.units["apart_on_joining"].any()
        assert ("Units that merged", "1") in panel.facts()
    assert panel.with_rows(panel.rows.drop(index="RBB", level="unit")).merged.empty


def test_published_files_tell_when_a_joined_unit_was_still_two(protocol):
    path = protocol.parent / "rollout.csv"
    path.write_text("unit,joined\nRAA,\nRBB,2021-04\nRCC,\nRGT,\n", encoding="utf-8")
    panel = build_all(load(protocol))["attendances"]
    assert panel.units["apart_on_joining"].to_dict() == {"RAA": False, "RBB": True, "RCC": False, "RGT": False}
    path.write_text("unit,joined\nRAA,\nRBB,2021-06\nRCC,\nRGT,\n", encoding="utf-8")
    assert not build_all(load(protocol))["attendances"].units["apart_on_joining"].any()
    said = yaml.safe_load(protocol.read_text(encoding="utf-8"))
    said["window"] = ["2021-06", "2022-12"]  # from then on it is one
    protocol.write_text(yaml.safe_dump(said), encoding="utf-8")
    assert build_all(load(protocol))["attendances"].merged.empty


def test_a_column_that_is_not_there_and_a_covariate_of_that_name_are_faults(make):
    rows, rollout = simulated(36)
    with pytest.raises(DataError, match=r"`merger`.*rollout\.merged"):
        make.panel(rows, rollout, **{**BASE, "rollout": MERGED})
    rollout["merged"] = 1
    with pytest.raises(DataError, match="cannot be called `merged`"):
        make.panel(rows, rollout, **{**BASE, "covariates": ["merged"]})


# -- the answer without them ---------------------------------------------------------------


def asked(panel, design="group_time"):
    return checks.mergers(panel, estimators.fit(design, panel))


@pytest.mark.parametrize("design", ["group_time", "imputation", "extended_twoway"])
def test_leaving_them_out_is_the_fit_without_their_rows(merging, design):
    panel = merging({"U01": "X+Y", "U20": "a hospital & <b>another</b>", "U33": "Z"})
    data = asked(panel, design).data
    assert data["left_out"].tolist() == [
        "All that merged", "U01 (X+Y)", "U20 (a hospital & <b>another</b>)", "U33 (Z)"
    ]  # fmt: skip
    for name, units in zip(data["left_out"], (["U01", "U20", "U33"], ["U01"], ["U20"], ["U33"]), strict=True):
        head = estimators.fit(design, without(panel, units)).headline
        row = data[data["left_out"].eq(name)].iloc[0]
        assert row[["estimate", "low", "high"]].tolist() == pytest.approx(
            head[["estimate", "low", "high"]].tolist(), rel=EXACT
        )
        assert row["units"] == len(units)


def test_the_verdict_follows_how_far_it_moves(merging):
    calm = asked(merging({"U20": "X", "U30": "Y"}))
    assert calm.verdict == "reassuring"
    assert calm.value == pytest.approx(calm.data["change"].iloc[0])
    assert "2 units merged, 0 of them joined (U20: X; U30: Y)" in calm.reading

    def raised(rows):
        joined = rows["unit"].isin(["U00", "U01", "U02"]) & rows["period"].ge("2017-04")
        return rows.assign(seen=rows["seen"] + np.where(joined, rows["patients"] * 0.2, 0).round().astype(int))

    moved = asked(merging({"U00": "X", "U01": "Y", "U02": "Z"}, 0.0, rows=raised))
    assert moved.verdict == "concern"
    assert moved.value < -1
    assert "Without all of them it moves" in moved.reading


def test_units_that_were_apart_on_joining_are_named(merging):
    panel = merging({"U03": "X+Y", "U20": "Z"})
    units = panel.units.assign(apart_on_joining=panel.units.index == "U03")
    found = asked(replace(panel, units=units))
    assert "U03: X+Y was still several organisations on joining" in found.reading
    assert "several organisations" not in asked(panel).reading


def test_where_nothing_merged_or_nobody_is_left_it_says_so(merging):
    none = asked(merging({}))
    assert none.verdict == "not applicable"
    assert "Neither the source nor the rollout" in none.reading
    panel = merging({f"U{i:02d}": "X" for i in range(12)})
    found = asked(panel)
    assert found.verdict == "inconclusive"
    assert found.value is None
    assert "cannot be left out" in found.reading
    assert checks.mergers(panel, estimators.fit("its", panel)).verdict == "not applicable"


def test_the_curve_leaves_them_out_as_a_choice(merging):
    panel = merging({"U01": "X", "U20": "Y"})
    data = checks.comparison_curve(panel, estimators.fit("group_time", panel), most=60).data
    head = estimators.fit("group_time", without(panel, ["U01", "U20"])).headline
    row = alone(data, "merged units", "Left out")
    assert row[FIGURES].tolist() == pytest.approx(head[FIGURES].tolist(), rel=EXACT)
    plain = merging({})
    assert "merged units" not in checks.comparison_curve(plain, estimators.fit("group_time", plain), most=60).data


def test_the_figure_is_that_of_leaving_out(merging):
    shown = plots.leave_out(asked(merging({"U01": "<img src=x>", "U20": "Y"})))
    assert shown.html.count("<tr>") == 4
    assert "<img src=x" not in shown.html


NATIONAL = SHARED / "data" / "nhs"


@pytest.mark.skipif(not NATIONAL.is_dir(), reason="the national files are not in this checkout")
def test_national_trusts_that_took_others_over_can_be_left_out(tmp_path):
    table = pd.read_csv(NATIONAL / "trust_successions_type1.csv", dtype=str)
    source = "ae_monthly_provider_2020_2026.csv"
    data = pd.read_csv(NATIONAL / source, dtype=str, usecols=["org_code", "period", "att_type1"])
    busy = data[data["att_type1"].astype(float) > 2000]
    often = busy.groupby("org_code").size()
    units = often.index[often.eq(often.max())]
    rollout = pd.DataFrame({"unit": units, "joined": ["2024-04" if i % 4 == 0 else "" for i in range(len(units))]})
    rollout["from"] = (
        rollout["unit"].map(table.groupby("successor_code")["predecessor_code"].agg("+".join)).fillna("")
    )
    rollout.to_csv(tmp_path / "rollout.csv", index=False)
    said = {
        "title": "T", "question": "Q?", "window": ["2023-06", "2025-03"],
        "source": {"reader": "csv", "path": str(NATIONAL / source), "unit": "org_code", "gaps": "allow"},
        "rollout": {"path": "rollout.csv", "merged": "from"},
        "outcomes": [{"name": "within", "kind": "proportion", "better": "higher", "role": "primary",
                      "numerator": {"plus": ["att_type1"], "minus": ["over4h_type1"]}, "denominator": "att_type1"}],
    }  # fmt: skip
    path = tmp_path / "t.yml"
    path.write_text(yaml.safe_dump(said), encoding="utf-8")
    panel = build(load(path))
    assert len(panel.merged) >= 8
    assert {"RH5", "RYR"} < set(panel.merged)
    found = checks.mergers(panel, estimators.fit("group_time", panel))
    assert found.verdict != "not applicable"
    assert len(found.data) == len(panel.merged) + 1
