"""What a report holds, taken back out of it: drawings the way a browser reads them, and Word files; how crowded."""

from __future__ import annotations

import io
import re
import zipfile
from contextlib import contextmanager
from html import unescape
from itertools import combinations
from urllib.parse import unquote_to_bytes

from matplotlib.text import Text
from matplotlib.transforms import Bbox

from evalkit.plots import style
from evalkit.plots.drawing import Renderer, svg
from evalkit.plots.layout import POINTS

SOURCE = re.compile(r'src="data:image/svg\+xml,([^"]+)"')


def drawings(html: str) -> list[bytes]:
    return [unquote_to_bytes(unescape(source)) for source in SOURCE.findall(html)]


def word_body(content: bytes) -> bytes:
    """A Word file but for its properties, which hold the time it was made."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        names = [name for name in archive.namelist() if name != "docProps/core.xml"]
        return b"".join(name.encode() + archive.read(name) for name in names)


def drawing(html: str) -> bytes:
    (found,) = drawings(html)
    return found


@contextmanager
def laid_out(monkeypatch):
    """A list that fills with the figures drawn inside, as they were written."""
    kept = []

    def keep(figure):
        kept.append(figure)
        return svg(figure)

    with monkeypatch.context() as patch:
        patch.setattr(style, "svg", keep)
        yield kept


def measuring(figure):
    """A renderer that sizes texts as the drawing of the figure does."""
    return Renderer(*figure.get_size_inches() * POINTS)


def around(figure) -> list[tuple[str, Bbox]]:
    """Texts around the frames of a drawn figure with their places, points: of axes, their titles, and legends."""
    renderer = measuring(figure)
    texts = [text for legend in figure.legends for text in legend.get_texts()]
    for axes in figure.axes:
        texts += [child for child in axes.get_children() if isinstance(child, Text) and child not in axes.texts]
        texts += axes.get_legend().get_texts() if axes.get_legend() else []
        for axis in (axes.xaxis, axes.yaxis) if axes.axison else ():
            low, high = sorted(axis.get_view_interval())
            slack = 1e-6 * (high - low)
            ticks = [tick for tick in axis.get_major_ticks() if low - slack <= tick.get_loc() <= high + slack]
            texts += [axis.label, *(t for tick in ticks for t in (tick.label1, tick.label2) if t.get_visible())]
    return [(text.get_text(), text.get_window_extent(renderer)) for text in texts if text.get_text()]


def crowded(figure, slack=0.5) -> list[str]:
    """Texts of a drawn figure that its edges cut off, or that lie over others around the frames; slack in points."""
    found, (width, height) = around(figure), figure.get_size_inches() * POINTS
    found = [(text, box.x0 + slack, box.x1 - slack, box.y0 + slack, box.y1 - slack) for text, box in found]
    out = [f"cut off: {t}" for t, x0, x1, y0, y1 in found if x0 < 0 or y0 < 0 or x1 > width or y1 > height]
    for (one, a0, a1, b0, b1), (other, c0, c1, d0, d1) in combinations(found, 2):
        if min(a1, c1) > max(a0, c0) and min(b1, d1) > max(b0, d0):
            out.append(f"over each other: {one} | {other}")
    return out
