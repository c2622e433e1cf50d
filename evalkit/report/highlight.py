"""Source code as HTML with a handful of classes, so that colours stay few and readable."""

from __future__ import annotations

from functools import lru_cache
from html import escape

from pygments.lexers.python import PythonLexer
from pygments.token import Token, _TokenType

# First match wins; what is not listed is plain text. The classes are coloured in page.css.
_CLASSES = (
    (Token.Comment, "co"),
    (Token.Literal.String, "st"),
    (Token.Literal.Number, "nu"),
    (Token.Keyword, "kw"),
    (Token.Operator.Word, "kw"),
)


@lru_cache(maxsize=1024)  # a cell stands on its own page and in the report as one file; studies have the same cells
def highlight(source: str) -> str:
    """Python source, escaped, with keywords, strings, numbers and comments in spans."""
    runs: list[tuple[str, str]] = []
    for kind, text in PythonLexer(stripnl=False, ensurenl=False).get_tokens(source):
        css = _css(kind)
        if runs and runs[-1][0] == css:
            runs[-1] = (css, runs[-1][1] + text)
        else:
            runs.append((css, text))
    return "".join(f'<span class="{css}">{escape(text)}</span>' if css else escape(text) for css, text in runs)


def _css(kind: _TokenType) -> str:
    return next((css for family, css in _CLASSES if kind in family), "")
