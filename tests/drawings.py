"""What a report holds, taken back out of it: drawings the way a browser reads them, and Word files."""

from __future__ import annotations

import io
import re
import zipfile
from html import unescape
from urllib.parse import unquote_to_bytes

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
