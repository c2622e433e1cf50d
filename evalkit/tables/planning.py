"""Tables of plans: what each design would find, and what changing one thing would do."""

from __future__ import annotations

import pandas as pd

from evalkit import markup, numbers
from evalkit.estimators import title
from evalkit.markup import Shown
from evalkit.placebos.power import POWER
from evalkit.planning import Detectable, Minimal, Varied
from evalkit.planning.vary import VARIED, called

NONE, MISSED = "does not apply", "not found"


def detectable(found: Detectable) -> Shown:
    """The least effect that each design would find under one plan, with what was drawn and what was refused."""
    base = found.baseline
    plan = f"The plan: {found.plan.sentence(base.frequency)}."
    notes = [plan, *([f"Drawn: {found.source}."] if found.source else []), *[f"{note}." for note in found.notes]]
    reasons: dict[str, list[str]] = {}
    for design, fault in found.refused.items():
        reasons.setdefault(f"{fault.what}{f'; {fault.fix}' if fault.fix else ''}", []).append(title(design))
    refused = [f"Refused ({', '.join(designs)}): {why}." for why, designs in reasons.items()]
    caption = (
        f"{base.label}: least effect found with {numbers.per_cent(POWER)} power by a "
        f"{numbers.per_cent(base.level)} interval, {base.unit}; {base.origin}"
    )
    if not found.found:
        lines = [*notes, *refused]
        heading = f"Nothing can be said of this plan ({base.origin})"
        return Shown(markup.notice(heading, lines, "refusal"), "\n".join([heading, *lines]))
    places = numbers.decimals_for([one.sizes_error for one in found.found.values()], 1)
    rows = [
        [
            title(one.design),
            numbers.number(one.sizes["constant"], places) if "constant" in one.sizes else MISSED,
            numbers.number(one.sizes_error, places),
            numbers.number(one.sizes["building up"], places) if "building up" in one.sizes else MISSED,
            numbers.number(one.sizes["relative"], 1) if "relative" in one.sizes else _without(one),
            numbers.number(one.std_error, places),
            f"{numbers.number(100 * one.false_positive, 1)} \N{PLUS-MINUS SIGN} "
            f"{numbers.number(100 * one.monte_carlo, 1)}",
            numbers.count(one.draws),
        ]
        for one in found.found.values()
    ]
    header = [
        "Design", "From joining on", "Error from drawing", "Building up over a year", "Per cent of the outcome",
        "Typical standard error", "Found where there is nothing, %", "Draws",
    ]  # fmt: skip
    return _with_notes(header, rows, caption, [*notes, *refused])


def varied(found: Varied, profile: str = "constant") -> Shown:
    """The least effect for each number of the plan that was changed, one column a design."""
    base = found.baseline
    part = found.sizes[found.sizes["profile"].eq(profile)]
    if part.empty:
        lines = [f"{why}." for why in dict.fromkeys(found.refused["why"])]
        heading = f"Nothing can be said of plans around this one ({base.origin})"
        return Shown(markup.notice(heading, lines, "refusal"), "\n".join([heading, *lines]))
    designs = list(dict.fromkeys(part["design"]))
    places = numbers.decimals_for(part["std_error"].tolist())
    tried = {(v, n) for frame in (part, found.refused) for v, n in zip(frame["varied"], frame["value"], strict=True)}
    sizes = part.set_index(["varied", "value", "design"])["size"]
    rows = []
    for name, value in sorted(tried, key=lambda pair: (VARIED.index(pair[0]), pair[1])):
        own = " (the plan)" if value == getattr(found.plan, name) else ""
        keys = [(name, value, design) for design in designs]
        cells = [numbers.number(float(sizes[key]), places) if key in sizes.index else "refused" for key in keys]
        rows.append([f"{called(name, base.frequency)}: {numbers.count(value)}{own}", *cells])
    what = {"constant": "from joining on", "building up": "building up over a year"}.get(profile, profile)
    unit = "per cent of the outcome" if profile == "relative" else base.unit
    caption = (
        f"{base.label}: least effect {what} found with {numbers.per_cent(POWER)} power, {unit}, one thing changed at "
        f"a time; {base.origin}"
    )
    header = ["Changed", *[title(design) for design in designs]]
    return _with_notes(header, rows, caption, [*_draws(part), *_reasons(found)])


def _without(one: Minimal) -> str:
    return MISSED if "relative" in one.missed else NONE


def _draws(part: pd.DataFrame) -> list[str]:
    """Which designs were put to fewer draws."""
    most = int(part["draws"].max())
    few = part.groupby("design", sort=False)["draws"].min()
    return [f"{title(str(d))}: {n} draws, not {numbers.count(most)}." for d, n in few[few < most].items()]


def _reasons(found: Varied) -> list[str]:
    """Why some were refused, each reason once."""
    unit = found.baseline.frequency
    out: dict[str, dict[str, None]] = {}
    for row in found.refused.itertuples():
        out.setdefault(str(row.why), {})[f"{called(row.varied, unit)}: {row.value}"] = None
    return [f"Refused ({'; '.join(where)}): {why}." for why, where in out.items()]


def _with_notes(header: list[str], rows: list[list[str]], caption: str, notes: list[str]) -> Shown:
    numeric = [False, *[True] * (len(header) - 1)]
    html = markup.table(header, rows, caption, numeric)
    text = markup.table_text(header, rows, caption)
    if notes:
        html += markup.notice("About this table", notes)
        text += "\n" + "\n".join(notes)
    return Shown(html, text)
