"""Drawings taken back out of a page, the way a browser reads them."""

from __future__ import annotations

import re
from html import unescape
from urllib.parse import unquote_to_bytes

SOURCE = re.compile(r'src="data:image/svg\+xml,([^"]+)"')


def drawings(html: str) -> list[bytes]:
    return [unquote_to_bytes(unescape(source)) for source in SOURCE.findall(html)]


def drawing(html: str) -> bytes:
    (found,) = drawings(html)
    return found
