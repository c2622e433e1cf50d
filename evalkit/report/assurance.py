"""Quality assurance as rows for a page: who asked, ran, checked and approved, on which data, and what limits it.

What nobody said is said to be missing: a blank would look like a check that was made.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from evalkit import periods
from evalkit.disclosure import RULES
from evalkit.panel import Panel
from evalkit.study import Study
from evalkit.study.assurance import Assurance, SignOff

Rows = tuple[tuple[str, str], ...]
UNSAID = "Not recorded."


def assured(study: Study, panel: Panel, record: dict[str, Any]) -> Rows:
    """Label and text of every part, in the order of the work.

    record  the manifest: who ran it, and the data files with the day they were retrieved
    """
    said = study.protocol.assurance or Assurance()
    last = panel.rows.index.get_level_values("period").max()
    return (
        ("Commissioned by", said.commissioned_by or UNSAID),
        ("Analysed by", "; ".join(said.analysts) or UNSAID),
        ("Run by", record.get("by") or UNSAID),
        *_signed("Checked by", "Not checked by anybody other than the analysts.", said.checked, last),
        *_signed("Approved by", "Not approved for use.", said.approved, last),
        ("Data", _vintage(panel, record)),
        ("Plan", _plan(study)),
        ("Disclosure control", _disclosure(study)),
    )


def limits(study: Study, answer: dict[str, Any] | None, finding: dict[str, Any] | None) -> tuple[str, ...]:
    """What is known to limit the result: said in the protocol, and what the run could not settle, shortest first."""
    own = study.protocol.assurance.limits if study.protocol.assurance else ()
    because = tuple(answer["because"]) if answer else ()
    open_ = sum(line.startswith("Not settled:") for line in finding["sentences"]) if finding else 0
    left = f"{open_} of the questions asked of the result could not be settled; the findings list them."
    return (*own, *(f"{text[:1].upper()}{text[1:]}." for text in because), *([left] if open_ else []))


def _signed(label: str, none: str, signed: Sequence[SignOff], last: Any) -> Iterator[tuple[str, str]]:  # noqa: ANN401 - pandas' period
    if not signed:
        yield label, none
    for one in signed:
        covered = (
            "It covers the data of this report."
            if one.data_to.end_time >= last.end_time
            else f"It was made on data to {periods.say(one.data_to)}, and later data of this report are not covered."
        )
        yield label, f"{one.by}, {one.date}: {one.what.rstrip('.')}. {covered}"


def _vintage(panel: Panel, record: dict[str, Any]) -> str:
    found = panel.rows.index.get_level_values("period")
    got = sorted({d["retrieved"][:10] for d in record["data"] if d["retrieved"]})
    when = (
        f"retrieved {got[0]}" + (f" to {got[-1]}" if len(got) > 1 else "") if got else "day of retrieval not recorded"
    )
    span = f"{periods.say(found.min())} to {periods.say(found.max())}"
    return f"{span}; {when}; simulated." if panel.study.protocol.simulated else f"{span}; {when}."


def _plan(study: Study) -> str:
    if not study.lock:
        return "Not locked before the results could be seen."
    first = study.lock.first
    same = study.lock.latest.plan_sha256 == study.plan_sha256
    return f"Locked on {first.day}; " + ("this report follows it." if same else "this report departs from it.")


def _disclosure(study: Study) -> str:
    chosen = study.protocol.disclosure
    return f"Rule {chosen}: {RULES[chosen].words}."
