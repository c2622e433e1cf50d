"""A figure as elements of SVG: laid out, then drawn, with texts measured once however many figures hold them."""

from __future__ import annotations

import io
from functools import lru_cache
from typing import Any, Literal, cast
from xml.etree.ElementTree import Element, SubElement

from matplotlib.backend_bases import RendererBase
from matplotlib.backends.backend_mixed import MixedModeRenderer
from matplotlib.backends.backend_svg import RendererSVG
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import text_to_path

from evalkit.plots.layout import POINTS, settle

PIXELS = 100  # an inch, of what is drawn as an image
MOST = 8192  # texts whose sizes are kept
UNSAID = {"Date": None, "Creator": None}


@lru_cache(MOST)
def _size(text: str, font: FontProperties, maths: bool | Literal["TeX"]) -> tuple[float, float, float]:
    return text_to_path.get_text_width_height_descent(text, font, maths)


class Elements:
    """What matplotlib's writer of XML is to its renderer, but it keeps the elements and writes nothing.

    The text would be read again at once, to be written in fewer bytes.
    """

    def __init__(self) -> None:
        """Begin with nothing."""
        self._open = [Element("drawing")]

    @property
    def root(self) -> Element:
        """The outermost element."""
        return self._open[0][0]

    def start(self, tag: str, attrib: dict[str, str] | None = None, **extra: str) -> int:
        """Open an element; attributes of no value are left out. Returns what `close` takes."""
        given = {name: value for name, value in {**(attrib or {}), **extra}.items() if value}
        self._open.append(SubElement(self._open[-1], tag, given))
        return len(self._open) - 1

    def data(self, text: str) -> None:
        """Text of the element that is open."""
        self._open[-1].text = (self._open[-1].text or "") + text

    def end(self, tag: str | None = None, indent: bool = True) -> None:  # noqa: ARG002 - its signature
        """Close the element opened last."""
        self._open.pop()

    def close(self, number: int) -> None:
        """Close every element from the one that `start` has numbered so."""
        del self._open[number:]

    def element(self, tag: str, text: str | None = None, attrib: dict[str, str] | None = None, **extra: str) -> None:
        """A whole element."""
        self.start(tag, attrib, **extra)
        if text:
            self.data(text)
        self.end()

    def comment(self, comment: str) -> None:
        """Nothing: who looks at a drawing does not see it."""

    def flush(self) -> None:
        """Nothing: nothing waits to be written."""


class Renderer(RendererSVG):
    """matplotlib's renderer of SVG, with sizes of texts kept from figure to figure; they hang on nothing else."""

    def __init__(self, width: float, height: float) -> None:
        """Begin a drawing of so many points."""
        super().__init__(width, height, io.StringIO(), image_dpi=PIXELS, metadata=UNSAID)  # type: ignore[no-untyped-call]
        self.writer: Any = Elements()  # in place of the one that has begun to write
        size = {"width": f"{width:g}pt", "height": f"{height:g}pt", "viewBox": f"0 0 {width:g} {height:g}"}
        self._start_id = self.writer.start("svg", size)

    def get_text_width_height_descent(
        self, s: str, prop: FontProperties, ismath: bool | Literal["TeX"]
    ) -> tuple[float, float, float]:
        """Width, height and descent, points."""
        return _size(s, prop.copy(), ismath)


def svg(figure: Figure) -> Element:
    """The drawing of a figure of `POINTS` dots an inch, as matplotlib draws it."""
    width, height = figure.get_size_inches()
    writer = Renderer(width * POINTS, height * POINTS)
    # the colours of a colour bar become one image
    mixed = MixedModeRenderer(figure, width, height, PIXELS, writer)  # type: ignore[no-untyped-call]
    renderer = cast(RendererBase, mixed)  # it passes on what it does not do itself
    settle(figure, renderer)
    figure.draw(renderer)
    mixed.finalize()
    return cast(Element, writer.writer.root)
