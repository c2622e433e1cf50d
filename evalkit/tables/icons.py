"""Small pictures of variation and assurance, drawn for this report; the words always stand beside them."""

from __future__ import annotations

from evalkit.markup import Picture

BLUE, ORANGE, TEAL, GREY, DARK, RED = "#12436D", "#E46C0A", "#28A197", "#768692", "#3D3D3D", "#FF0000"
SIDES = {1: "high", -1: "low", 0: ""}
COLOURS = {"improvement": BLUE, "concern": ORANGE, "change": TEAL}
ASSURED = {"passing": "Passing", "failing": "Failing", "hit and miss": "Hit and miss"}


def variation(meaning: str, side: int) -> Picture | str:
    """A line between two limits that ends inside them, or beyond one; plain words where there is no point."""
    if meaning not in ("common cause", *COLOURS):
        return meaning
    if meaning == "common cause":
        line, end = "3,15 12,11 20,17 28,12 37,15", _mark("circle", 37, 15, GREY)
        return _picture(
            line, end, "Common cause", "Icon: a line that stays between its limits, common cause variation"
        )
    y = 4 if side > 0 else 26
    shape = {"improvement": "diamond", "concern": "square", "change": "triangle"}[meaning]
    says = f"{meaning.capitalize()}, {SIDES[side]}"
    line = f"3,15 12,13 20,17 28,15 37,{y}"
    where = "above its upper" if side > 0 else "below its lower"
    return _picture(
        line, _mark(shape, 37, y, COLOURS[meaning]), says, f"Icon: a line that ends {where} limit, {meaning}"
    )


def assurance(found: str, better: str) -> Picture | str:
    """The span between the limits, a bar, and the target, a dashed line: with a tick, a cross or neither."""
    if found not in ASSURED:
        return found.capitalize()
    above = (found == "passing") == (better == "higher")
    y = 10 if found == "hit and miss" else (3 if above else 19)
    signs = {
        "passing": '<path d="M31 14l4 5 7-11" fill="none" stroke="#12436D" stroke-width="2.5"/>',
        "failing": '<path d="M32 9l9 11m0-11l-9 11" stroke="#E46C0A" stroke-width="2.5"/>',
        "hit and miss": f'<path d="M31 15q3-6 6 0t6 0" fill="none" stroke="{DARK}" stroke-width="2.5"/>',
    }
    where = {True: "above", False: "below"}[above] if found != "hit and miss" else "on both sides of"
    body = (
        f'<rect x="8" y="{y}" width="12" height="10" fill="{GREY}"/>'
        f'<path d="M2 15h26" stroke="{RED}" stroke-width="2" stroke-dasharray="4 2"/>{signs[found]}'
    )
    return Picture(_svg(body), f"Icon: the span of the limits lies {where} the target, {found}", ASSURED[found])


def _picture(line: str, end: str, text: str, alt: str) -> Picture:
    limits = f'<path d="M2 9h40M2 21h40" stroke="{DARK}" stroke-dasharray="3 2"/>'
    body = f'{limits}<polyline points="{line}" fill="none" stroke="{GREY}" stroke-width="1.5"/>{end}'
    return Picture(_svg(body), alt, text)


def _mark(shape: str, x: int, y: int, colour: str) -> str:
    shapes = {
        "circle": f'<circle cx="{x}" cy="{y}" r="3.5" fill="{colour}"/>',
        "square": f'<path d="M{x - 3.5} {y - 3.5}h7v7h-7z" fill="{colour}"/>',
        "diamond": f'<path d="M{x} {y - 4}l4 4-4 4-4-4z" fill="{colour}"/>',
        "triangle": f'<path d="M{x} {y - 4}l4 7h-8z" fill="{colour}"/>',
    }
    return shapes[shape]


def _svg(body: str) -> str:
    body = body.replace('"', "'")  # a double quote takes three signs in an address
    return f"<svg xmlns='http://www.w3.org/2000/svg' width='44' height='30' viewBox='0 0 44 30'>{body}</svg>"
