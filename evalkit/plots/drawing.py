"""A figure as SVG: laid out, then written, with texts measured once however many figures hold them."""

from __future__ import annotations

import io
from functools import lru_cache
from typing import Literal, cast

from matplotlib.backend_bases import RendererBase
from matplotlib.backends.backend_mixed import MixedModeRenderer
from matplotlib.backends.backend_svg import RendererSVG
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import text_to_path

from evalkit.plots.layout import POINTS, settle

PIXELS = 100  # an inch, of what is drawn as an image
MOST = 8192  # texts whose sizes are kept


@lru_cache(MOST)
def _size(text: str, font: FontProperties, maths: bool | Literal["TeX"]) -> tuple[float, float, float]:
    return text_to_path.get_text_width_height_descent(text, font, maths)


class Renderer(RendererSVG):
    """matplotlib's writer of SVG, with sizes of texts kept from figure to figure; they hang on nothing else."""

    def get_text_width_height_descent(
        self, s: str, prop: FontProperties, ismath: bool | Literal["TeX"]
    ) -> tuple[float, float, float]:
        """Width, height and descent, points."""
        return _size(s, prop.copy(), ismath)


def svg(figure: Figure) -> str:
    """The drawing of a figure of `POINTS` dots an inch, as matplotlib writes it."""
    width, height = figure.get_size_inches()
    out = io.StringIO()
    writer = Renderer(  # type: ignore[no-untyped-call]
        width * POINTS, height * POINTS, out, image_dpi=PIXELS, metadata={"Date": None, "Creator": None}
    )
    # the colours of a colour bar become one image
    mixed = MixedModeRenderer(figure, width, height, PIXELS, writer)  # type: ignore[no-untyped-call]
    renderer = cast(RendererBase, mixed)  # it passes on what it does not do itself
    settle(figure, renderer)
    figure.draw(renderer)
    mixed.finalize()
    return out.getvalue()
