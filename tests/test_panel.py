"""Panels: one contract, every fault of the data at once, nothing changed in silence."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evalkit.errors import DataError
from evalkit.panel import build, build_all

WINDOW = pd.period_range("2018-01", "2019-12", freq="M")
SHARE = {
    "name": "within",
    "kind": "proportion",
    "numerator": "good",
    "denominator": "all",
    "better": "higher",
    "role": "primary",
}
COUNT = {"name": "n", "kind": "count", "value": "good", "better": "lower", "role": "primary"}


def counts(units="ABCDEF", periods=WINDOW):
    rows = pd.DataFrame([(u, str(p)) for u in units for p in periods], columns=["unit", "period"])
    rows["good"] = [700 + 7 * (i % 12) for i in range(len(rows))]
    rows["all"] = 1000
    return rows


def rollout(units="ABCDEF", joined="ABC", at="2019-01"):
    return pd.DataFrame({"unit": list(units), "joined": [at if u in joined else "" for u in units]})


def at(rows, unit, period):
    return rows.index[rows["unit"].eq(unit) & rows["period"].eq(period)][0]


@pytest.fixture
def panel(make):
    def built(rows=None, table=None, **changes):
        changes = {"outcomes": [SHARE], **changes}
        return make.panel(counts() if rows is None else rows, rollout() if table is None else table, **changes)

    return built


@pytest.fixture
def faults(panel):
    def told(*args, **changes):
        with pytest.raises(DataError) as refused:
            panel(*args, **changes)
        return [str(fault) for fault in refused.value.faults]

    return told


def source(**changes):
    return {"reader": "csv", "path": "panel.csv", **changes}


def text(rows):
    return rows.astype(object)


def test_a_sound_panel_is_as_its_contract_says(panel):
    built = panel()
    assert list(built.rows.columns) == ["value", "numerator", "denominator", "cohort", "phase", "t"]
    assert built.rows.index.names == ["unit", "period"]
    assert built.rows.index.is_unique
    assert built.rows.index.is_monotonic_increasing
    assert built.rows["value"].iloc[0] == pytest.approx(70.0)
    assert list(built.joined) == list("ABC")
    assert list(built.never) == list("DEF")
    assert built.warnings == ("Only 3 units joined in January 2019: too few to judge it alone.",)
    assert built.files[0].name == "panel.csv"
    assert len(built.files[0].sha256) == 64


# -- faults, alone and together ------------------------------------------------


def duplicate(rows, table):
    return pd.concat([rows, rows.iloc[[5]]]), table


def above(rows, table):
    rows.loc[at(rows, "B", "2018-03"), "good"] = 1001
    return rows, table


def negative(rows, table):
    rows.loc[at(rows, "C", "2018-04"), "good"] = -1
    return rows, table


def words(rows, table):
    rows = text(rows)
    rows.loc[at(rows, "D", "2018-05"), "all"] = "many"
    return rows, table


def gap(rows, table):
    return rows.drop(at(rows, "E", "2018-06")), table


def unknown(rows, table):
    return rows, pd.concat([table, pd.DataFrame({"unit": ["ZZ"], "joined": ["2019-02"]})])


def outside(rows, table):
    table.loc[2, "joined"] = "2021-01"
    return rows, table


def nothing(rows, table):
    rows = text(rows)
    rows.loc[rows["unit"].eq("F"), ["good", "all"]] = ""
    return rows, table


def zero(rows, table):
    rows.loc[at(rows, "A", "2018-07"), ["good", "all"]] = 0
    return rows, table


def implausible(rows, table):
    rows.loc[at(rows, "A", "2018-09"), "good"] = 0
    return rows, table


def half(rows, table):
    rows = text(rows)
    rows.loc[at(rows, "B", "2018-10"), "all"] = ""
    return rows, table


FAULTS = {
    duplicate: ("several rows for one unit and period", "A, 2018-06", "keep one of the lines"),
    above: ("the numerator is above the denominator", "B, 2018-03", "check which columns"),
    negative: ("a count is negative", "C, 2018-04", "correct the source"),
    words: ("`all` is 'many', which is not a number", "D, 2018-05", "leave it blank if it was not reported"),
    gap: ("no value inside the unit's life", "E, 2018-06", "`gaps: allow`"),
    unknown: ("unit ZZ of the rollout has no row", "rollout.csv", "correct the code"),
    outside: ("unit C joined in 2021-01, outside the window", "rollout.csv:4", "2018-01 to 2019-12; widen it"),
    nothing: ("no usable value in the window", "F", "remove the unit"),
    zero: ("the denominator is zero", "A, 2018-07", "`zeros: missing`"),
    implausible: ("a count of zero where its size makes that implausible", "A, 2018-09", "`zeros: keep`"),
    half: ("no value inside the unit's life", "B, 2018-10", "`gaps: allow`"),
}


@pytest.mark.parametrize("spoil", FAULTS, ids=lambda f: f.__name__)
def test_a_fault_is_told_with_unit_period_and_remedy(faults, spoil):
    found = faults(*spoil(counts(), rollout()))
    assert len([f for f in found if all(part in f for part in FAULTS[spoil])]) == 1, found
    assert all(f.count("\n") == 0 for f in found)


def test_all_faults_are_told_at_once(faults):
    rows, table = counts(), rollout()
    for spoil in FAULTS:
        rows, table = spoil(rows, table)
    found = faults(rows, table)
    for what, where, fix in FAULTS.values():
        assert any(what in f and where in f and fix in f for f in found), (what, found)


def test_everyone_joining_at_once_leaves_nobody_to_compare_with(faults, panel):
    table = rollout(joined="ABCDEF")
    for comparison in ("never_joined", "not_yet_joined"):
        assert "all 6 units joined at once" in faults(table=table, comparison=comparison)[0]
    waves = table.assign(joined=["2019-01", "2019-02"] * 3)
    assert "nobody is left to compare with" in faults(table=waves, comparison="never_joined")[0]
    assert any("nobody is left" in w for w in panel(table=waves, comparison="not_yet_joined").warnings)
    assert len(panel(table=table, comparison="none").joined) == 6


def test_nobody_joining_is_refused(faults):
    assert "no unit joined" in faults(table=rollout(joined=""))[0]


def test_a_window_without_data_is_one_fault_and_not_one_a_unit(faults):
    found = faults(window=["2010-01", "2011-12"], table=rollout(at="2011-01"))
    assert found == [
        "panel.csv: the data have no row from 2010-01 to 2011-12; correct `window`, or supply the periods"
    ]


def test_a_unit_in_another_case_is_pointed_out(faults):
    found = faults(table=rollout().replace({"unit": {"A": "a"}}))
    assert "the data have A" in found[0]


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        (pd.DataFrame({"unit": ["A", "A"], "joined": ["2019-01", ""]}), "rollout.csv:2, 3: unit A is listed 2 times"),
        (pd.DataFrame({"unit": ["A", ""], "joined": ["2019-01"] * 2}), "rollout.csv:3: column `unit` is blank"),
        (pd.DataFrame({"unit": ["A"], "joined": ["04/2019"]}), "'04/2019' is not a period"),
        (pd.DataFrame({"unit": ["A"], "joined": ["2019-Q1"]}), "is a quarter where a month"),
        (pd.DataFrame({"unit": ["A"], "joined": ["2017-12"]}), "outside the window; the window is 2018-01"),
        (pd.DataFrame({"unit": ["A"], "start": ["2019-01"]}), "has no column `joined` (rollout.joined)"),
        (pd.DataFrame({"unit": [], "joined": []}), "lists no unit"),
    ],
)
def test_a_broken_rollout_is_refused_with_its_line(faults, table, expected):
    assert any(expected in f for f in faults(table=table))


def test_a_comparison_of_named_units_is_checked(faults, panel):
    found = faults(comparison=["A", "X"])
    assert any("comparison unit A joined itself" in f for f in found)
    assert any("comparison unit X is not in the rollout" in f for f in found)
    built = panel(comparison=["D", "E"])
    assert list(built.never) == ["D", "E"]
    assert any("1 units that never joined are not in the chosen comparison" in w for w in built.warnings)


def test_a_covariate_that_is_nowhere_is_refused(faults, panel):
    assert "covariate `size` is a column of neither" in faults(covariates=["size"])[0]
    assert "deprivation" in panel(table=rollout().assign(deprivation="3"), covariates=["deprivation"]).units
    panel(rows=counts().assign(region="North"), covariates=["region"])


def test_a_blank_cluster_is_refused_and_never_lumped_together(faults):
    table = rollout().assign(region=["N", "", "S", "", "N", "S"])
    found = faults(table=table, cluster="region")
    assert found == [
        "rollout.csv:3: unit B has no `region` to cluster on; fill it in",
        "rollout.csv:5: unit D has no `region` to cluster on; fill it in",
    ]


def test_unlisted_units_are_left_out_with_a_word_or_taken_in_on_request(panel, faults):
    table = rollout().iloc[:5]
    assert any("1 units have data but are not in the rollout" in w for w in panel(table=table).warnings)
    taken = panel(table=table, rollout={"path": "rollout.csv", "unlisted": "never_joined"})
    assert list(taken.never) == list("DEF")
    found = faults(
        table=table.assign(region="N"),
        rollout={"path": "rollout.csv", "unlisted": "never_joined"},
        cluster="region",
    )
    assert "1 units that the rollout does not list have no `region`" in found[0]


# -- suspicious, not wrong -----------------------------------------------------


def test_what_is_only_suspicious_is_a_warning(panel):
    rows = counts()
    rows = rows[~(rows["unit"].eq("D") & rows["period"].lt("2018-04"))]
    rows = rows[~(rows["unit"].eq("E") & rows["period"].gt("2019-09"))]
    rows = rows[~(rows["unit"].eq("A") & rows["period"].lt("2019-02"))]
    rows.loc[rows["unit"].eq("F") & rows["period"].ge("2019-01"), "all"] = 2500
    found = " ".join(panel(rows).warnings)
    assert "1 unit joined without any data before joining (A)" in found
    assert "2 units with data only from later than January 2018 (A, D)" in found
    assert "1 unit with no data up to December 2019 (E)" in found
    assert "1 unit changed in size by a factor of 1.8 or more (F about 2019-01)" in found


def test_a_short_baseline_is_a_warning(panel):
    assert any("have only 2 months of data before joining" in w for w in panel(table=rollout(at="2018-03")).warnings)


def hospital_and_walk_in():
    """Ten hospitals and forty walk-in centres, where hardly anybody waits; hospital U00 never reports."""
    random = np.random.default_rng(3)
    rows = []
    for i in range(50):
        size, wait = (10_000, 0.3) if i < 10 else (2_000, 0.002)
        for period in WINDOW:
            waited = 0 if i == 0 else max(1, int(random.poisson(size * wait)))
            rows.append((f"U{i:02d}", str(period), size - waited, size))
    table = pd.DataFrame({"unit": [f"U{i:02d}" for i in range(50)], "joined": ["2019-01"] * 5 + [""] * 45})
    return pd.DataFrame(rows, columns=["unit", "period", "good", "all"]), table


def test_a_large_unit_that_never_shows_an_event_is_asked_about_and_never_silently_right(panel, faults):
    rows, table = hospital_and_walk_in()
    assert faults(rows, table)[0].startswith("U00, 2018-01 to 2019-12 (24 months): within: a count of zero")
    kept = panel(rows, table, source=source(zeros="keep"))
    assert any("24 implausible zeros were kept" in w for w in kept.warnings)
    left = panel(rows, table, source=source(zeros="missing"))
    assert any("were left as they are (U00); where nothing was reported" in w for w in left.warnings)


def test_none_of_none_has_no_share_even_where_zeros_are_kept(panel, faults):
    rows, _ = zero(counts(), None)
    built = panel(rows, source=source(zeros="keep"))
    assert built.missing["why"].tolist() == ["none of none has no share"]
    rows.loc[at(rows, "A", "2018-07"), "good"] = 5
    assert any("numerator is above" in f for f in faults(rows, source=source(zeros="missing")))


# -- gaps, zeros, declared missing ---------------------------------------------


def test_gaps_that_are_allowed_are_counted_and_named(panel):
    rows, _ = gap(counts(), None)
    built = panel(rows, source=source(gaps="allow"))
    assert any("1 unit-periods are missing inside a unit's life (E 2018-06)" in w for w in built.warnings)
    assert built.missing[["unit", "why"]].to_numpy().tolist() == [["E", "no value in the source"]]
    assert len(built.rows) == 6 * 24 - 1


def test_half_a_ratio_is_no_value(panel):
    rows, _ = half(counts(), None)
    built = panel(rows, source=source(gaps="allow"))
    assert ("B", pd.Period("2018-10")) not in built.rows.index
    assert built.rows[["value", "numerator", "denominator"]].notna().all(axis=None)
    expected = counts().query("unit in ('A', 'C') and period == '2018-10'")
    assert built.over(pd.Index(["A", "B", "C"])).loc[pd.Period("2018-10"), "value"] == pytest.approx(
        100 * expected["good"].sum() / expected["all"].sum()
    )


@pytest.mark.parametrize("empty", ["", "NA", "N/A", "-", ".", "null"])
def test_blank_cells_are_missing_and_not_zero(panel, empty):
    rows = text(counts())
    rows.loc[at(rows, "A", "2018-09"), "good"] = empty
    built = panel(rows, source=source(gaps="allow"))
    assert ("A", pd.Period("2018-09")) not in built.rows.index


def test_zeros_are_missing_or_kept_as_the_protocol_says(panel):
    rows, _ = zero(*implausible(counts(), None))
    missing = panel(rows, source=source(zeros="missing"))
    assert sorted(missing.missing["period"].astype(str)) == ["2018-07", "2018-09"]
    assert not missing.rows["value"].eq(0).any()
    rows, _ = implausible(counts(), None)
    kept = panel(rows, source=source(zeros="keep"))
    assert kept.rows.loc[("A", pd.Period("2018-09")), "value"] == 0
    assert any("1 implausible zeros were kept" in w for w in kept.warnings)


def test_nobody_left_over_is_as_implausible_as_nobody_at_all(faults):
    rows = counts()
    rows.loc[at(rows, "A", "2018-09"), "good"] = 1000
    assert "implausible" in faults(rows)[0]


def test_a_count_that_drops_to_nothing_for_a_month_is_implausible(faults, panel):
    rows = counts()
    rows.loc[at(rows, "A", "2018-09"), "good"] = 0
    assert "implausible" in faults(rows, outcomes=[COUNT])[0]
    rare = counts().assign(good=[i % 3 for i in range(144)])
    assert len(panel(rare, outcomes=[COUNT]).rows) == 144
    starts = counts()
    starts.loc[starts["period"].lt("2018-06"), "good"] = 0
    assert len(panel(starts, outcomes=[COUNT]).rows) == 144


def test_a_small_unit_may_have_a_zero(panel):
    rows = counts().assign(all=10, good=[i % 11 for i in range(144)])
    assert panel(rows).rows["value"].eq(0).any()


def test_declared_missing_is_missing_and_keeps_its_reason(panel):
    rows = counts().assign(flag=0)
    rows.loc[at(rows, "A", "2018-09"), ["flag", "good"]] = [1, 0]
    condition = {"column": "flag", "equals": "1.0", "why": "field test"}
    built = panel(rows, source=source(missing_where=[condition]))
    assert built.missing[["unit", "why"]].to_numpy().tolist() == [["A", "field test"]]
    with_zeros = panel(rows, source=source(missing_where=[condition], zeros="missing"))
    assert len(with_zeros.missing) == 1
    never = panel(counts().assign(flag=0), source=source(missing_where=[condition]))
    assert any("`missing_where` changes nothing" in w for w in never.warnings)


# -- sums, splits, conditions ---------------------------------------------------


def split(rows):
    parts = [rows.assign(type=kind, good=rows["good"] // 2, all=rows["all"] // 2) for kind in ("1", "2")]
    return pd.concat(parts)


def test_split_rows_are_refused_unless_they_are_to_be_added(faults, panel):
    rows = split(counts())
    assert "if a column splits them, name it in `source.sum_over`" in faults(rows)[0]
    assert len(faults(rows)) == 6  # one a unit
    built = panel(rows, source=source(sum_over=["type"]))
    assert built.rows["denominator"].eq(1000).all()
    one = panel(rows, source=source(where=[{"column": "type", "equals": "2"}]))
    assert one.rows["denominator"].eq(500).all()
    assert one.warnings[0] == "Only rows with type = 2 were read."


def test_a_row_given_twice_is_not_added_up(faults):
    rows = split(counts())
    found = faults(pd.concat([rows, rows.iloc[[0]]]), source=source(sum_over=["type"]))
    assert "several rows for one unit and period, the columns of `sum_over` being equal" in found[0]


def test_a_sum_with_a_missing_part_is_missing(panel):
    rows = text(split(counts()).reset_index(drop=True))
    rows.loc[at(rows, "A", "2018-09"), "good"] = ""
    built = panel(rows, source=source(sum_over=["type"], gaps="allow"))
    assert ("A", pd.Period("2018-09")) not in built.rows.index


def test_a_condition_that_no_row_meets_is_refused_with_what_there_is(faults):
    found = faults(split(counts()), source=source(where=[{"column": "type", "equals": "major"}]))
    assert found == ["panel.csv: no row has `type` = major, which `source.where` asks for; the column holds '1', '2'"]


def test_columns_are_added_and_subtracted_before_the_ratio(panel):
    rows = counts().assign(over=300, booked=10)
    share = {
        **SHARE,
        "numerator": {"plus": ["all", "booked"], "minus": ["over"]},
        "denominator": {"plus": ["all", "booked"]},
    }
    assert panel(rows, outcomes=[share]).rows["value"].to_numpy() == pytest.approx(100 * 710 / 1010)


def test_counts_are_added_before_rates(panel):
    rows = counts()
    rows.loc[rows["unit"].eq("A"), ["good", "all"]] = [100, 10_000]
    rows.loc[rows["unit"].eq("B"), ["good", "all"]] = [90, 100]
    both = panel(rows, source=source(zeros="keep")).over(pd.Index(["A", "B"]))
    assert both["value"].to_numpy() == pytest.approx(100 * 190 / 10_100)
    assert both["units"].eq(2).all()


def test_all_outcomes_report_their_faults_together(make):
    rows, table = negative(*above(counts(), rollout()))
    second = {**SHARE, "name": "other", "role": "secondary", "better": "lower"}
    study = make.study(rows, table, outcomes=[SHARE, second])
    with pytest.raises(DataError) as refused:
        build_all(study)
    assert {str(f).split(": ")[1] for f in refused.value.faults} == {"within", "other"}
    good = build_all(make.study(counts(), rollout(), outcomes=[SHARE, second]))
    assert list(good) == ["within", "other"]


# -- files as they come ---------------------------------------------------------


def test_thousands_separators_are_read_and_decimal_commas_are_refused(panel, faults):
    rows = text(counts())
    rows["all"] = "1,000"
    assert panel(rows).rows["denominator"].eq(1000).all()
    for wrong in (
        "0,123",
        "1234,567",
        "1,23",
        "1,0000",
        "12 000",
        "0x10",
        "1e999",
        "inf",
        "12%",
        "<5",
        "*",
        "\u0661",
        "1_0",
    ):
        rows.loc[3, "all"] = wrong
        assert any(f"`all` is '{wrong}'" in f and "panel.csv:5 (A, 2018-04)" in f for f in faults(rows)), wrong


def test_spreadsheet_dates_are_months(panel):
    rows = counts()
    rows["period"] += "-01 00:00:00"
    assert len(panel(rows).rows) == 144


def test_a_period_that_cannot_be_read_is_told_once_with_its_first_line(faults):
    rows = counts()
    rows.loc[rows["period"].eq("2018-02"), "period"] = "Feb-18"
    found = [f for f in faults(rows) if "Feb-18" in f]
    assert found == [
        "panel.csv:3: column `period`: 'Feb-18' is not a period; write it like 2024-04 or 2024-04-01; 6 rows like it"
    ]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252"])
def test_names_survive_their_encoding(make, encoding):
    rows = counts().assign(name="Caf\u00e9 \u2013 Trust")
    path = make.write(rows, rollout(), outcomes=[SHARE], source=source(name="name"))
    rows.to_csv(path.with_name("panel.csv"), index=False, encoding=encoding)
    from evalkit.study import load

    built = build(load(path))
    assert set(built.units["name"]) == {"Caf\u00e9 \u2013 Trust"}
    assert any("Windows-1252" in w for w in built.warnings) == (encoding == "cp1252")


HEADER = "unit,period,good,all\n"
FILES = {
    "empty": (b"", "panel.csv: is empty"),
    "a header alone": (HEADER.encode(), "has a header and no rows"),
    "a workbook": (b"PK\x03\x04rest", "is an Excel workbook"),
    "UTF-16": (HEADER.encode("utf-16"), "is UTF-16 text"),
    "compressed": (b"\x1f\x8b\x08", "is compressed"),
    "zero bytes": (b"unit,period\0", "holds zero bytes"),
    "no known text": (HEADER.encode() + b"\x81\x8d", "neither UTF-8 nor Windows-1252"),
    "semicolons": (b"unit;period;good;all\nA;2018-01;1;2\n", "separated by semicolons"),
    "tabs": (b"unit\tperiod\tgood\tall\nA\t2018-01\t1\t2\n", "separated by tabs"),
    "a short line": (
        HEADER.encode() + b"A,2018-01,1,2\nA,2018-02,1\n",
        "panel.csv:3: 3 cells where the header has 4",
    ),
    "a long line": (HEADER.encode() + b"A,2018-01,1,234,5\n", "panel.csv:2: 5 cells where the header has 4"),
    "an open quote": (HEADER.encode() + b'A,"2018-01,1,2\n', "cannot be read as CSV"),
    "a column twice": (b"unit,period,good,all,all\nA,2018-01,1,2,3\n", "has the column `all` more than once"),
    "no such column": (
        b"unit,period,good,total\nA,2018-01,1,2\n",
        "has no column `all`; its columns are unit",
    ),
}


@pytest.mark.parametrize("case", FILES)
def test_a_file_that_cannot_be_read_is_refused_plainly(make, case):
    content, expected = FILES[case]
    study = make.study(counts(), rollout(), outcomes=[SHARE])
    study.resolve("panel.csv").write_bytes(content)
    with pytest.raises(DataError) as refused:
        build(study)
    assert any(expected in str(f) for f in refused.value.faults), refused.value.faults


def test_a_source_that_cannot_be_read_does_not_hide_a_broken_rollout(make):
    study = make.study(counts(), rollout(at="04/2019"), outcomes=[SHARE])
    study.resolve("panel.csv").write_bytes(b"")
    with pytest.raises(DataError) as refused:
        build(study)
    assert len(refused.value.faults) == 4


def test_absent_files_and_folders_are_refused(make):
    study = make.study(counts(), rollout(), outcomes=[SHARE])
    study.resolve("panel.csv").unlink()
    with pytest.raises(DataError, match=r"names panel\.csv, which is not there"):
        build(study)
    study.resolve("panel.csv").mkdir()
    with pytest.raises(DataError, match="cannot be read"):
        build(study)


def test_blank_lines_and_quoted_line_breaks_do_not_shift_the_line_numbers(make):
    study = make.study(counts(), rollout(), outcomes=[SHARE])
    path = study.resolve("panel.csv")
    lines = path.read_text().splitlines()
    lines[0] += ",note"
    lines = [lines[0], "", *(f'{line},"a\nb"' for line in lines[1:]), ",,,,", ""]
    path.write_text("\n".join(lines))
    assert len(build(study).rows) == 144
    path.write_text("\n".join(lines).replace("2018-02", "soon", 1))
    with pytest.raises(DataError, match=r"panel\.csv:6: .*'soon'"):
        build(study)


@pytest.mark.parametrize("units", [["NO", "NA", "012", "5E10", "12:30:45", "nan", "None"]])
def test_codes_stay_what_was_written(panel, units):
    rows = pd.concat([counts("A").assign(unit=u) for u in units])
    table = pd.DataFrame({"unit": units, "joined": ["2019-01"] * 3 + [""] * 4})
    assert sorted(panel(rows, table).units.index) == sorted(units)


def test_parquet_gives_the_same_panel(make):
    changes = {"outcomes": [SHARE], "source": source(path="panel.parquet")}
    study = make.study(counts(), rollout(), **changes)
    rows = counts()
    for period in (
        rows["period"],
        pd.to_datetime(rows["period"]),
        pd.PeriodIndex(rows["period"], freq="M").astype(str),
    ):
        rows.assign(period=period, unit=rows["unit"].astype("category")).to_parquet(study.resolve("panel.parquet"))
        pd.testing.assert_frame_equal(build(study).rows, make.panel(counts(), rollout(), outcomes=[SHARE]).rows)
    study.resolve("panel.parquet").write_bytes(b"PAR1 no more")
    with pytest.raises(DataError, match="cannot be read as Parquet"):
        build(study)


def test_quarters_work_like_months(panel, faults):
    quarters = pd.period_range("2015Q1", "2019Q4", freq="Q-DEC")
    rows = counts(periods=quarters)
    changes = {
        "window": ["2015-Q1", "2019-Q4"],
        "source": source(frequency="quarter"),
        "transition": 1,
        "exclude": [{"from": "2017-Q1", "to": "2017-Q1", "why": "x"}],
    }
    built = panel(rows, rollout(at="2017-Q3"), **changes)
    phase = built.rows.loc["A", "phase"].tolist()
    assert phase == ["pre"] * 8 + ["excluded", "pre", "transition"] + ["post"] * 9
    assert built.rows.loc["A", "t"].tolist() == list(range(20))
    assert faults(rows, rollout(at="2014-Q4"), **changes)


def test_years_work_like_months(panel, faults):
    years = pd.period_range("1990", "2009", freq="Y-DEC")
    rows = counts(periods=years)
    changes = {"window": ["1990", "2009"], "source": source(frequency="year"), "transition": 1}
    built = panel(rows, rollout(at="2000"), **changes)
    assert built.rows.loc["A", "phase"].tolist() == ["pre"] * 10 + ["transition"] + ["post"] * 9
    assert "20" in dict(built.facts())["Years"]
    assert faults(rows, rollout(at="1989"), **changes)


# -- phases and time -------------------------------------------------------------

PHASES = [  # joined, period, transition, exclusion -> phase
    (None, "2019-05", 3, None, "pre"),
    ("2019-01", "2018-12", 0, None, "pre"),
    ("2019-01", "2019-01", 0, None, "post"),
    ("2019-01", "2019-01", 1, None, "transition"),
    ("2019-01", "2019-02", 1, None, "post"),
    ("2019-01", "2019-03", 3, None, "transition"),
    ("2019-01", "2019-04", 3, None, "post"),
    ("2019-01", "2019-01", 3, ("2019-01", "2019-02"), "excluded"),
    ("2019-01", "2019-03", 3, ("2019-01", "2019-02"), "transition"),
    ("2019-01", "2019-04", 3, ("2019-01", "2019-02"), "post"),
    ("2019-01", "2018-12", 0, ("2018-12", "2019-01"), "excluded"),
    (None, "2018-12", 0, ("2018-12", "2018-12"), "excluded"),
    ("2018-01", "2018-01", 0, None, "post"),
]


@pytest.mark.parametrize(("joined", "period", "transition", "exclusion", "expected"), PHASES)
def test_the_phase_of_a_period(make, joined, period, transition, exclusion, expected):
    spans = [{"from": exclusion[0], "to": exclusion[1], "why": "x"}] if exclusion else []
    study = make.study(counts(), rollout(), transition=transition, exclude=spans)
    cohort = pd.Period(joined, freq="M") if joined else None
    assert study.phase(cohort, pd.Period(period, freq="M")) == expected


def test_time_is_the_calendar_even_across_gaps_and_exclusions(panel):
    rows, _ = gap(counts(), None)
    built = panel(rows, source=source(gaps="allow"), exclude=[{"from": "2018-03", "to": "2018-04", "why": "x"}])
    t = built.rows.loc["E", "t"]
    assert t.tolist() == [i for i in range(24) if i != 5]
    assert (t.index.asi8 - t.index.asi8[0] == t).all()
    assert built.analysed.loc["A", "t"].tolist() == [i for i in range(24) if i not in (2, 3)]


# -- nothing is changed ----------------------------------------------------------


def test_building_changes_neither_the_files_nor_the_tidy_rows(make):
    from evalkit.sources import read

    study = make.study(counts(), rollout(), outcomes=[SHARE])
    files = [study.resolve(name) for name in ("panel.csv", "rollout.csv")]
    before = [f.read_bytes() for f in files]
    tidy = read(study)
    copy = tidy.rows.copy(deep=True)
    one, two = build(study, tidy=tidy), build(study, tidy=tidy)
    pd.testing.assert_frame_equal(tidy.rows, copy)
    pd.testing.assert_frame_equal(one.rows, two.rows)
    assert [f.read_bytes() for f in files] == before


def test_with_rows_keeps_only_the_units_that_are_left(panel):
    built = panel()
    part = built.with_rows(built.rows.loc[["B", "D"]].iloc[::-1])
    assert list(part.units.index) == ["B", "D"]
    assert part.rows.index.is_monotonic_increasing
    assert len(built.units) == 6


QUICK = settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@QUICK
@given(st.randoms(use_true_random=False))
def test_the_order_of_rows_and_columns_does_not_matter(make, random):
    rows, table = counts(), rollout()
    order = list(range(len(rows)))
    random.shuffle(order)
    columns = list(rows.columns)
    random.shuffle(columns)
    shuffled = make.panel(rows.iloc[order][columns], table.sample(frac=1, random_state=1), outcomes=[SHARE])
    pd.testing.assert_frame_equal(shuffled.rows, make.panel(rows, table, outcomes=[SHARE]).rows)


@QUICK
@given(st.lists(st.just(0.0) | st.floats(1e-12, 1e15) | st.floats(-1e15, -1e-12), min_size=144, max_size=144))
def test_figures_survive_to_the_last_digit(make, values):
    measure = {"name": "y", "kind": "continuous", "value": "y", "better": "higher", "role": "primary"}
    rows = counts().drop(columns=["good", "all"]).assign(y=values)
    built = make.panel(rows, rollout(), outcomes=[measure])
    assert np.array_equal(built.rows["value"].to_numpy(), np.array(values))


def test_a_gap_that_no_estimate_would_use_is_a_warning_and_no_fault(make):
    months = pd.period_range("2018-01", "2019-12", freq="M").astype(str)
    rows = pd.DataFrame([(u, m, 1.5) for u in ("A", "B") for m in months], columns=["unit", "period", "y"])
    rollout = pd.DataFrame({"unit": ["A", "B"], "joined": ["2019-01", ""]})
    lost = rows["period"].isin(["2018-06"]) | (rows["unit"].eq("A") & rows["period"].isin(["2019-01", "2019-02"]))
    exclude = [{"from": "2018-06", "to": "2018-06", "why": "collection suspended"}]
    panel = make.panel(rows[~lost], rollout, exclude=exclude, transition=2)
    assert len(panel.missing) == 4
    assert any("4 unit-periods are missing" in warning for warning in panel.warnings)
    with pytest.raises(DataError, match="A, 2019-02: y: no value inside the unit's life"):
        make.panel(rows[~lost], rollout, exclude=exclude, transition=1)


def test_a_rollout_put_elsewhere_is_in_every_row_of_its_unit(panel):
    """Rows of units that are missing some periods, so that place and row do not go together."""
    rows = counts()
    found = panel(rows.drop(index=[at(rows, "B", "2018-03"), at(rows, "D", "2019-11")]), source=source(gaps="allow"))
    cohort = pd.Series(pd.PeriodIndex(["2018-06", None, "2019-03"], freq="M"), index=["E", "A", "B"])
    moved = found.joining(cohort)
    named = moved.rows.index.get_level_values("unit")
    assert (found.units.index[found.places] == named).all()
    assert moved.cohorts == [pd.Period("2018-06", "M"), pd.Period("2019-03", "M")]
    for unit in "ABCDEF":
        given = cohort.get(unit, pd.NaT)
        inside = moved.rows[named == unit]
        assert inside["cohort"].isna().all() if pd.isna(given) else inside["cohort"].eq(given).all()
        since = inside["t"] - (np.inf if pd.isna(given) else moved.study.time(pd.PeriodIndex([given]))[0])
        assert (inside["phase"] == np.where(since >= 0, "post", "pre")).all()
    assert moved.rows.dtypes.equals(found.rows.dtypes)
