"""The page templates: everything autoescaped, nothing undefined, the style sheet inlined."""

from __future__ import annotations

from functools import cache
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from evalkit.report.clean import plain


@cache
def _environment() -> Environment:
    loader = PackageLoader("evalkit.report", "templates")
    environment = Environment(
        loader=loader,
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["address"] = address
    source, _, _ = loader.get_source(environment, "page.css")
    # Our own file, not data; it is markup here because quotes in it must stay quotes.
    environment.globals["css"] = Markup(source)  # noqa: S704
    return environment


def address(file: str) -> str:
    """A relative link to a neighbouring file or to a place in the page: a colon cannot make it anything else."""
    place, name = ("#", file[1:]) if file.startswith("#") else ("", file)
    return place + quote(plain(name).lstrip("/"), safe="/.~-_")


def fill(template: str, **values: object) -> str:
    """One template filled in, control characters and unpaired surrogates removed."""
    return plain(_environment().get_template(template).render(**values))
