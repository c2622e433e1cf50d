import pandas as pd
import pytest
from ae_files import REFERENCE, SHARED
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

from evalkit.errors import DataError
from evalkit.sources.mergers import merge
from evalkit.sources.successions import Succession, Successions, load
from evalkit.sources.tidy import Tidy

HEADER = "predecessor_code,successor_code,effective_month,kind,source\n"


def month(text):
    return pd.Period(text, freq="M")


def succession(old, new, effective="2021-03", kind="merger"):
    return Succession(old, new, month(effective), kind)


def tidy_of(*rows, missing=()):
    """Rows given as (unit, month, count)."""
    frame = pd.DataFrame([(unit, month(when), float(n)) for unit, when, n in rows], columns=["unit", "period", "n"])
    frame["unit_name"] = "TRUST " + frame["unit"]
    explained = pd.DataFrame([(u, month(w), why) for u, w, why in missing], columns=["unit", "period", "why"])
    return Tidy(frame, (), explained)


def merged(tidy, *table):
    return merge(tidy, ["n"], Successions(table))


def counts(tidy):
    rows = tidy.rows
    keys = zip(rows["unit"], rows["period"].astype(str), strict=True)
    return {f"{unit} {when}": n for (unit, when), n in zip(keys, rows["n"], strict=True)}


@pytest.fixture(scope="module")
def reference_successions():
    return load(REFERENCE / "organisation_successions.csv")


# --- the table


def test_reference_table_holds_the_known_successions():
    table = load(REFERENCE / "organisation_successions.csv")
    assert len(table.table) == 24
    assert all(row.source for row in table.table)
    assert table.resolve("RVY") == "RBN"
    assert table.resolve("RD3") == table.resolve("RDZ") == "R0D"
    assert table.resolve("RW6") == "RW6"
    assert list(table.splits) == ["RW6"]
    assert table.members["RH5"] == ("RA4", "RBA", "RH5")
    assert table.members["R0A"] == ("R0A", "RM2", "RW3")


def test_reference_table_agrees_with_the_compiled_facts():
    compiled = SHARED / "trust_successions_type1.csv"
    if not compiled.exists():
        pytest.skip("the compiled successions are not at hand")
    columns = ["predecessor_code", "successor_code", "effective_month", "kind"]
    facts = pd.read_csv(compiled, dtype=str)[columns]
    facts["effective_month"] = facts["effective_month"].str[:7]
    carried = pd.read_csv(REFERENCE / "organisation_successions.csv", dtype=str)[columns]
    assert_frame_equal(carried, facts)


def test_load_reads_text_codes_and_both_ways_of_writing_a_month(tmp_path):
    path = tmp_path / "s.csv"
    path.write_text("\ufeff" + HEADER + '012, 5E10 ,2020-10-01,"merger, new code",me\nNO,012,2021-04,,\n')
    table = load(path)
    assert table.table[0] == Succession("012", "5E10", month("2020-10"), "merger, new code", "me")
    assert table.table[1] == Succession("NO", "012", month("2021-04"))
    assert table.resolve("NO") == "5E10"
    path.write_text("predecessor_code,successor_code,effective_month,kind\nA,B,2020-10,merger\n")
    assert load(path).table[0].source == ""


def test_load_says_every_fault(tmp_path):
    path = tmp_path / "s.csv"
    path.write_text(
        HEADER + "A,,2020-10,,\nB,C,2020-13,,\nD,E,2020-10-15,,\nF,G,2020-10,,\nF,G,2020-10,,\nG,F,2020-10,,\n"
    )
    with pytest.raises(DataError) as refusal:
        load(path)
    said = str(refusal.value).splitlines()
    assert len(said) == 5
    assert said[0].startswith("s.csv, line 2: successor_code is blank")
    assert "'2020-13'" in said[1]
    assert "line 4" in said[2]
    assert "F to G is given twice" in said[3]
    assert "F, G succeed each other in a circle" in said[4]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"predecessor_code,successor_code,kind\n", "effective_month is missing"),
        (b"", "predecessor_code is missing"),
        (b"\xff\xfe", "cannot be read"),
        (None, "cannot be read"),
    ],
)
def test_tables_that_cannot_be_read(tmp_path, content, said):
    path = tmp_path / "s.csv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=said):
        load(path)


@pytest.mark.parametrize(
    ("pairs", "codes"),
    [
        (["AA"], "A"),
        (["AB", "BA"], "A, B"),
        (["XA", "AB", "BC", "CA", "CY"], "A, B, C"),
        (["AB", "AC", "CA"], "A, C"),
    ],
)
def test_circles_are_refused(pairs, codes):
    with pytest.raises(DataError) as refusal:
        Successions(tuple(succession(*pair) for pair in pairs))
    (fault,) = refusal.value.faults
    assert fault.what.startswith(f"{codes} succeed")


@settings(max_examples=25, deadline=None)
@given(st.permutations(range(5)))
def test_chains_resolve_in_any_table_order(order):
    chain = [succession(f"R{n}", f"R{n + 1}") for n in range(5)]
    table = Successions(tuple(chain[position] for position in order))
    assert {table.resolve(f"R{n}") for n in range(6)} == {"R5"}
    assert table.members == {"R5": ("R0", "R1", "R2", "R3", "R4", "R5")}


# --- applied to counts


def test_counts_are_added_for_the_whole_period():
    tidy = tidy_of(
        ("A", "2021-02", 10),
        ("B", "2021-02", 100),
        ("B", "2021-03", 115),
        ("Z", "2021-02", 1),
        ("Z", "2021-03", 2),
    )
    before = tidy.rows.copy(deep=True)
    got = merged(tidy, succession("A", "B"))
    assert counts(got) == {"B 2021-02": 110, "B 2021-03": 115, "Z 2021-02": 1, "Z 2021-03": 2}
    assert got.rows["published_codes"].tolist() == ["A+B", "B", "Z", "Z"]
    assert got.rows["unit_name"].tolist() == ["TRUST B", "TRUST B", "TRUST Z", "TRUST Z"]
    assert got.notes == ("Counts published as A are added to B for the whole period.",)
    assert got.missing.empty
    assert_frame_equal(tidy.rows, before)


def test_chains_and_new_codes():
    """A and B became the new code C, which later went to D."""
    table = (
        succession("A", "C", "2021-02", "merger, new code"),
        succession("B", "C", "2021-02", "merger, new code"),
        succession("C", "D", "2021-03"),
    )
    rows = [("A", "2021-01", 1), ("B", "2021-01", 10), ("D", "2021-01", 100)]
    rows += [("C", "2021-02", 1000), ("D", "2021-02", 100), ("D", "2021-03", 5)]
    got = merged(tidy_of(*rows), *table)
    assert counts(got) == {"D 2021-01": 111, "D 2021-02": 1100, "D 2021-03": 5}
    assert got.rows["published_codes"].tolist() == ["A+B+D", "C+D", "D"]
    assert got.missing.empty


@pytest.mark.parametrize(
    ("kind", "reported", "absent"),
    [
        ("merger", "A", "B"),
        ("merger", "B", "A"),
        ("merger, new code", "B", "A"),
    ],
)
def test_partial_month_before_the_merger_is_missing(kind, reported, absent):
    got = merged(tidy_of((reported, "2021-02", 10), ("B", "2021-03", 30)), succession("A", "B", kind=kind))
    assert got.rows["n"].isna().tolist() == [True, False]
    (listed,) = got.missing.to_dict("records")
    assert (listed["unit"], listed["period"]) == ("B", month("2021-02"))
    assert f"{absent} did not report, only {reported}" in listed["why"]


@pytest.mark.parametrize("kind", ["merger, new code", "acquisition by community/MH trust"])
def test_a_successor_that_did_not_exist_is_not_missed(kind):
    got = merged(tidy_of(("A", "2021-02", 10), ("B", "2021-03", 30)), succession("A", "B", kind=kind))
    assert counts(got) == {"B 2021-02": 10, "B 2021-03": 30}
    assert got.missing.empty


def test_one_of_two_parts_of_a_new_code_is_a_partial_count():
    table = [succession(code, "C", kind="merger, new code") for code in "AB"]
    got = merged(tidy_of(("A", "2021-01", 1), ("B", "2021-01", 2), ("B", "2021-02", 2), ("C", "2021-03", 3)), *table)
    assert got.rows["n"].isna().tolist() == [False, True, False]
    assert "A did not report, only B" in got.missing["why"].item()


def test_split_keeps_its_own_code_and_is_flagged():
    rows = [("A", "2021-02", 10), ("B", "2021-02", 20), ("C", "2021-02", 30), ("O", "2021-02", 5)]
    table = [succession("A", "B"), succession("A", "C", "2021-06"), succession("O", "A", "2021-01")]
    got = merged(tidy_of(*rows), *table)
    assert counts(got) == {"A 2021-02": 15, "B 2021-02": 20, "C 2021-02": 30}
    assert any("A was split between B (2021-03) and C (2021-06)" in note for note in got.notes)


def test_split_that_the_table_decides_is_assigned_and_flagged():
    rows = [("A", "2021-02", 10), ("B", "2021-02", 20), ("C", "2021-02", 30)]
    got = merged(tidy_of(*rows), succession("A", "B", kind="SPLIT: rest of trust"))
    assert counts(got) == {"B 2021-02": 30, "C 2021-02": 30}
    assert any("A was split, but the table" in note for note in got.notes)


def test_predecessor_that_went_on_reporting_is_noted():
    rows = [(code, when, 1) for code in "AB" for when in ("2021-02", "2021-03", "2021-04")]
    got = merged(tidy_of(*rows), succession("A", "B"))
    assert set(got.rows["n"]) == {2.0}
    assert "A still reported in 2 months from 2021-03 on, when it had a successor." in got.notes


def test_missing_in_one_part_is_missing_in_the_whole_with_its_reason():
    nan = float("nan")
    tidy = tidy_of(
        ("A", "2021-02", nan),
        ("B", "2021-02", 5),
        missing=[("A", "2021-02", "late"), ("B", "2021-02", "odd")],
    )
    got = merged(tidy, succession("A", "B"))
    assert got.rows["n"].isna().all()
    assert got.missing.to_dict("records") == [{"unit": "B", "period": month("2021-02"), "why": "A: late; odd"}]


def test_organisations_that_are_not_in_the_rows_leave_no_trace(reference_successions):
    tidy = tidy_of(("Z", "2021-02", 10))
    got = merge(tidy, ["n"], reference_successions)
    assert counts(got) == {"Z 2021-02": 10}
    assert got.notes == ()


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 10**6), min_size=3, max_size=3), st.integers(0, 10**6))
def test_splitting_a_count_between_codes_does_not_matter(parts, moved):
    """What A and B share out between them, their successor's count is the same."""
    a, b, c = parts
    moved = min(moved, a)
    table = [succession("A", "C"), succession("B", "C")]
    one = merged(tidy_of(("A", "2021-02", a), ("B", "2021-02", b), ("C", "2021-02", c)), *table)
    other = merged(tidy_of(("C", "2021-02", c), ("B", "2021-02", b + moved), ("A", "2021-02", a - moved)), *table)
    assert_frame_equal(one.rows, other.rows)
    assert one.rows["n"].tolist() == [a + b + c]
