"""How figures are written: the one place where a number is rounded to be read."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

MINUS = "\N{MINUS SIGN}"
SMALLEST_P = 0.001
MOST_DECIMALS = 6


def decimals_for(errors: Iterable[float], digits: int = 2) -> int:
    """Decimals at which the smallest standard error still shows `digits` significant digits; at least 1."""
    usable = [abs(e) for e in errors if e and math.isfinite(e)]
    if not usable:
        return digits
    needed = digits - 1 - math.floor(math.log10(min(usable)))
    return min(max(needed, 1), MOST_DECIMALS)


def number(value: float, decimals: int = 2) -> str:
    """A figure with thousands separators and a true minus sign; a blank for a missing one."""
    if value is None or math.isnan(value):
        return ""
    text = f"{abs(value):,.{decimals}f}"
    return f"{MINUS}{text}" if value < 0 and float(text.replace(",", "")) != 0 else text


def signed(value: float, decimals: int = 2) -> str:
    """A change, with its sign always shown."""
    text = number(value, decimals)
    return text if text.startswith(MINUS) or not text else f"+{text}"


def interval(low: float, high: float, decimals: int = 2) -> str:
    """An interval: `0.12 to 3.40`."""
    return f"{number(low, decimals)} to {number(high, decimals)}"


def headline(head: Mapping[str, float], unit: str, level: float | None = None) -> tuple[str, str]:
    """An estimate with its unit, and its interval: `+2.26 percentage points`, `0.45 to 4.07 (95%)`.

    head   estimate, std_error, low, high; decimals follow the standard error
    level  of the interval; left out where it is None
    """
    decimals = decimals_for([float(head["std_error"])])
    span = interval(float(head["low"]), float(head["high"]), decimals)
    return (
        f"{signed(float(head['estimate']), decimals)} {unit}",
        span if level is None else f"{span} ({per_cent(level)})",
    )


def p_value(value: float) -> str:
    """A p-value to three decimals, never `0.000`."""
    return f"<{SMALLEST_P}" if value < SMALLEST_P else f"{value:.3f}"


def p_text(value: float) -> str:
    """A p-value inside a sentence: `p = 0.031`, `p < 0.001`."""
    return f"p < {SMALLEST_P}" if value < SMALLEST_P else f"p = {value:.3f}"


def degrees(df: float) -> str:
    """Degrees of freedom; `normal` when infinite."""
    return "normal" if math.isinf(df) else number(df, 0 if float(df).is_integer() else 1)


def per_cent(share: float) -> str:
    """A share as a percentage with as many decimals as it has: `95%`, `99.9%`."""
    return f"{round(100 * share, 6):g}%"


def count(value: float) -> str:
    """A whole number with thousands separators."""
    return number(value, 0)


def round_two(value: float) -> str:
    """A number of cases to about two significant digits: an order of size, not a measurement."""
    if abs(value) < 1:
        return "fewer than 1" if value else "0"
    return number(round(value, min(1 - math.floor(math.log10(abs(value))), 0)), 0)


def of(amount: int, noun: str) -> str:
    """An amount with its noun: `1 unit`, `1,200 units`."""
    return f"{count(amount)} {noun}{'' if amount == 1 else 's'}"


def tiny(value: float, least: float = 1e-9) -> str:
    """A relative difference; below what machines agree on, only that it is below: `under 1e-09`."""
    return f"under {least:.0e}" if value < least else f"{value:.0e}"
