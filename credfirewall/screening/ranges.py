"""The range API's answer, read strictly. Pure: bytes in, a packed range or an error out.

The grammar is that of the service and its known quirks: rows ``SUFFIX:COUNT`` between CRLF or LF,
upper or lower case, perhaps a byte order mark, blank lines, thousands separators, and padding rows
with the count 0. Anything else makes the whole body unusable: half of an answer is not an answer.
"""

import base64
import hashlib

from credfirewall.corpus.layout import (
    MAX_RECORDS,
    SUFFIX_LENGTH,
    LayoutError,
    PackedRange,
    pack_text,
)
from credfirewall.exceptions import SourceUnavailable
from credfirewall.screening.verdict import Reason

MAX_LINES = 3 * MAX_RECORDS
"""Rows, padding and blank lines: more is no range, and takes long to look through."""
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_PADDING_WIDTH = SUFFIX_LENGTH + len(":0\r\n")


def parse(body: bytes, content_md5: str | None = None) -> PackedRange:
    """Check and pack a range body.

    ``content_md5`` (RFC 1864) is compared where the body is unpadded: the service computes it
    for that form only. Raises SourceUnavailable("empty", "malformed" or "checksum").
    """
    text = body.strip(b"\r\n")
    end = len(text)
    while text.endswith(b":0", 0, max(end, 0)):  # padding comes last
        end -= _PADDING_WIDTH
    if end == len(text) and content_md5 and not _md5_matches(body, content_md5):
        raise SourceUnavailable(Reason.CHECKSUM)
    # Nearly every body is in order as it is; the quirks are looked for in one that is not.
    packed = _pack(text[: max(end, 0)]) or _pack(_tidied(body))
    if packed is None:
        raise SourceUnavailable(Reason.MALFORMED)
    return packed


def _pack(text: bytes) -> PackedRange | None:
    try:
        return pack_text(text)
    except LayoutError:
        return None


def _tidied(body: bytes) -> bytes:
    """Return the real rows of a body with quirks.

    Raises SourceUnavailable("empty" or "malformed").
    """
    if body.count(b"\n") > MAX_LINES:
        raise SourceUnavailable(Reason.MALFORMED)
    text = body.removeprefix(_BYTE_ORDER_MARK).replace(b"\r\n", b"\n").replace(b",", b"").upper()
    rows = sorted(row for row in text.split(b"\n") if row and not row.endswith(b":0"))
    if not rows:
        raise SourceUnavailable(Reason.EMPTY)
    return b"\r\n".join(rows)


def _md5_matches(body: bytes, content_md5: str) -> bool:
    digest = hashlib.md5(body, usedforsecurity=False).digest()
    return base64.b64encode(digest).decode() == content_md5.strip()
