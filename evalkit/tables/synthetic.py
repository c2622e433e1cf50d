"""Who stands in for the joined units in a synthetic comparison, as a table."""

from __future__ import annotations

from evalkit import markup, numbers, periods
from evalkit.estimate import Estimate, Refusal
from evalkit.markup import Shown

LISTED = 10  # donors and periods a wave


def weights(estimate: Estimate | Refusal) -> Shown:
    """The largest weights of donors, and of periods where they are weighted, wave by wave."""
    if isinstance(estimate, Refusal):
        title = f"No weights: {estimate.title} was not computed"
        return Shown(markup.notice(title, estimate.reasons, "refusal"), f"{title}: {' '.join(estimate.reasons)}")
    rows = []
    for (cohort, kind), part in estimate.weights.groupby(["cohort", "kind"], sort=False):
        what = "donor" if kind == "unit" else "period before joining"
        largest = part.reindex(part["weight"].abs().sort_values(ascending=False, kind="stable").index)[:LISTED]
        named = "; ".join(
            f"{name if kind == 'unit' else periods.relabel(name)} {numbers.number(100 * weight, 1)}"
            for name, weight in zip(largest["name"], largest["weight"], strict=True)
        )
        rows.append([periods.say(cohort), what, str(len(part)), named])
    header = ["Wave", "Weight of a", "With weight", f"The largest, per cent (at most {LISTED})"]
    caption = f"{estimate.label}: weights of the synthetic comparison ({estimate.title})"
    numeric = [False, False, True, False]
    return Shown(markup.table(header, rows, caption, numeric), markup.table_text(header, rows, caption))
