"""One estimate in two reports, in a sentence."""

from __future__ import annotations

from typing import Any

from evalkit import numbers

SMALL = 0.1  # of the earlier standard error: a move that nobody would see


def moved(title: str, unit: str, old: dict[str, Any] | None, new: dict[str, Any] | None) -> str:
    """How a headline moved; each side has estimate, std_error, low and high, or is None where it was not computed."""
    if old is None or new is None:
        return f"{title}: {'computed now and not before' if old is None else 'computed before and not now'}."
    places = numbers.decimals_for([old["std_error"], new["std_error"]])
    if all(old[key] == new[key] for key in ("estimate", "low", "high")):
        return f"{title}: the same, {numbers.signed(new['estimate'], places)} {unit}."
    size = new["estimate"] - old["estimate"]
    share = abs(size) / old["std_error"] if old["std_error"] else None
    how = "" if share is None else f", {numbers.number(share, 1)} of its earlier standard error"
    if share is not None and share < SMALL:
        how = ", hardly at all"
    said = (
        f"{title}: from {_figure(old, places)} to {_figure(new, places)} {unit}: moved by "
        f"{numbers.signed(size, places)}{how}."
    )
    return f"{said} {_zero(old, new)}".rstrip()


def _figure(one: dict[str, Any], places: int) -> str:
    return f"{numbers.signed(one['estimate'], places)} ({numbers.interval(one['low'], one['high'], places)})"


def _zero(old: dict[str, Any], new: dict[str, Any]) -> str:
    before, now = (one["low"] <= 0 <= one["high"] for one in (old, new))
    if before and not now:
        return "The interval held zero and no longer does."
    if now and not before:
        return "The interval did not hold zero and now does."
    if not now and (old["estimate"] > 0) != (new["estimate"] > 0):
        return "The direction has turned."
    return ""


def because(changed: list[str]) -> str:
    """What moved the estimates, as far as two reports can say."""
    if not changed:
        return "Nothing that an estimate is made of has changed."
    if len(changed) == 1:
        return f"Only this has changed, so whatever moved was moved by it: {changed[0]}."
    return (
        f"Changed were: {'; '.join(changed)}. Which of them moved an estimate cannot be told from two reports: "
        "change one at a time and run again."
    )
