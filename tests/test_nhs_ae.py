import csv
import hashlib
import os
import tempfile
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from ae_files import (
    BEFORE_BOOKED,
    COUNT_NAMES,
    CURRENT,
    OLDER,
    REFERENCE,
    SHARED,
    provider,
    text_of,
    total_of,
    write,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

from evalkit.errors import DataError
from evalkit.sources.nhs_ae import FOUR_HOUR, MEASURES, four_hour_performance, read
from evalkit.sources.nhs_ae_files import latest_revisions
from evalkit.sources.nhs_ae_periods import Revision, month_of_cell, month_of_name, revision_of
from evalkit.sources.successions import Succession, Successions, load

BUSY = {"type1_attended": 1000, "type1_over": 400}


def month(text):
    return pd.Period(text, freq="M")


def faults_of(folder):
    with pytest.raises(DataError) as refusal:
        read(folder)
    return refusal.value.faults


def the_fault(folder):
    (fault,) = faults_of(folder)
    return fault


# --- eras and headers


def test_current_era_adds_booked_appointments(tmp_path):
    row = provider("RXA", **{name: 2**position for position, name in enumerate(COUNT_NAMES)})
    row |= {"type1_over": 1, "type2_over": 2, "other_over": 3}
    row |= {"type1_over_booked": 100, "type2_over_booked": 200, "other_over_booked": 300}
    row |= {"type1_attended": 10_000, "type2_attended": 20_000, "other_attended": 30_000}
    row |= {"type1_attended_booked": 1, "type2_attended_booked": 2, "other_attended_booked": 3}
    write(tmp_path, "April-2024.csv", [row])
    got = read(tmp_path).rows.iloc[0]
    assert got[["unit", "unit_name", "region", "published_codes"]].tolist() == [
        "RXA",
        "TRUST RXA",
        "NHS ENGLAND LONDON",
        "RXA",
    ]
    assert got["period"] == month("2024-04")
    assert got[["type1_attendances", "type2_attendances", "other_attendances"]].tolist() == [
        10_001,
        20_002,
        30_003,
    ]
    assert got[["type1_over_4h", "type2_over_4h", "other_over_4h"]].tolist() == [101, 202, 303]
    assert got[["type1_within_4h", "type2_within_4h", "other_within_4h"]].tolist() == [9_900, 19_800, 29_700]
    assert got[["all_attendances", "all_over_4h", "all_within_4h"]].tolist() == [60_006, 606, 59_400]
    waits = ["dta_4_12h", "dta_over_12h", "other_emergency_admissions"]
    assert got[waits].tolist() == [row[name] for name in waits]
    via = ["type1_emergency_admissions", "type2_emergency_admissions", "other_ae_emergency_admissions"]
    assert got[via].tolist() == [row[name] for name in via]
    assert got["ae_emergency_admissions"] == sum(row[name] for name in via)


def test_older_headers_are_the_published_ones():
    assert OLDER[4:10] == [
        "Number of A&E attendances Type 1",
        "Number of A&E attendances Type 2",
        "Number of A&E attendances Other A&E Department",
        "Number of attendances over 4hrs Type 1",
        "Number of attendances over 4hrs Type 2",
        "Number of attendances over 4hrs Other A&E Department",
    ]
    assert len(CURRENT) == 22
    assert len(OLDER) == len(BEFORE_BOOKED) == 16


@pytest.mark.parametrize("headers", [BEFORE_BOOKED, OLDER])
def test_eras_before_booked_appointments_read_alike(tmp_path, headers):
    rows = [provider("RXA", **BUSY, other_attended=50, other_over=5), provider("RXB", **BUSY)]
    for name, era in (("now", CURRENT), ("then", headers)):
        (tmp_path / name).mkdir()
        write(tmp_path / name, "April-2018.csv", rows, month="MSitAE-APRIL-2018", headers=era)
    then = read(tmp_path / "then")
    assert_frame_equal(then.rows, read(tmp_path / "now").rows)
    assert then.rows["all_over_4h"].tolist() == [405, 400]
    assert then.missing.empty
    assert then.missing.dtypes.to_dict()["period"] == pd.PeriodDtype("M")


@pytest.mark.parametrize("shuffled", [False, True])
def test_headers_tolerate_case_space_and_byte_order_mark(tmp_path, shuffled):
    text = text_of([provider("RXA", **BUSY)])
    header, rest = text.split("\r\n", 1)
    loose = ",".join(f" {cell.upper().replace(' ', '  ')}\u00a0" for cell in header.split(","))
    lines = [loose.split(","), *csv.reader(rest.splitlines())]
    if shuffled:
        lines = [line[::-1] for line in lines]
    body = "\r\n".join(",".join(line) for line in lines)
    (tmp_path / "April-2024.csv").write_bytes(("\ufeff" + body).encode())
    assert read(tmp_path).rows["type1_over_4h"].tolist() == [400]


def test_a_header_one_letter_off_is_refused(tmp_path):
    headers = ["Patients who have waited 4-12 hrs from DTA to admission" if "4-12" in h else h for h in CURRENT]
    text = text_of([provider("RXA")]).split("\r\n", 1)[1]
    (tmp_path / "April-2024.csv").write_text(",".join(headers) + "\n" + text)
    missing, stray = faults_of(tmp_path)
    assert "4-12 hs from DTA" in missing.what
    assert missing.where == "April-2024.csv"
    assert "4-12 hrs from DTA" in stray.what


def test_missing_column_is_named_with_its_file(tmp_path):
    for gone in (
        "Org Code",
        "Other emergency admissions",
        "Attendances over 4hrs Booked Appointments Type 2",
    ):
        headers = [header for header in CURRENT if header != gone]
        write(tmp_path, "April-2024.csv", [provider("RXA")], headers=headers)
        fault = the_fault(tmp_path)
        assert gone in fault.what
        assert fault.where == "April-2024.csv"


@pytest.mark.parametrize("twin", ["ORG  code", "Number of A&E attendances Type 1", "a"])
def test_duplicate_headers_are_refused(tmp_path, twin):
    text = text_of([provider("RXA")], total=None).splitlines()
    extra = ["", ""] if twin == "a" else ["RXA" if "code" in twin else "0"]
    names = ["a", "a"] if twin == "a" else [twin]
    lines = [text[0] + "," + ",".join(names), text[1] + "," + ",".join(extra)]
    (tmp_path / "April-2024.csv").write_text("\n".join(lines))
    assert "twice" in the_fault(tmp_path).what


def test_file_without_header_is_one_fault(tmp_path):
    body = text_of([provider("RXA")]).split("\r\n", 1)[1]
    (tmp_path / "April-2024.csv").write_text(body)
    assert "headers" in the_fault(tmp_path).what


# --- totals


@pytest.mark.parametrize("mark", ["TOTAL", "Total", "Total ", "TOTAl"])
@pytest.mark.parametrize("column", ["period", "unit", "region", "unit_name"])
def test_total_rows_are_recognised_anywhere(tmp_path, mark, column):
    rows = [provider("RXA", **BUSY), provider("RXB", **BUSY)]
    blank = {"period": "MSitAE-APRIL-2024", "unit": "", "region": "", "unit_name": ""}
    write(tmp_path, "April-2024.csv", rows, total=total_of(rows, **blank | {column: mark}))
    tidy = read(tmp_path)
    assert tidy.rows["unit"].tolist() == ["RXA", "RXB"]
    assert tidy.notes == ()


@pytest.mark.parametrize(("total", "said"), [(1_299, "1,299"), (1_301, "1,301")])
def test_total_that_differs_is_noted_with_both_numbers(tmp_path, total, said):
    rows = [
        provider("RXA", type1_attended=600, type1_over=1),
        provider("RXB", type1_attended=700, type1_over=2),
    ]
    write(tmp_path, "April-2024.csv", rows, total=total_of(rows) | {"type1_attended": total, "dta_4_12h": ""})
    noted, blank = read(tmp_path).notes
    for part in ("April-2024.csv", "A&E attendances Type 1", "1,300", said):
        assert part in noted
    assert "4-12 hs" in blank


def test_two_totals_are_refused(tmp_path):
    rows = [provider("RXA", **BUSY)]
    write(tmp_path, "April-2024.csv", [*rows, total_of(rows)], total=total_of(rows))
    assert "lines 3 and 4" in the_fault(tmp_path).what


def test_no_total_is_noted_and_no_provider_refused(tmp_path):
    path = write(tmp_path, "April-2024.csv", [provider("RXA", **BUSY)], total=None)
    assert any("no total row" in note for note in read(tmp_path).notes)
    path.write_text(text_of([], total=total_of([])))
    assert the_fault(tmp_path).what == "no provider rows"


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(*[st.integers(0, 99_999)] * 4), min_size=1, max_size=5))
def test_booked_or_not_does_not_change_the_sums(parts):
    """The same attendances, split differently between unbooked and booked, read the same."""
    whole, split = [], []
    for number, (over, over_booked, within, within_booked) in enumerate(parts):
        attended, booked = over + within, over_booked + within_booked
        split.append(
            provider(
                f"R{number}",
                type1_attended=attended,
                type1_attended_booked=booked,
                type1_over=over,
                type1_over_booked=over_booked,
            )
        )
        whole.append(provider(f"R{number}", type1_attended=attended + booked, type1_over=over + over_booked))
    with tempfile.TemporaryDirectory() as first, tempfile.TemporaryDirectory() as second:
        write(Path(first), "April-2024.csv", whole)
        write(Path(second), "April-2024.csv", split)
        got = read(Path(second))
        assert_frame_equal(read(Path(first)).rows, got.rows)
        assert got.rows["type1_attendances"].tolist() == [sum(part) for part in parts]


@settings(max_examples=25, deadline=None)
@given(st.permutations(range(6)))
def test_row_order_does_not_matter(order):
    rows = [provider(f"R{n}", type1_attended=600 + n, type1_over=n, other_attended=7 * n) for n in range(6)]
    lines = [*rows, total_of(rows)]
    merged = Successions((Succession("R4", "R5", month("2024-06")),))
    with tempfile.TemporaryDirectory() as first, tempfile.TemporaryDirectory() as second:
        write(Path(first), "April-2024.csv", lines, total=None)
        shuffled = [lines[6], *(rows[position] for position in order)]
        write(Path(second), "April-2024.csv", shuffled, total=None)
        one, other = read(Path(first), merged), read(Path(second), merged)
    assert_frame_equal(one.rows, other.rows)
    assert_frame_equal(one.missing, other.missing)
    assert one.notes == other.notes
    assert one.rows["unit"].tolist() == ["R0", "R1", "R2", "R3", "R5"]


# --- stray columns


def _with_strays(names, cells, rows):
    lines = text_of(rows).splitlines()
    tail = [names, *cells]
    return "\n".join(f"{line},{','.join(tail[n])}" for n, line in enumerate(lines))


def test_empty_stray_columns_are_dropped_with_a_note(tmp_path):
    names = ["", "", "Unnamed: 24", "a"]
    text = _with_strays(names, [["", " ", "", ""]] * 2, [provider("RXA", **BUSY)])
    (tmp_path / "September-2024.csv").write_text(text.replace("APRIL", "SEPTEMBER"))
    tidy = read(tmp_path)
    (note,) = tidy.notes
    assert "September-2024.csv" in note
    assert "column 23, column 24, Unnamed: 24, a" in note
    assert tidy.rows["type1_over_4h"].tolist() == [400]


@pytest.mark.parametrize("name", ["", "a", "Unnamed: 22", "Breaches"])
def test_stray_columns_with_data_are_refused(tmp_path, name):
    text = _with_strays([name], [[""], ["7"], ["8"]], [provider("RXA"), provider("RXB")])
    (tmp_path / "April-2024.csv").write_text(text)
    fault = the_fault(tmp_path)
    assert "'7'" in fault.what
    assert fault.where == f"April-2024.csv, line 3, column {name or 23}"


def test_cells_beyond_the_header_are_stray_too(tmp_path):
    lines = text_of([provider("RXA")]).splitlines()
    path = tmp_path / "April-2024.csv"
    path.write_text("\n".join([lines[0], lines[1] + ",,", lines[2]]))
    assert any("column 23" in note for note in read(tmp_path).notes)
    path.write_text("\n".join([lines[0], lines[1] + ",,9", lines[2]]))
    assert "line 2, column 24" in the_fault(tmp_path).where


def test_truncated_line_is_refused(tmp_path):
    lines = text_of([provider("RXA"), provider("RXB")]).splitlines()
    (tmp_path / "April-2024.csv").write_text("\n".join([*lines[:2], lines[2][:30], lines[3]]))
    assert "line 3" in the_fault(tmp_path).where


# --- months


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("MSitAE-APRIL-2024", "2024-04"),
        ("msitae-April-2024 ", "2024-04"),
        ("MSitAE-Sept-2019", "2019-09"),
        ("MSitAE-DEC-19", "2019-12"),
        ("May 2016", "2016-05"),
    ],
)
def test_months_in_cells(text, expected):
    assert month_of_cell(text) == month(expected)


@pytest.mark.parametrize("text", ["", "TOTAL", "MSitAE-2024", "APRIL", "MSitAE-APRIL-1824", "AprilX-2024", "4-24"])
def test_what_is_no_month(text):
    assert month_of_cell(text) is None


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ("April-2021-revised-120522-ABC456.csv", (2021, 4)),
        ("Monthly-AE-April-2024-revised.csv", (2024, 4)),
        ("February-2026-CSV-Dl8t54.csv", (2026, 2)),
        ("sept19.csv", (2019, 9)),
        ("ae_2021-04.csv", (2021, 4)),
        ("March.csv", (None, 3)),
        ("ae-2024-06-30.csv", None),
        ("Marsden-2024.csv", None),
        ("ae.csv", None),
    ],
)
def test_months_in_file_names(file, expected):
    assert month_of_name(file) == expected


@pytest.mark.parametrize("file", ["May-2024.csv", "April-2023.csv", "may.csv", "ae_2024-05.csv"])
def test_file_name_that_disagrees_is_refused(tmp_path, file):
    write(tmp_path, file, [provider("RXA")])
    fault = the_fault(tmp_path)
    assert fault.where == file
    assert "2024-04" in fault.what


def test_file_name_without_month_is_fine(tmp_path):
    write(tmp_path, "download.CSV", [provider("RXA")])
    tidy = read(tmp_path)
    assert tidy.rows["period"].dtype == pd.PeriodDtype("M")
    assert tidy.rows["period"].tolist() == [month("2024-04")]


def test_one_month_a_file(tmp_path):
    rows = [provider("RXA"), provider("RXB", period="MSitAE-MAY-2024")]
    write(tmp_path, "x.csv", rows)
    assert "April 2024 (line 2), May 2024 (line 3)" in the_fault(tmp_path).what
    write(tmp_path, "x.csv", rows[:1], total=total_of(rows[:1], period="MSitAE-MAY-2024"))
    assert "several months" in the_fault(tmp_path).what
    write(tmp_path, "x.csv", [provider("RXA"), provider("RXB", period="spring")])
    fault = the_fault(tmp_path)
    assert fault.where == "x.csv, line 3, column Period"
    bad = [provider(code, period="spring") for code in ("RXA", "RXB")]
    write(tmp_path, "y.csv", bad)
    assert [each.where for each in faults_of(tmp_path)][1:] == ["y.csv, line 2, column Period"]
    assert "'spring'" in fault.what


def test_notes_follow_the_months_not_the_file_names(tmp_path):
    for name in ("APRIL", "MARCH"):
        write(tmp_path, f"{name}.csv", [provider("RXA")], month=f"MSitAE-{name}-2024", total=None)
    assert [note.split(" ")[0] for note in read(tmp_path).notes] == ["MARCH.csv", "APRIL.csv"]


def test_gap_between_files_is_noted(tmp_path):
    for name in ("JANUARY", "FEBRUARY", "MAY"):
        write(tmp_path, f"{name}.csv", [provider("RXA", **BUSY)], month=f"MSitAE-{name}-2024")
    (note,) = read(tmp_path).notes
    assert "2024-03, 2024-04" in note
    (tmp_path / "MAY.csv").unlink()
    assert read(tmp_path).notes == ()


# --- encodings


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252"])
def test_encodings(tmp_path, encoding):
    name = "ST JOHN’S – CAFÉ"
    write(tmp_path, "April-2024.csv", [provider("RXA", unit_name=name)], encoding=encoding)
    assert read(tmp_path).rows["unit_name"].tolist() == [name]


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252"])
def test_byte_order_mark_before_a_quoted_header(tmp_path, encoding):
    text = text_of([provider("RXA", unit_name="CAFÉ")]).replace("Period", '"Period"', 1)
    (tmp_path / "April-2024.csv").write_bytes(b"\xef\xbb\xbf" + text.encode(encoding))
    assert read(tmp_path).rows["unit_name"].tolist() == ["CAFÉ"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "empty"),
        (b" \r\n,,,\r\n", "empty"),
        (b"PK\x03\x04\x00\x00", "not a text file"),
        ("Period".encode("utf-16"), "not a text file"),
        (b"Period\x81", "neither UTF-8 nor Windows-1252"),
        (b'Period,"Org Code\nRXA', "not a CSV file"),
    ],
)
def test_files_that_are_no_csv(tmp_path, content, said):
    (tmp_path / "April-2024.csv").write_bytes(content)
    fault = the_fault(tmp_path)
    assert said in fault.what
    assert fault.where.startswith("April-2024.csv")
    assert fault.fix


# --- revisions


def _three_revisions(folder, names):
    for attended, name in zip((600, 700, 800), names, strict=False):
        write(folder, name, [provider("RXA", type1_attended=attended, type1_over=9)])


@pytest.mark.parametrize(
    ("names", "winner"),
    [
        # Day before month: 130623 is earlier than 120624, though 13 is more than 12.
        (["April-2024-revised-120624-x.csv", "April-2024-revised-130623-y.csv", "April-2024-z.csv"], 0),
        (["April-2024.csv", "Monthly-AE-April-2024-revised.csv"], 1),
    ],
)
def test_the_latest_revision_wins(tmp_path, names, winner):
    _three_revisions(tmp_path, names)
    tidy = read(tmp_path)
    assert tidy.rows["type1_attendances"].tolist() == [600 + 100 * winner]
    notes = {file.name: file.note for file in tidy.files}
    superseded = {name for name in names if name != names[winner]}
    assert {name for name, note in notes.items() if note == f"superseded by {names[winner]}"} == superseded
    assert notes[names[winner]] == ""
    for name in superseded:
        assert f"{name} is superseded by {names[winner]}." in tidy.notes


@pytest.mark.parametrize(
    "names",
    [
        ["April-2024-a.csv", "April-2024-b.csv"],
        ["April-2024-revised-120624-a.csv", "April-2024-revised-120624-b.csv"],
        ["April-2024-revised-120624-a.csv", "April-2024-revised.csv"],
        ["April-2024-revised-994499-a.csv", "April-2024-revised-120624-b.csv"],
    ],
)
def test_files_that_cannot_be_ordered_are_refused(tmp_path, names):
    _three_revisions(tmp_path, names)
    fault = the_fault(tmp_path)
    assert all(name in fault.where for name in names)
    assert "April 2024" in fault.what
    assert "remove" in fault.fix


def test_revision_dates():
    assert revision_of("April-2021-revised-120522-ABC456.csv") == Revision(revised=True, on=date(2022, 5, 12))
    assert revision_of("April-2025-CSV-revised.csv") == Revision(revised=True)
    assert revision_of("October-2025-CSV-hg6dl.csv") == Revision(revised=False)
    faults = []
    months = [("a.csv", month("2024-04")), ("b.csv", month("2024-05"))]
    assert latest_revisions(months, faults) == {}
    assert faults == []


def test_provenance_and_untouched_bytes(tmp_path):
    path = write(tmp_path, "April-2024.csv", [provider("RXA", **BUSY)], encoding="utf-8-sig")
    other = write(tmp_path, "May-2024.csv", [provider("RXA", **BUSY)], month="MSitAE-MAY-2024")
    os.utime(other, (1_600_000_000, 1_600_000_000))
    (tmp_path / "retrieved.csv").write_text("file,retrieved\nApril-2024.csv,2024-06-13\n")
    before = {each.name: each.read_bytes() for each in tmp_path.iterdir()}
    first, second = read(tmp_path).files
    assert first.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert first.size == len(path.read_bytes())
    assert first.retrieved == date(2024, 6, 13)
    assert second.retrieved == date(2020, 9, 13)
    (tmp_path / "retrieved.csv").write_text("file,retrieved\nJune-2024.csv,2024-06-13\n")
    assert read(tmp_path).notes == ("retrieved.csv names June-2024.csv, which is not in the folder.",)
    (tmp_path / "retrieved.csv").write_bytes(before["retrieved.csv"])
    assert {each.name: each.read_bytes() for each in tmp_path.iterdir()} == before


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("retrieved,file\n2024-06-13\n", "file name is blank"),
        ("file,date\nx.csv,2024-01-01\n", "'retrieved' is missing"),
        ("", "'file' is missing"),
        ("file,retrieved\nx.csv,13/06/2024\n", "'13/06/2024' is not a day"),
        ("file,retrieved\nx.csv,2024-06-13\nx.csv,2024-06-14\n", "twice"),
    ],
)
def test_retrieval_dates_that_cannot_be_read(tmp_path, text, said):
    write(tmp_path, "April-2024.csv", [provider("RXA")])
    (tmp_path / "retrieved.csv").write_text(text)
    assert said in faults_of(tmp_path)[0].what


# --- not reported


def test_zero_for_not_reported_is_missing(tmp_path):
    rows = [
        provider("RXA", type1_attended=400, type1_attended_booked=101, type2_attended=50, type2_over=5),
        provider("RXB", type1_attended=500),
        provider("RXC", type1_attended=5_000, type1_over_booked=1, type1_attended_booked=1),
        provider("RXD", type1_attended=1_000, type1_over=600),
    ]
    write(tmp_path, "April-2021.csv", rows, month="MSitAE-APRIL-2021")
    tidy = read(tmp_path)
    got = tidy.rows.set_index("unit")
    assert got.loc["RXA", list(FOUR_HOUR)].isna().all()
    assert got.loc["RXA", "type1_attendances"] == 501
    assert got.loc["RXA", "all_attendances"] == 551
    assert got.loc[["RXB", "RXC", "RXD"], list(MEASURES)].notna().all(axis=None)
    assert tidy.missing["unit"].tolist() == ["RXA"]
    assert tidy.missing["period"].tolist() == [month("2021-04")]
    assert tidy.missing["period"].dtype == pd.PeriodDtype("M")
    assert "not reported" in tidy.missing["why"].item()
    assert any("1 published rows of 1 organisations (RXA)" in note for note in tidy.notes)
    # 501 + 50 attendances of RXA count on neither side.
    assert four_hour_performance(tidy.rows).loc["2021-04"] == pytest.approx((500 + 5_000 + 400) / 6_501)
    assert four_hour_performance(tidy.rows, "type1").loc["2021-04"] == pytest.approx(5_900 / 6_501)


def test_performance_when_nobody_reported(tmp_path):
    write(tmp_path, "April-2021.csv", [provider("RXA", type1_attended=900)], month="MSitAE-APRIL-2021")
    write(tmp_path, "May-2021.csv", [provider("RXA")], month="MSitAE-MAY-2021")
    share = four_hour_performance(read(tmp_path).rows)
    assert share.index.tolist() == [month("2021-04"), month("2021-05")]
    assert share.isna().all()


def test_performance_takes_both_counts_of_a_unit_or_neither():
    rows = pd.DataFrame({"period": [month("2021-04")] * 3})
    rows["all_over_4h"], rows["all_within_4h"] = [10.0, 500.0, np.nan], [30.0, np.nan, 500.0]
    assert four_hour_performance(rows).tolist() == [0.75]


def test_merged_unit_with_a_part_that_did_not_report_is_missing(tmp_path):
    """Summed first, the pair would have 300 waits over 4 hours and pass as having reported."""
    rows = [provider("RXA", type1_attended=4_000), provider("RXB", type1_attended=1_000, type1_over=300)]
    write(tmp_path, "April-2021.csv", rows, month="MSitAE-APRIL-2021")
    tidy = read(tmp_path, Successions((Succession("RXA", "RXB", month("2022-04")),)))
    (got,) = tidy.rows.to_dict("records")
    assert got["published_codes"] == "RXA+RXB"
    assert got["all_attendances"] == 5_000
    assert all(np.isnan(got[name]) for name in FOUR_HOUR)
    (listed,) = tidy.missing.to_dict("records")
    assert listed["unit"] == "RXB"
    assert listed["why"].startswith("RXA: four-hour measures not reported")


def test_more_waits_than_attendances_are_missing(tmp_path):
    write(tmp_path, "April-2024.csv", [provider("RXA", **BUSY, other_attended=5, other_over=6)])
    tidy = read(tmp_path)
    got = tidy.rows.iloc[0]
    assert got[["other_over_4h", "other_within_4h", "all_over_4h", "all_within_4h"]].isna().all()
    assert got[["type1_over_4h", "other_attendances"]].tolist() == [400, 5]
    assert "more waits" in tidy.missing["why"].item()


# --- cells


@pytest.mark.parametrize("cell", ["", " ", "-", "N/A"])
def test_cells_that_are_missing(tmp_path, cell):
    rows = [provider("RXA", **BUSY, dta_4_12h=3), provider("RXB", **BUSY)]
    total = total_of(rows)
    rows[1] |= {"dta_4_12h": cell, "type2_attended": cell, "type2_emergency_admissions": cell}
    write(tmp_path, "April-2024.csv", rows, total=total)
    tidy = read(tmp_path)
    got = tidy.rows.set_index("unit").loc["RXB"]
    names = ["dta_4_12h", "type2_attendances", "type2_over_4h", "type2_within_4h", "all_attendances"]
    assert got[[*names, "all_within_4h", "ae_emergency_admissions"]].isna().all()
    assert got[["type1_attendances", "type1_over_4h", "dta_over_12h"]].tolist() == [1000, 400, 0]
    (listed,) = tidy.missing.to_dict("records")
    assert listed["unit"] == "RXB"
    assert "A&E attendances Type 2" in listed["why"]
    assert "4-12 hs" in listed["why"]


@pytest.mark.parametrize(("cell", "count"), [("1,234", 1234), ("1,234,567", 1234567), (" 77 ", 77), ("007", 7)])
def test_cells_that_are_counts(tmp_path, cell, count):
    write(tmp_path, "April-2024.csv", [provider("RXA", dta_4_12h=cell)], total=None)
    assert read(tmp_path).rows["dta_4_12h"].tolist() == [count]


@pytest.mark.parametrize(
    "cell",
    [
        "-3",
        "4.5",
        "4.0",
        "12,34",
        "1e3",
        "many",
        "#REF!",
        "nan",
        "inf",
        "٣",
        "²",
        "1_000",
        "9" * 10,
        "+1",
        "*",
    ],
)
def test_cells_that_are_refused(tmp_path, cell):
    write(tmp_path, "April-2024.csv", [provider("RXA"), provider("RXB", dta_4_12h=cell)], total=None)
    fault = the_fault(tmp_path)
    assert repr(cell) in fault.what
    column = "Patients who have waited 4-12 hs from DTA to admission"
    assert fault.where == f"April-2024.csv, line 3, column {column}"
    assert fault.fix


def test_every_fault_of_every_file_is_said_at_once(tmp_path):
    rows = [provider("RXA", type1_attended="x", other_over="-1"), provider("RXA"), provider("")]
    write(tmp_path, "April-2024.csv", rows, headers=CURRENT[:-1], total=None)
    write(tmp_path, "May-2024.csv", [provider("RXB", dta_4_12h="1.5")], total=None)
    (tmp_path / "June-2024.csv").write_bytes(b"")
    write(tmp_path, "July-2024-a.csv", [provider("RXB")], month="MSitAE-JULY-2024", total=None)
    write(tmp_path, "July-2024-b.csv", [provider("RXB")], month="MSitAE-JULY-2024", total=None)
    (tmp_path / "retrieved.csv").write_text("file\n")
    said = "\n".join(str(fault) for fault in faults_of(tmp_path))
    assert len(said.splitlines()) == 10
    for part in (
        "'retrieved' is missing",
        "'Other emergency admissions' is missing",
        "'x' is not a count",
        "'-1' is not a count",
        "organisation RXA has a row on line 2 already",
        "code is blank",
        "'1.5' is not a count",
        "the file name says 2024-05, the rows say 2024-04",
        "June-2024.csv: the file is empty",
        "July-2024-a.csv and July-2024-b.csv",
    ):
        assert part in said


def test_codes_stay_text(tmp_path):
    codes = ["012", "5E10", "NA", "NO", "nan", "null"]
    write(tmp_path, "April-2024.csv", [provider(code) for code in codes])
    rows = read(tmp_path).rows
    assert rows["unit"].tolist() == codes
    assert rows["published_codes"].tolist() == codes


# --- the folder


def test_path_problems(tmp_path):
    assert "no such folder" in the_fault(tmp_path / "none").what
    (tmp_path / "file").write_text("x")
    assert "not a folder" in the_fault(tmp_path / "file").what
    assert "no CSV file" in the_fault(tmp_path).what
    (tmp_path / "April-2024.csv").symlink_to(tmp_path / "gone")
    fault = the_fault(tmp_path)
    assert fault.where == "April-2024.csv"
    assert "cannot be read" in fault.what


def test_what_is_no_csv_is_ignored_with_a_note(tmp_path):
    write(tmp_path, "April-2024.csv", [provider("RXA", **BUSY)])
    (tmp_path / "notes.xlsx").write_bytes(b"\x00")
    (tmp_path / "old.csv").mkdir()
    tidy = read(tmp_path)
    assert [note.split(" ")[0] for note in tidy.notes] == ["notes.xlsx", "old.csv"]
    assert [file.name for file in tidy.files] == ["April-2024.csv"]


# --- the result


def test_rows_are_sorted_unique_and_named_as_promised(tmp_path):
    for name, codes in (("MAY", "BA"), ("APRIL", "CB")):
        rows = [provider(f"RX{code}", **BUSY, unit_name=f"{code} {name}") for code in codes]
        write(tmp_path, f"{name}-2024.csv", rows, month=f"MSitAE-{name}-2024")
    rows = read(tmp_path).rows
    assert list(rows.columns) == ["unit", "period", "unit_name", "region", "published_codes", *MEASURES]
    assert (rows["unit"] + " " + rows["period"].astype(str)).tolist() == [
        "RXA 2024-05",
        "RXB 2024-04",
        "RXB 2024-05",
        "RXC 2024-04",
    ]
    assert rows["unit_name"].tolist() == ["A MAY", "B MAY", "B MAY", "C APRIL"]
    assert set(rows[list(MEASURES)].dtypes) == {np.dtype("float64")}
    assert len(set(MEASURES)) == len(MEASURES) == 19


# --- files as published


@pytest.fixture(scope="module")
def reference_successions():
    return load(REFERENCE / "organisation_successions.csv")


@pytest.fixture(scope="module")
def regenerated(tmp_path_factory):
    """All 71 published months from April 2020, written in the current format under their own names."""
    source = SHARED / "ae_monthly_provider_2020_2026.csv"
    if not source.exists():
        pytest.skip("the published A&E months are not at hand")
    folder = tmp_path_factory.mktemp("published")
    table = pd.read_csv(source, dtype=str, keep_default_na=False)
    kinds = {"type1": "type1", "type2": "type2", "other": "other"}
    names = {
        "org_code": "unit",
        "parent_org": "region",
        "org_name": "unit_name",
        "dta_12h_plus": "dta_over_12h",
    }
    for ours, theirs in kinds.items():
        names |= {
            f"att_{theirs}": f"{ours}_attended",
            f"att_booked_{theirs}": f"{ours}_attended_booked",
            f"over4h_{theirs}": f"{ours}_over",
            f"over4h_booked_{theirs}": f"{ours}_over_booked",
        }
    names |= {f"emadm_ae_{kind}": f"{kind}_emergency_admissions" for kind in ("type1", "type2")}
    names |= {"emadm_ae_other": "other_ae_emergency_admissions", "emadm_other": "other_emergency_admissions"}
    table = table.rename(columns=names)
    table["parsed"] = pd.PeriodIndex(table["period"].str[:7], freq="M")
    for (file, when), rows in table.drop(columns="period").groupby(["source_file", "parsed"]):
        write(folder, file, rows.to_dict("records"), month=f"MSitAE-{when.strftime('%B-%Y').upper()}")
    return folder


def test_december_2022_is_65_2_percent_not_69(regenerated):
    tidy = read(regenerated)
    share = 100 * four_hour_performance(tidy.rows)
    assert round(share.loc["2022-12"], 1) == 65.2
    december = tidy.rows[tidy.rows["period"] == "2022-12"]
    naive = 100 * (1 - december["all_over_4h"].sum() / december["all_attendances"].sum())
    assert round(naive, 1) == 69.0  # what the exclusion guards against
    published = pd.read_csv(SHARED / "ae_england_monthly_2010_2026.csv")
    published["period"] = pd.PeriodIndex(published["period"].str[:7], freq="M")
    known = published.set_index("period")["pct_within_4h"]
    for when in ("2020-04", "2021-07", "2023-06", "2024-03", "2026-02"):
        assert share.loc[when] == pytest.approx(known.loc[when], abs=0.06)


def test_532_published_rows_did_not_report(regenerated):
    tidy = read(regenerated)
    assert len(tidy.missing) == 532
    assert tidy.missing["why"].str.contains("not reported").all()
    # Fourteen trusts under fifteen codes: Poole (RD3) became part of Dorset (R0D).
    assert tidy.missing["unit"].nunique() == 15
    assert {"RD3", "R0D"} < set(tidy.missing["unit"])
    assert tidy.missing["period"].max() == month("2023-05")
    assert any("532 published rows of 15 organisations" in note for note in tidy.notes)
    assert tidy.rows["period"].nunique() == 71
    assert len(tidy.rows) == 14_529
    assert not any("total row says" in note for note in tidy.notes)
    busy = tidy.rows[tidy.rows["type1_attendances"] > 500]
    perfect = busy["type1_within_4h"] == busy["type1_attendances"]
    assert len(busy) > 8_000
    assert not perfect.any()


def test_merging_all_months_loses_no_count(regenerated, reference_successions):
    apart, merged = read(regenerated), read(regenerated, reference_successions)
    for name in ("all_attendances", "dta_over_12h", "ae_emergency_admissions"):
        assert merged.rows[name].sum() == apart.rows[name].sum()
    assert not merged.rows.duplicated(["unit", "period"]).any()
    dorset = merged.rows[merged.rows["unit"] == "R0D"].set_index("period")
    assert len(dorset) == 71
    assert dorset.loc["2020-09", "published_codes"] == "RD3+RDZ"
    assert dorset.loc["2020-10", "published_codes"] == "R0D"
    # Poole did not report, so neither did Dorset while Poole was apart (and after it).
    assert np.isnan(dorset.loc["2020-09", "type1_over_4h"])
    assert not merged.missing["why"].str.contains("partial count").any()
    assert "RW6" in set(merged.rows["unit"])
    assert any("RW6 was split between RM3 (2021-10) and R0A (2021-04)" in note for note in merged.notes)


def test_raw_samples_read_with_notes_on_their_totals(tmp_path):
    samples = sorted((SHARED / "raw_format_samples").glob("ae_*.csv"))
    if not samples:
        pytest.skip("the published samples are not at hand")
    for path in samples:
        (tmp_path / path.name).write_bytes(path.read_bytes())
    tidy = read(tmp_path)
    assert tidy.rows["period"].astype(str).value_counts().to_dict() == {
        "2021-04": 25,
        "2024-09": 25,
        "2026-06": 25,
    }
    assert not tidy.rows["region"].str.endswith(" ").any()
    assert "Unnamed: 22" in "".join(tidy.notes)
    with (tmp_path / "ae_2021-04.csv").open(newline="") as file:
        lines = [line for line in csv.DictReader(file) if line["Org Code"] != "TOTAL"]
    added = sum(int(line["A&E attendances Type 1"]) for line in lines)
    assert (
        f"ae_2021-04.csv: the provider rows of A&E attendances Type 1 sum to {added:,}, the total row says 1,222,784."
    ) in tidy.notes
    surrey = tidy.rows[(tidy.rows["unit"] == "RTP") & (tidy.rows["period"] == "2021-04")].iloc[0]
    assert surrey[["type1_attendances", "type1_over_4h", "all_within_4h"]].tolist() == [8823, 426, 9137]
