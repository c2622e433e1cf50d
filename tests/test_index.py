"""The index page: every collaborative, what was found, what failed, what is simulated."""

from __future__ import annotations

import re

import pytest

from evalkit.errors import RunError
from evalkit.report.index import EstimateRow, ReportEntry, render_index
from evalkit.report.page import problems


def entry(**changes) -> ReportEntry:
    facts = {
        "slug": "uec",
        "title": "Urgent care",
        "question": "Did more people wait less?",
        "outcome": "Seen within four hours",
        "simulated": False,
        "status": "complete",
        "finding": "Probably about 3 more in every 100.",
        "pages": (("uec/findings.html", "Findings"),),
        "failures": (),
        "updated": "1 March 2026",
        "estimates": (EstimateRow("Interrupted time series", "+3.1 pp", "+1.2 to +5.0"),),
    }
    return ReportEntry(**{**facts, **changes})


def test_an_entry_shows_finding_estimates_pages_and_date():
    html = render_index([entry()])
    for text in ("Urgent care", "Probably about 3 more", "+3.1 pp", "+1.2 to +5.0", "1 March 2026"):
        assert text in html
    assert '<a href="uec/findings.html">Findings' in html
    assert "1 collaborative: 1 complete, 0 failed." in html
    assert problems(html) == []


def test_no_entries_tell_what_to_run():
    html = render_index([])
    assert "<code>evalkit run</code>" in html
    assert problems(html) == []


def test_a_failed_entry_says_so_in_words_with_its_failures():
    html = render_index([entry(status="failed", failures=("its: 5 months are too few",), finding="", estimates=())])
    assert ">Failed</span>" in html
    assert "This evaluation failed" in html
    assert "5 months are too few" in html
    assert "No reason was recorded" in render_index([entry(status="failed")])
    assert "Not everything could be done" in render_index([entry(failures=("one design was refused",))])


def test_simulated_data_are_named_in_words():
    assert "Simulated data</span>" in render_index([entry(simulated=True)])
    assert "imulated data" not in render_index([entry()])


def test_entries_of_one_name_stay_apart_and_in_order():
    html = render_index([entry(slug="b"), entry(slug="a"), entry(slug="a"), entry(slug="main")])
    assert re.findall(r'<h2 id="([^"]+)"', html) == ["portfolio", "b", "a", "a-2", "main-2"]
    assert problems(html) == []


def test_an_unknown_status_is_refused():
    with pytest.raises(RunError, match="uec: unknown report status 'done'"):
        render_index([entry(status="done")])


@pytest.mark.parametrize("payload", ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "javascript:x()"])
def test_nothing_from_data_can_run(payload):
    hostile = entry(
        slug=payload,
        title=payload,
        question=payload,
        outcome=payload,
        finding=payload,
        pages=((payload, payload),),
        failures=(payload,),
        updated=payload,
        estimates=(EstimateRow(payload, payload, payload),),
    )
    html = render_index([hostile, hostile])
    assert problems(html) == []
    assert "<img" not in html
    assert 'href="javascript:' not in html
