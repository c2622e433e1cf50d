"""Where the axes of a figure stand: measured once, then set on round positions.

Around its axes a figure has tick labels, labels, titles, a colour bar, legends and texts. Each side gets the room it
needs, and what is left is shared out by the ratios of the grid. matplotlib's constrained layout comes to the same
with a solver, in two passes that each measure every tick label twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backend_bases import RendererBase
from matplotlib.cm import ScalarMappable
from matplotlib.colorbar import Colorbar
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.text import Text
from matplotlib.transforms import BboxBase
from numpy.typing import ArrayLike

POINTS = 72  # an inch; drawings are measured in points
PAD = 4.0  # points around axes with all that belongs to them
BAR, SLIM = 0.05, 20  # a colour bar: most of its width in widths of its frame, and its height over its width
APART = 0.02  # from the frame to its colour bar, in widths of the figure
LEAST = 0.1  # of a figure that its axes keep, however long the texts
PASSES, STEPS = 3, 12  # of measuring (other room can mean other ticks), and of sharing out
GUESS = {"left": 50.0, "right": 8.0, "bottom": 36.0, "top": 8.0}  # points, until measured
Box = tuple[float, float, float, float]


@dataclass
class Room:
    """What axes need outside their frame, points.

    sides   by side
    labels  from the frame to the label of an axis, by the side it stands on
    drop    a legend below: how far its corner is, in heights of the frame, and from there to its foot
    loose   texts at places of the data stand out, and move with the frame
    bar     the colour bar to the right, and what that needs
    """

    sides: dict[str, float] = field(default_factory=GUESS.copy)
    labels: dict[str, float] = field(default_factory=dict)
    drop: tuple[float, float] = (0.0, 0.0)
    loose: bool = False
    bar: tuple[Axes, Room] | None = None

    def below(self, height: float) -> float:
        """What a frame of this height needs below it."""
        return max(self.sides["bottom"], self.drop[0] * height + self.drop[1])


def colour_bar(figure: Figure, drawn: ScalarMappable, label: str, ticks: Sequence[float] | None = None) -> Colorbar:
    """A scale of colours that will stand to the right of its panel."""
    beside = figure.add_axes((0.9, 0.1, 0.02, 0.8))
    return figure.colorbar(drawn, cax=beside, label=label, ticks=ticks)


def settle(figure: Figure, renderer: RendererBase) -> None:
    """Place the axes of a figure, and the labels of their axes beside the tick labels.

    Axes are panels of one grid; those outside any grid are colour bars, in the order of the panels. Legends of the
    figure stand at its foot. Positions have three decimals: the last digits of sums are not the same everywhere.
    """
    panels = {axes: Room() for axes in figure.axes if axes.get_subplotspec() is not None}
    bars = (axes for axes in figure.axes if axes.get_subplotspec() is None)
    for room, bar in zip(panels.values(), bars, strict=False):
        room.bar = bar, Room()
    for axis in (axis for axes in figure.axes for axis in (axes.xaxis, axes.yaxis)):
        axis.set_label_coords(0.5, 0.5)  # placed here, and no longer by measuring all tick labels again
    foot = sum(legend.get_window_extent(renderer).height + 2 * PAD for legend in figure.legends)
    _place(figure, panels, foot)
    for _ in range(PASSES):
        ticks = _ticks(figure)
        for axes, room in panels.items():
            _measure(axes, room, renderer)
            if room.bar:
                _measure(*room.bar, renderer)
                for side in ("bottom", "top"):
                    room.sides[side] = max(room.sides[side], room.bar[1].sides[side])
        _place(figure, panels, foot)
        if _ticks(figure) == ticks and not any(room.loose for room in panels.values()):
            break


def _ticks(figure: Figure) -> list[tuple[float, ...]]:
    return [tuple(axis.get_majorticklocs()) for axes in figure.axes for axis in (axes.xaxis, axes.yaxis)]


def _measure(axes: Axes, room: Room, renderer: RendererBase) -> None:
    """Read off what stands out of the frame where it is now."""
    frame = axes.bbox
    room.sides = dict.fromkeys(GUESS, 0.0)
    room.drop, room.loose = (0.0, 0.0), False
    for text in axes.get_children():
        if isinstance(text, Text) and text.get_text():
            wide = _grown(room, frame, text.get_window_extent(renderer))
            room.loose = room.loose or (wide and text in axes.texts)
    if axes.axison:
        for axis in (axes.xaxis, axes.yaxis):
            _axis(axes, axis, room, renderer)
    if legend := axes.get_legend():
        _legend(frame, legend, room, renderer)


def _grown(room: Room, frame: BboxBase, box: BboxBase) -> bool:
    """Give room to a box; whether it stands out."""
    out = {
        "left": frame.x0 - box.x0, "right": box.x1 - frame.x1,
        "bottom": frame.y0 - box.y0, "top": box.y1 - frame.y1,
    }  # fmt: skip
    for side, reach in out.items():
        room.sides[side] = max(room.sides[side], reach)
    return max(out.values()) > 0


def _axis(axes: Axes, axis: Axis, room: Room, renderer: RendererBase) -> None:
    """Room for tick labels, or ticks alone, and beyond them for the label."""
    side, label, factor = axis.get_label_position(), axis.label, axis.get_offset_text()
    own = Room(sides=dict.fromkeys(GUESS, 0.0))
    label.set_visible(False)
    factor.set_visible(False)
    box = axis.get_tightbbox(renderer)
    if box is None and side in axes.spines:
        box = axes.spines[side].get_window_extent(renderer)
    if box is not None:
        _grown(own, axes.bbox, box)
    reach = own.sides[side]
    if axis.get_major_formatter().get_offset():
        factor.set_visible(True)
        _grown(own, axes.bbox, factor.get_window_extent(renderer))
    if label.get_text():
        label.set_visible(True)
        room.labels[side] = reach + axis.labelpad
        size = label.get_window_extent(renderer)
        reach = room.labels[side] + (size.height if side in ("bottom", "top") else size.width)
    room.sides = {name: max(old, own.sides[name]) for name, old in room.sides.items()}
    room.sides[side] = max(room.sides[side], reach)


def _legend(frame: BboxBase, legend: Legend, room: Room, renderer: RendererBase) -> None:
    """Room for a legend above, or below where it hangs the lower the taller the frame is.

    A legend that is too wide would be no less so if the frame gave way.
    """
    box, corner = legend.get_window_extent(renderer), legend.get_bbox_to_anchor()
    room.sides["top"] = max(room.sides["top"], box.y1 - frame.y1)
    if box.y0 < frame.y0:
        room.drop = (frame.y0 - corner.y0) / frame.height, corner.y0 - box.y0


def _place(figure: Figure, panels: dict[Axes, Room], foot: float) -> None:
    """Share out what the sides leave, and set axes and labels there."""
    width, height = (float(inches) * POINTS for inches in figure.get_size_inches())
    for (axes, room), (x, y, w, h) in zip(panels.items(), _frames(panels, width, height, foot), strict=True):
        _set(axes, room, (x / width, y / height, w / width, h / height))
        if room.bar:
            bar, beside = room.bar
            left = x + w + room.sides["right"] + APART * width + beside.sides["left"]
            _set(bar, beside, (left / width, y / height, _slim(w, h) / width, h / height))


def _set(axes: Axes, room: Room, place: Box) -> None:
    left, bottom, width, height = (round(edge, 3) for edge in place)
    axes.set_position((left, bottom, width, height))
    frame = axes.bbox
    for side, away in room.labels.items():
        if side in ("bottom", "top"):
            share = away / frame.height
            axes.xaxis.set_label_coords(0.5, -share if side == "bottom" else 1 + share)
        else:
            share = away / frame.width
            axes.yaxis.set_label_coords(-share if side == "left" else 1 + share, 0.5)


def _slim(width: float, height: float) -> float:
    """Width of a colour bar beside a frame of this size."""
    return min(BAR * width, height / SLIM)


def _frames(panels: dict[Axes, Room], width: float, height: float, foot: float) -> list[Box]:
    """Frames of the panels, points: widths of columns and heights of rows in their ratios, sides between them.

    What stands below and beside depends a little on the size of a frame, so that sizes are found in steps.
    """
    spots = [spot for axes in panels if (spot := axes.get_subplotspec()) is not None]
    across, down = [spot.colspan.start for spot in spots], [spot.rowspan.start for spot in spots]
    grid = spots[0].get_gridspec()
    wide, tall = _shares(grid.get_width_ratios()), _shares(grid.get_height_ratios())
    w, h = [width * share for share in wide], [height * share for share in tall]
    for _ in range(STEPS):
        left, right, bottom, top = [0.0] * len(w), [0.0] * len(w), [0.0] * len(h), [0.0] * len(h)
        for room, column, row in zip(panels.values(), across, down, strict=True):
            beside = _beside(room, width, w[column], h[row])
            left[column] = max(left[column], room.sides["left"] + PAD)
            right[column] = max(right[column], beside + PAD)
            bottom[row] = max(bottom[row], room.below(h[row]) + PAD)
            top[row] = max(top[row], room.sides["top"] + PAD)
        across_all = max(width - sum(left) - sum(right), LEAST * width)
        down_all = max(height - foot - sum(bottom) - sum(top), LEAST * height)
        w, h = [across_all * share for share in wide], [down_all * share for share in tall]
    x = [sum(left[: i + 1]) + sum(w[:i]) + sum(right[:i]) for i in range(len(w))]
    y = [height - sum(top[: i + 1]) - sum(h[: i + 1]) - sum(bottom[:i]) for i in range(len(h))]
    return [(x[c], y[r], w[c], h[r]) for c, r in zip(across, down, strict=True)]


def _beside(room: Room, whole: float, width: float, height: float) -> float:
    """What a frame of this size needs to its right, with its colour bar."""
    if not room.bar:
        return room.sides["right"]
    sides = room.bar[1].sides
    return room.sides["right"] + APART * whole + sides["left"] + _slim(width, height) + sides["right"]


def _shares(ratios: ArrayLike) -> list[float]:
    found = np.asarray(ratios, float)
    return [float(share) for share in found / found.sum()]
