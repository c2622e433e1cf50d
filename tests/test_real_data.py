"""Do the national files load through a protocol, and give the published figures?

They are not part of this repository; where they are absent these tests are skipped.
"""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from conftest import SHARED

from evalkit import estimators, placebos
from evalkit.errors import DataError
from evalkit.panel import build
from evalkit.placebos.power import detectable, recovered
from evalkit.study import load

DATA = SHARED / "data" / "nhs"
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="the national files are not in this checkout")

TYPES = ("type1", "type2", "other")
ATTENDANCES = [f"att_{booked}{t}" for booked in ("", "booked_") for t in TYPES]
BREACHES = [f"over4h_{booked}{t}" for booked in ("", "booked_") for t in TYPES]
FIELD_TEST = [{"column": "crs_field_test_blank", "equals": 1, "why": "four-hour data not reported (field test)"}]


def share(attendances, breaches, **changes):
    return {
        "name": "within_4h",
        "kind": "proportion",
        "numerator": {"plus": attendances, "minus": breaches},
        "denominator": {"plus": attendances},
        "better": "higher",
        "role": "primary",
        **changes,
    }


ALL_TYPES = share(ATTENDANCES, BREACHES)
TYPE_1 = share(["att_type1", "att_booked_type1"], ["over4h_type1", "over4h_booked_type1"])


@pytest.fixture
def study(tmp_path):
    """A study on one national file; a few units of the rollout join, the others never do."""

    def opened(file, joined, at, **changes):
        rollout = pd.DataFrame({"unit": joined, "joined": at})
        rollout.to_csv(tmp_path / "rollout.csv", index=False)
        source = {"reader": "csv", "path": str(DATA / file), "unit": "org_code", **changes.pop("source", {})}
        content = {
            "title": "A national file",
            "question": "Does it load?",
            "source": source,
            "rollout": {"path": "rollout.csv", "unlisted": "never_joined"},
            **changes,
        }
        path = tmp_path / "national.yml"
        path.write_text(json.dumps(content, indent=1), encoding="utf-8")  # JSON is YAML, without aliases
        return load(path)

    return opened


LATE = "ae_monthly_provider_2020_2026.csv"
JOINED = ["RXH", "RTE", "RWE"]


def ae(study, outcome, window=("2020-04", "2026-02"), **source):
    return build(
        study(
            LATE,
            JOINED,
            "2022-06",
            window=list(window),
            outcomes=[outcome],
            source={"name": "org_name", "gaps": "allow", **source},
        )
    )


def england(panel, period):
    return panel.over(panel.units.index).loc[pd.Period(period), "value"]


def raw():
    return pd.read_csv(DATA / LATE)


@pytest.mark.parametrize("source", [{"missing_where": FIELD_TEST, "zeros": "missing"}, {"zeros": "missing"}])
def test_england_in_december_2022_was_at_65_2_per_cent_and_not_69(study, source):
    panel = ae(study, ALL_TYPES, **source)
    assert england(panel, "2022-12") == pytest.approx(65.2, abs=0.05)
    kept = ae(study, ALL_TYPES, zeros="keep")
    assert england(kept, "2022-12") == pytest.approx(69.0, abs=0.05)
    assert any("implausible zeros were kept" in w for w in kept.warnings)


def test_the_field_test_trusts_stop_a_panel_that_says_nothing_about_them(study):
    with pytest.raises(DataError) as refused:
        ae(study, TYPE_1)
    named = {fault.where.split(",")[0] for fault in refused.value.faults if "implausible" in fault.what}
    assert set(raw().query("crs_field_test_blank == 1")["org_code"]) <= named


def field_test(panel, before="2026-03"):
    """The field test's trust-months that are still in a panel."""
    flagged = raw().query(f"crs_field_test_blank == 1 and period < '{before}'")
    keys = pd.MultiIndex.from_arrays([flagged["org_code"], pd.PeriodIndex(flagged["period"], freq="M")])
    return keys[keys.isin(panel.rows.index)]


def test_type_1_zeros_are_recognised_for_what_the_field_test_flag_says(study):
    assert field_test(ae(study, TYPE_1, zeros="missing")).empty


def test_all_type_zeros_are_recognised_or_named(study):
    panel = ae(study, ALL_TYPES, zeros="missing")
    left = set(field_test(panel).get_level_values(0))
    assert left <= {"RD3"}  # merged six months into the data: nothing before or after to hold its zeros against
    assert all(any(unit in w and "missing_where" in w for w in panel.warnings) for unit in left)
    assert field_test(ae(study, ALL_TYPES, zeros="missing", missing_where=FIELD_TEST)).empty


def test_no_trust_is_at_100_per_cent_because_it_did_not_report(study):
    panel = ae(study, TYPE_1, missing_where=FIELD_TEST, zeros="missing")
    large = panel.rows[panel.rows["denominator"].ge(1000)]
    # one very small department had no breach all year; no large one ever had none for want of a report
    perfect = large[large["value"].eq(100)]
    assert not set(perfect.index.get_level_values("unit")) & set(raw().query("crs_field_test_blank == 1")["org_code"])
    assert perfect.empty, perfect
    assert set(panel.missing["why"]) >= {FIELD_TEST[0]["why"]}


def test_a_trust_that_reports_nothing_in_the_whole_window_is_named(study):
    window = ("2020-04", "2023-03")
    panel = ae(study, ALL_TYPES, window=window, zeros="missing")
    left = set(field_test(panel, "2023-04").get_level_values(0))
    assert all(any(unit in w and "missing_where" in w for w in panel.warnings) for unit in left)
    with pytest.raises(DataError) as refused:
        ae(study, ALL_TYPES, window=window)
    asked = {f.where.split(",")[0] for f in refused.value.faults if "implausible" in f.what}
    assert left <= asked


def test_each_figure_is_the_files_own(study):
    panel = ae(study, TYPE_1, missing_where=FIELD_TEST, zeros="missing")
    row = raw().query("org_code == 'RTE' and period == '2024-03-01'").iloc[0]
    seen = row["att_type1"] + row["att_booked_type1"]
    over = row["over4h_type1"] + row["over4h_booked_type1"]
    assert panel.rows.loc[("RTE", pd.Period("2024-03")), "value"] == pytest.approx(100 * (1 - over / seen))
    assert panel.units.loc["RTE", "name"]


def test_the_designs_run_on_the_national_panel(study):
    panel = ae(study, TYPE_1, missing_where=FIELD_TEST, zeros="missing")
    for design in ("its", "group_time"):
        assert estimators.fit(design, panel).headline.notna().all()


EARLY = "ae_attendances_2016_2019.csv"
WINDOW_EARLY = ["2016-04", "2019-03"]


def test_the_file_of_2016_to_2019_loads_by_type_or_added_up(study):
    outcome = share(["attendances"], ["breaches"])
    changes = {"window": WINDOW_EARLY, "outcomes": [outcome]}
    where = [{"column": "type", "equals": 1, "why": "Major departments."}]
    major = build(
        study(EARLY, JOINED, "2018-01", source={"where": where, "gaps": "allow", "zeros": "missing"}, **changes)
    )
    every = build(
        study(EARLY, JOINED, "2018-01", source={"sum_over": ["type"], "gaps": "allow", "zeros": "keep"}, **changes)
    )
    data = pd.read_csv(DATA / EARLY)
    month = data[data["period"].eq("2017-12-01")]
    for panel, rows in ((major, month[month["type"].eq("1")]), (every, month)):
        expected = 100 * (1 - rows["breaches"].sum() / rows["attendances"].sum())
        assert england(panel, "2017-12") == pytest.approx(expected)
    assert len(every.units) > len(major.units)


def test_rows_by_type_are_not_taken_for_one_another(study):
    broken = study(EARLY, JOINED, "2018-01", window=WINDOW_EARLY, outcomes=[share(["attendances"], ["breaches"])])
    with pytest.raises(DataError, match=r"name it in `source\.sum_over` or `source\.where`"):
        build(broken)


def test_waiting_lists_load(study):
    source = {"period": "month_start", "gaps": "allow", "zeros": "keep"}
    file = "rtt_incomplete_provider_2021_2026.csv"
    data = pd.read_csv(DATA / file)
    panel = build(study(file, JOINED[1:], "2023-04", window=["2021-04", "2026-05"], outcomes=[RTT], source=source))
    last = data[data["month_start"].eq("2026-05-01")]
    assert england(panel, "2026-05") == pytest.approx(
        100 * last["within_18wk"].sum() / last["total_incomplete"].sum()
    )
    assert england(panel, "2026-05") == pytest.approx(65.6, abs=0.15)


# -- placebo calibration on real series --------------------------------------------------

LINEAR = ("group_time", "imputation", "interaction_weighted", "extended_twoway")
DRAWN = 30  # trusts taken for joined; who they are does not matter, as they stay out of the draws


def large(file, period, size, since, least):
    """Units that reported in every month since then, never fewer than `least`; 30 of them drawn by a fixed seed."""
    data = pd.read_csv(DATA / file)
    late = data[data[period].astype(str).str[:7] >= since]
    seen = late.groupby("org_code")[size].agg(["min", "count"])
    usual = sorted(seen.index[(seen["min"] > least) & seen["count"].eq(seen["count"].max())])
    return usual, sorted(np.random.default_rng(1).choice(usual, DRAWN, replace=False))


def calibrated(study, tmp_path, file, outcome, window, at, **source):
    period = source.get("period", "period")
    usual, joined = large(file, period, source.pop("size"), window[0], source.pop("least"))
    data = pd.read_csv(DATA / file)
    kept = tmp_path / "kept.csv"
    data[data["org_code"].isin(usual)].to_csv(kept, index=False)
    source = {"path": str(kept), "gaps": "allow", **source}
    return placebos.calibrate(
        build(study(file, joined, at, window=window, outcomes=[outcome], source=source)), (*LINEAR, "independent")
    )


RTT = {
    "name": "within_18_weeks",
    "kind": "proportion",
    "numerator": "within_18wk",
    "denominator": "total_incomplete",
    "better": "higher",
    "role": "primary",
}
SERIES = {
    "four hours, 2024-26": (
        (LATE, TYPE_1, ["2024-03", "2026-02"], "2025-03"),
        {"size": "att_type1", "least": 500, "missing_where": FIELD_TEST},
        (2.2, 2.9),
    ),
    "eighteen weeks, 2024-26": (
        ("rtt_incomplete_provider_2021_2026.csv", RTT, ["2024-06", "2026-05"], "2025-06"),
        {"size": "total_incomplete", "least": 5000, "period": "month_start", "zeros": "keep"},
        (1.8, 2.4),
    ),
}


@pytest.mark.parametrize("name", SERIES)
def test_default_designs_keep_their_level_on_real_series_and_independent_errors_do_not(study, tmp_path, name):
    """12 months before and 12 after; the draws are of trusts that stayed out, so nothing happened to them."""
    given, source, (low, high) = SERIES[name]
    found = calibrated(study, tmp_path, *given, **source)
    assert found.source.sizes.tolist() == [DRAWN]
    for design in LINEAR:
        record = found.found[design]
        assert 0.03 <= record.false_positive <= 0.08, design
        assert recovered(record.run, "constant", 3.0) == pytest.approx(0.95, abs=0.02), design  # 3 simulation errors
    assert found.found["independent"].false_positive > 0.25
    least = detectable(found.found["group_time"].run, "constant", wider=found.source.wider)
    assert low <= least <= high
