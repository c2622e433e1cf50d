"""An appraisal: one row a question or item, a judgement a domain, one over all."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any, Literal

import pandas as pd

from evalkit import markup
from evalkit.instruments import BIAS, CHECKLISTS

Status = Literal["run", "evaluator", "both", "missing", "not asked"]
COLUMNS = [
    "study", "outcome", "instrument", "domain", "id", "question", "answer", "status", "source", "reading",
    "judgement", "reason", "overall",
]  # fmt: skip
TITLES = {**{tool.key: tool.title for tool in BIAS}, **{one.key: one.title for one in CHECKLISTS}}


@dataclass(frozen=True)
class Row:
    """One question or item and what was said to it.

    instrument, domain, id  where it belongs; a checklist has no domains
    answer                  of a question: yes ... no, `no information`, `not asked`; of an item: reported, missing
    status                  who said it: the run, the evaluator, both, nobody (`missing`), or `not asked`
    source                  what was said and by whom; of a check, its verdict
    reading                 of a question: the readings of the checks looked at, in full
    """

    instrument: str
    domain: str
    id: str
    question: str
    answer: str
    status: Status
    source: str
    reading: str = ""


@dataclass(frozen=True)
class Judgement:
    """The judgement of one domain, or of a whole instrument where `domain` is empty, and its reason."""

    instrument: str
    domain: str
    judgement: str
    reason: str


@dataclass(frozen=True)
class Appraisal:
    """Every instrument for one outcome of one study."""

    study: str
    outcome: str
    rows: tuple[Row, ...]
    domains: tuple[Judgement, ...]
    overall: tuple[Judgement, ...]

    def of(self, instrument: str) -> tuple[Row, ...]:
        """The rows of one instrument, by key."""
        return tuple(row for row in self.rows if row.instrument == instrument)

    def judged(self, instrument: str) -> Judgement:
        """The overall judgement of one tool for risk of bias, by key."""
        return next(j for j in self.overall if j.instrument == instrument)

    def count(self, instrument: str) -> str:
        """One line: how many the run filled in, how many the evaluator, how many are missing."""
        rows = self.of(instrument)
        found: Counter[str] = Counter(row.status for row in rows)
        parts = [f"{found['run']} by the run", f"{found['evaluator']} by the evaluator"]
        parts += [f"{found[status]} {said}" for status, said in EXTRA.items() if found[status]]
        return f"{TITLES[instrument]}: {len(rows)} in all; {', '.join(parts)}; {found['missing']} missing."

    def frame(self) -> pd.DataFrame:
        """Every row with the judgement of its domain and of its instrument; columns `COLUMNS`."""
        return pd.DataFrame(self.records(), columns=COLUMNS)

    def records(self) -> list[dict[str, str]]:
        """The same as plain values."""
        domain = {(j.instrument, j.domain): j for j in self.domains}
        overall = {j.instrument: j.judgement for j in self.overall}
        out = []
        for row in self.rows:
            judged = domain.get((row.instrument, row.domain))
            out.append(
                {
                    "study": self.study,
                    "outcome": self.outcome,
                    **asdict(row),
                    "judgement": judged.judgement if judged else "",
                    "reason": judged.reason if judged else "",
                    "overall": overall.get(row.instrument, ""),
                }
            )
        return out

    def lines(self) -> list[str]:
        """The overall judgements, then the counts, one sentence each."""
        said = [f"{TITLES[j.instrument]}: {j.judgement} ({j.reason})." for j in self.overall]
        return said + [self.count(key) for key in dict.fromkeys(row.instrument for row in self.rows)]

    def __repr__(self) -> str:
        """Judgements and counts as text."""
        return "\n".join([TITLE, *self.lines()])

    def _repr_mimebundle_(self, **_: object) -> tuple[dict[str, str], dict[str, Any]]:
        html = markup.notice(TITLE, self.lines())
        return {"text/html": html, "text/plain": repr(self)}, {markup.METADATA_KEY: {"appraisal": self.records()}}


TITLE = "Risk of bias, and what the report holds"
EXTRA = {"both": "by both", "not asked": "not asked"}
