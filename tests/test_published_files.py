"""Does a protocol over NHS England's published A&E files run from folder to panel?"""

from __future__ import annotations

import ae_files
import pandas as pd
import pytest
import yaml

from evalkit.errors import DataError
from evalkit.panel import build_all
from evalkit.study import load

MONTHS = pd.period_range("2021-01", "2022-12", freq="M")
FIELD_TEST = "RGT"  # reports no four-hour figures before 2022
UNITS = ["RAA", "RBB", "RCC", FIELD_TEST]
SUCCESSIONS = "predecessor_code,successor_code,effective_month,kind,source\nROO,RBB,2021-06,merger,a test\n"


@pytest.fixture
def protocol(tmp_path):
    """Two years of published files in which ROO merges into RBB, and a protocol over them."""
    folder = tmp_path / "published"
    folder.mkdir()
    for month in MONTHS:
        codes = [*UNITS, "ROO"] if month < pd.Period("2021-06", "M") else UNITS
        rows = []
        for code in codes:
            silent = code == FIELD_TEST and month.year == 2021
            rows.append(ae_files.provider(code, type1_attended=9000, type1_over=0 if silent else 3000))
        name = f"{month.strftime('%B')}-{month.year}.csv"
        label = f"MSitAE-{month.strftime('%B').upper()}-{month.year}"
        ae_files.write(folder, name, rows, month=label)
    (tmp_path / "successions.csv").write_text(SUCCESSIONS, encoding="utf-8")
    (tmp_path / "rollout.csv").write_text("unit,joined\nRAA,2022-01\nRBB,\nRCC,\nRGT,\n", encoding="utf-8")
    share = {"numerator": "type1_within_4h", "denominator": {"plus": ["type1_within_4h", "type1_over_4h"]}}
    said = {
        "title": "T",
        "question": "Q?",
        "source": {"reader": "nhs_ae", "path": "published", "successions": "successions.csv"},
        "window": ["2021-01", "2022-12"],
        "outcomes": [
            {"name": "within_4h", "kind": "proportion", "better": "higher", "role": "primary", **share},
            {"name": "attendances", "kind": "count", "value": "type1_attendances", "better": "lower"},
        ],
        "rollout": {"path": "rollout.csv"},
    }
    path = tmp_path / "ae.yml"
    path.write_text(yaml.safe_dump(said), encoding="utf-8")
    return path


def test_months_not_reported_are_missing_from_the_share_and_not_from_the_attendances(protocol):
    panels = build_all(load(protocol))
    share, attendances = panels["within_4h"], panels["attendances"]
    assert share.rows.loc[FIELD_TEST, "value"].index.min() == pd.Period("2022-01", "M")
    assert share.rows["value"].max() < 100
    assert len(attendances.rows.loc[FIELD_TEST]) == len(MONTHS)
    assert set(share.missing["unit"]) == {FIELD_TEST}
    assert len(attendances.missing) == 0


def test_counts_of_a_predecessor_are_added_before_any_share_is_formed(protocol):
    attendances = build_all(load(protocol))["attendances"].rows["value"]
    assert attendances[("RBB", pd.Period("2021-05", "M"))] == 18000
    assert attendances[("RBB", pd.Period("2021-06", "M"))] == 9000


def test_a_rollout_that_lists_a_merged_organisation_is_told_where_it_went(protocol):
    with (protocol.parent / "rollout.csv").open("a", encoding="utf-8") as file:
        file.write("ROO,2022-03\n")
    with pytest.raises(DataError, match=r"ROO .* its counts are part of RBB since a merger"):
        build_all(load(protocol))


def test_every_published_file_is_recorded_with_its_hash(protocol):
    files = build_all(load(protocol))["within_4h"].files
    assert len(files) == len(MONTHS)
    assert all(len(f.sha256) == 64 and f.retrieved is not None for f in files)
