"""Do axes get the room that what stands around them needs, and the rest in the shares that were asked for?"""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from drawings import around, crowded, measuring

from evalkit.plots.checks import BELOW
from evalkit.plots.drawing import svg
from evalkit.plots.layout import APART, LEAST, PAD, POINTS, colour_bar
from evalkit.plots.style import canvas, panes, shown

LONG = "A hospital with a name that goes on and on, and on"


def drawn(figure):
    svg(figure)
    return figure


def frame(axes):
    """Left, right, bottom and top, points."""
    return axes.bbox.x0, axes.bbox.x1, axes.bbox.y0, axes.bbox.y1


def plain():
    with canvas() as (figure, axes):
        axes.plot([0, 1], [0, 1], label="A line")
        axes.set_xlabel("Across")
        axes.set_ylabel("Up")
    return figure


def hanging():
    figure = plain()
    figure.axes[0].legend(**BELOW)
    return figure


def above():
    figure = plain()
    figure.axes[0].legend(loc="lower left", bbox_to_anchor=(0, 1.0))
    return figure


def footed():
    figure = plain()
    figure.legend(loc="lower left")
    return figure


def titled():
    figure = plain()
    figure.axes[0].set_title("What it is", loc="left")
    return figure


def named():
    figure = plain()
    figure.axes[0].set_yticks([0, 1], [LONG, "B"])
    return figure


def coloured():
    with canvas(height=2.4) as (figure, axes):
        image = axes.imshow(np.arange(6.0).reshape(2, 3), aspect="auto")
        colour_bar(figure, image, "How much", [0.0, 2.5, 5.0])
        axes.set_xticks([0, 1, 2])
        axes.set_xlabel("Across")
    return figure


def factored():
    with canvas() as (figure, axes):
        axes.plot([0, 1], [3e9, 4e9])
        axes.set_title("Thousands of millions", loc="right")
    return figure


def beside():
    with panes(ratios=[2, 1], beside=True) as (figure, (left, right)):
        left.set_ylabel("Left")
        right.set_ylabel("Right")
    return figure


def stacked():
    with panes(height=6, ratios=[1, 3], share=True) as (figure, (top, bottom)):
        top.set_xlabel("Between")
        bottom.set_yticks([0, 1], [LONG, "B"])
    return figure


ALL = [plain, hanging, above, footed, titled, named, coloured, beside, stacked]


@pytest.mark.parametrize("make", ALL, ids=lambda make: make.__name__)
def test_no_text_is_cut_off_or_lies_over_another_and_the_room_is_used(make):
    figure = drawn(make())
    assert crowded(figure) == []
    boxes = [box for _, box in around(figure)]
    width = figure.get_figwidth() * POINTS
    assert min(box.x0 for box in boxes) < 2 * PAD + 1
    assert max([*(box.x1 for box in boxes), *(frame(axes)[1] for axes in figure.axes)]) > width - 2 * PAD - 1


@pytest.mark.parametrize("make", [named, coloured, hanging])
def test_where_axes_are_left_at_their_first_place_texts_are_cut_off_or_overlap(make):
    """What the tests of crowding look for does come about."""
    figure = drawn(make())
    for axes in figure.axes:
        axes.set_position((0.01, 0.01, 0.98, 0.98))
    assert crowded(figure)


def test_frames_share_the_rest_by_their_ratios():
    left, right = (frame(axes) for axes in drawn(beside()).axes)
    assert (left[1] - left[0]) == pytest.approx(2 * (right[1] - right[0]), abs=1.5)
    top, bottom = (frame(axes) for axes in drawn(stacked()).axes)
    assert 3 * (top[3] - top[2]) == pytest.approx(bottom[3] - bottom[2], abs=1.5)
    assert top[:2] == bottom[:2]


def test_the_room_below_is_what_a_hanging_legend_needs():
    """By hand: its corner lies 0.16 heights below the frame, its foot `PAD` above that of the figure."""
    figure = drawn(hanging())
    legend = figure.axes[0].get_legend()
    low, high = frame(figure.axes[0])[2:]
    assert legend.get_bbox_to_anchor().y0 == pytest.approx(low - 0.16 * (high - low), abs=0.01)
    assert legend.get_window_extent(measuring(figure)).y0 == pytest.approx(PAD, abs=0.4)


def test_a_legend_of_the_figure_stands_below_the_axes():
    figure = drawn(footed())
    (legend,) = figure.legends
    label = min(box.y0 for text, box in around(figure) if text == "Across")
    assert legend.get_window_extent(measuring(figure)).y1 < label


def test_a_colour_bar_is_as_high_as_its_panel_and_slim():
    figure = drawn(coloured())
    panel, bar = (frame(axes) for axes in figure.axes)
    assert panel[2:] == bar[2:]
    assert bar[0] - panel[1] == pytest.approx(APART * 8 * POINTS, abs=0.7)
    assert bar[1] - bar[0] == pytest.approx((bar[3] - bar[2]) / 20, abs=1.0)


def test_a_factor_of_tick_labels_is_drawn():
    assert "1e9" in shown(factored(), "Alt", "Caption", ["A"], [["1"]]).html
    assert "1e9" not in shown(plain(), "Alt", "Caption", ["A"], [["1"]]).html


def test_axes_keep_a_share_however_long_the_texts():
    with canvas() as (figure, axes):
        axes.set_yticks([0.0], ["x" * 400])
    drawn(figure)
    left, right, *_ = frame(axes)
    assert right - left == pytest.approx(LEAST * 8 * POINTS, abs=1.0)


def test_positions_have_three_decimals():
    for make in ALL:
        for axes in drawn(make()).axes:
            bounds = axes.get_position().bounds
            assert bounds == pytest.approx([round(edge, 3) for edge in bounds], abs=1e-12)


def digest(make):
    return hashlib.sha256(shown(make(), "What it shows", "A figure", ["a"], [["b"]]).html.encode()).hexdigest()


def test_a_drawing_does_not_hang_on_what_was_drawn_before_or_on_the_process():
    ours = [digest(make) for make in ALL]
    assert [digest(make) for make in ALL[::-1]][::-1] == ours
    code = "import test_layout as t; print(*[t.digest(make) for make in t.ALL[5:]])"
    told = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=Path(__file__).parent, check=True
    )
    assert told.stdout.split() == ours[5:]
