"""Does a drawing in fewer bytes show the same?"""

from __future__ import annotations

import io
import re
from xml.etree import ElementTree

import matplotlib as mpl
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure

from evalkit.plots.compact import compact, steps
from evalkit.plots.drawing import svg
from evalkit.plots.layout import POINTS

fromstring = ElementTree.fromstring
SVG = "{http://www.w3.org/2000/svg}"
LINKS = "{http://www.w3.org/1999/xlink}"
PLACE = st.floats(-2000, 2000, allow_nan=False).map(lambda x: round(x, 6))
POINT = st.tuples(PLACE, PLACE)
LINE = st.lists(st.tuples(st.sampled_from("LQC"), st.lists(POINT, min_size=3, max_size=3)), max_size=12)
SIZES = {"M": 1, "L": 1, "Q": 2, "C": 3}


def written(pieces, closed):
    """A path as matplotlib writes one."""
    out = ["M {:f} {:f}".format(*pieces[0][1][0])]
    for letter, points in pieces[1:]:
        out.append(f"{letter} " + " ".join("{:f} {:f}".format(*p) for p in points[: SIZES[letter]]))
    return " \n".join(out) + (" \nz\n" if closed else " \n")


def read(path):
    """An independent reading of a path: every point that the pen goes to or is drawn towards."""
    points, here, start, letter = [], np.zeros(2), np.zeros(2), ""
    words = re.findall(r"[A-Za-z]|-?(?:\d+\.?\d*|\.\d+)", path)
    take = {"m": 2, "l": 2, "h": 1, "v": 1, "q": 4, "c": 6}
    while words:
        if words[0].isalpha():
            letter = words.pop(0)
        if letter in "zZ":
            here = start
            points.append(tuple(here))
            continue
        figures = [float(words.pop(0)) for _ in range(take[letter.lower()])]
        figures = [figures[0], 0] if letter == "h" else [0, figures[0]] if letter == "v" else figures
        base = here if letter.islower() else np.zeros(2)
        ends = [base + figures[i : i + 2] for i in range(0, len(figures), 2)]
        points += map(tuple, ends)
        here = ends[-1]
        if letter in "mM":
            start, letter = here, {"m": "l", "M": "L"}[letter]
    return np.array(points)


@given(POINT, LINE, st.booleans())
@settings(max_examples=300, deadline=None)
def test_steps_lead_to_the_same_points(first, line, closed):
    path = written([("M", [first]), *line], closed)
    got = read(steps(path))
    expected = [first] + [p for letter, points in line for p in points[: SIZES[letter]]]
    expected += [first] if closed else []
    assert np.abs(got - np.array(expected)).max() < 0.051


def test_steps_are_written_in_the_shortest_way():
    assert steps("M 10 20.04 \nL 12.5 20 \nL 12.5 19.5 \nL 13 19 \nL 13.5 18 \nz") == "M10 20h2.5v-.5l.5-.5 .5-1z"
    assert steps("M 0 0 \nL 1 1 \nM 5 5 \nL 6 6") == "M0 0l1 1m4 4l1 1"
    assert steps("M -0.0000001 3.5 \nC 1 4 2 4 3 3 \nQ 4 2 5 3") == "M0 3.5c1 .5 2 .5 3-.5q1-1 2 0"


def figure_of_all(text="x & <y> 'z'"):
    """Something of everything that a renderer draws."""
    figure = Figure(figsize=(4.2, 3), dpi=POINTS)
    axes = figure.subplots()
    axes.plot([0, 1, 2], [1.0, 3, 2], marker="o", label=text)
    axes.fill_between([0, 1, 2], [0, 1, 0], [1, 2, 3], alpha=0.2, hatch="//")
    axes.scatter([0, 1], [1, 2], c="#123456")
    axes.imshow(np.arange(6).reshape(2, 3), extent=(0, 2, 0, 2), aspect="auto")
    axes.set_ylabel(text, rotation=90)
    axes.legend()
    return figure


def in_writing(figure):
    """The drawing by matplotlib's own writer."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None})
    return buffer.getvalue().decode()


def drawn(hash_salt="a", **changes):
    with mpl.rc_context({"svg.hashsalt": hash_salt, "svg.fonttype": "none"}):
        return in_writing(figure_of_all(**changes))


def small_of(raw):
    """The drawing in fewer bytes, of what matplotlib's own writer wrote."""
    return compact(elements(raw))


def elements(raw):
    """The elements of a written drawing, under the names that they are written with."""
    root = fromstring(raw)
    for element in root.iter():
        element.tag = element.tag.removeprefix(SVG)
        given = {name.replace(LINKS, "xlink:"): value for name, value in element.attrib.items()}
        element.attrib.clear()
        element.attrib.update(given)
    return root


def named(root, tag):
    return [e for e in root.iter() if e.tag == f"{SVG}{tag}"]


def test_everything_drawn_is_still_there():
    raw = drawn()
    small = small_of(raw)
    before, after = fromstring(raw), fromstring(small)
    for tag in ("path", "use", "text", "image", "clipPath", "pattern"):
        assert len(named(after, tag)) == len(named(before, tag)) > 0, tag
    assert [e.text for e in named(after, "text")] == [e.text for e in named(before, "text")]
    assert (after.get("viewBox"), after.get("width")) == (before.get("viewBox"), before.get("width"))
    assert len(small) < 0.6 * len(raw)


def test_every_element_keeps_its_style():
    raw = drawn()
    small = fromstring(small_of(raw))
    rules = dict(re.findall(r"\.(c\d+)\{([^}]*)\}", named(small, "style")[0].text))
    before = [e for e in fromstring(raw).iter() if e.get("style") and e.tag != f"{SVG}style"]
    after = [e for e in small.iter() if e.get("class")]

    def colours(text):
        return re.findall(r"(?:fill|stroke|stroke-width|opacity|stroke-dasharray): ?([^;u]+)(?:;|$)", text)

    styled = [rules[e.get("class")] for e in after]
    kept = [colours(style) for style in styled if colours(style)]
    assert kept == [colours(e.get("style")) for e in before if colours(e.get("style"))]


def test_every_reference_leads_to_an_element():
    small = small_of(drawn())
    ids = set(re.findall(r" id='([^']+)'", small))
    assert set(re.findall(r"(?:url\(|href=')#([^')]+)", small)) == ids != set()


def test_names_that_nobody_sees_make_no_difference():
    assert small_of(drawn("a")) == small_of(drawn("b"))
    assert drawn("a") != drawn("b")


@pytest.mark.parametrize("text", ["</text><script>x</script>", "a' onload='x", "&lt;", "]]>", "{{ x }}", "é – −"])
def test_words_stay_words(text):
    root = fromstring(small_of(drawn(text=text)))
    assert text in [e.text for e in named(root, "text")]
    assert not [e for e in root.iter() if e.tag.endswith("script") or any(a.startswith("on") for a in e.attrib)]


def test_pictures_keep_what_places_them():
    raw = drawn()
    (before,), (after,) = (named(fromstring(text), "image") for text in (raw, small_of(raw)))
    assert after.get("transform") == before.get("transform")
    assert after.get("href") == "".join(before.get(f"{LINKS}href").split())


PICTURE = re.compile("<image[^>]*>")  # drawn by savefig at a resolution of its own


@pytest.mark.parametrize("text", ["x & <y> 'z'", 'a "quoted" one', "two\nlines", "]]>"])
def test_what_is_drawn_is_what_matplotlib_would_write(text):
    with mpl.rc_context({"svg.hashsalt": "a", "svg.fonttype": "none"}):
        figure = figure_of_all(text)
        ours = compact(svg(figure))  # which sets the layout, so it comes first
        theirs = small_of(in_writing(figure))
    assert PICTURE.findall(ours)
    assert PICTURE.sub("", ours) == PICTURE.sub("", theirs)
