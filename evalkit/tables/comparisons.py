"""Tables of comparisons between units: balance, families of outcomes, engines."""

from __future__ import annotations

from evalkit import markup, numbers
from evalkit.estimate import Check
from evalkit.markup import Shown


def _nothing(check: Check) -> Shown:
    title = f"No table: {check.question}"
    return Shown(markup.notice(title, [check.reading], "refusal"), f"{title} {check.reading}")


def _shown(header: list[str], rows: list[list[str]], caption: str, text: int = 1) -> Shown:
    """A table whose first `text` columns are words and the others figures."""
    numeric = [i >= text for i in range(len(header))]
    return Shown(markup.table(header, rows, caption, numeric), markup.table_text(header, rows, caption))


def balance(check: Check) -> Shown:
    """Means of the joined and of their comparison, and where adjusted, after adjustment; from `checks.overlap`."""
    data = check.data
    if data.empty:
        return _nothing(check)
    columns = {
        "Joined": "joined",
        "Comparison": "before",
        "Comparison, adjusted": "after",
        "Standardised difference": "difference_before",
        "After adjustment": "difference_after",
    }
    columns = {name: c for name, c in columns.items() if data[c].notna().any()}
    rows = []
    for _, row in data.iterrows():
        places = numbers.decimals_for([float(row["joined"] - row["before"])])
        figures = [
            numbers.signed(float(row[c]), 2) if c.startswith("difference") else numbers.number(float(row[c]), places)
            for c in columns.values()
        ]
        rows.append([str(row["name"]), *figures])
    header = ["Measure", *columns]
    return _shown(header, rows, f"{data['label'].iloc[0]}: joined and comparison before joining")


def family(check: Check) -> Shown:
    """Every outcome with its p-value alone and adjusted within its family; from `checks.family`."""
    data = check.data
    if data.empty:
        return _nothing(check)
    rows = []
    for r in data.itertuples():
        places = numbers.decimals_for([(r.high - r.low) / 4])
        rows.append(
            [
                str(r.outcome),
                str(r.role),
                f"{numbers.signed(r.estimate, places)} {r.unit}",
                numbers.interval(r.low, r.high, places),
                "worse" if r.worse else "better",
                numbers.p_value(r.p),
                numbers.p_value(r.p_adjusted),
            ]
        )
    level = numbers.per_cent(float(data["level"].iloc[0]))
    header = ["Outcome", "Family", "Estimate", f"{level} interval (alone)", "Direction", "p alone", "p in its family"]
    caption = "Outcomes by family, p-values adjusted by Holm's rule; balancing measures are judged by p alone"
    return _shown(header, rows, caption, 2)


def engines(check: Check) -> Shown:
    """The same regression by each engine; from `checks.engine_agreement`."""
    data = check.data
    if data.empty:
        return _nothing(check)
    rows = [
        [str(r.engine), f"{r.estimate:.9g}", f"{r.std_error:.9g}", "" if i == 0 else numbers.tiny(r.difference)]
        for i, r in enumerate(data.itertuples())
    ]
    header = ["Engine", f"Coefficient ({data['unit'].iloc[0]})", "Standard error", "Largest relative difference"]
    return _shown(header, rows, f"{data['label'].iloc[0]}: one regression by several engines")
