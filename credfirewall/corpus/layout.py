"""The packed form of one range: 5-byte records that keep 36 bits of hash and the exact count.

One codec serves the cached ranges and the corpus file. A SHA-1 in hexadecimal is cut like this::

    prefix (5 digits)   bucket (2)   remainder (9)   not kept (24)

and a block holds, little-endian::

    255 x u16   cumulative ends of the 256 buckets (the last one ends at n)
    n x 5       sorted records, big-endian: 36-bit remainder, 4-bit count code
    u8[]        for each code 15, in order: the count, or 255 ...
    u32[]       ... for each 255, in order: the count

With n records in a range a password that is not in it matches one by chance with probability
n * 2^-44, once its prefix is this one. Pure: no settings, no ORM.
"""

import binascii
import re
import struct
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

SUFFIX_LENGTH: Final = 35
RECORD_BYTES: Final = 5
MAX_RECORDS: Final = 65_535
MAX_COUNT: Final = 0xFFFF_FFFF

_BUCKETS = 256
_TABLE = struct.Struct(f"<{_BUCKETS - 1}H")
_ENDS = struct.Struct("<H")
_COUNT = struct.Struct("<I")
_ESCAPED = 15
_WIDE = 255
_WIDTH = SUFFIX_LENGTH + 11
"""A suffix, a colon and the ten digits of MAX_COUNT."""
_ROW = b"%%-%db" % _WIDTH
_ALLOWED = b"0123456789ABCDEF: "
_DIGITS = b"0123456789abcdef"
_SECOND_DIGIT = re.compile(rb"[^ ]")
_IS_ESCAPED = bytes(code & 15 == _ESCAPED for code in range(256))


class LayoutError(ValueError):
    """Rows that no block can hold, or a block that no rows can have made."""


@dataclass(slots=True)
class PackedRange:
    """One range, packed: ``n`` records in ``block``."""

    n: int
    block: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if len(self.block) < _TABLE.size + self.n * RECORD_BYTES:
            raise LayoutError("a block shorter than its records")

    def count(self, suffix: str) -> int:
        """Return how often the hash with this 35-digit suffix was seen; 0 when it is not here."""
        block = self.block
        bucket = int(suffix[:2], 16)
        first = _ENDS.unpack_from(block, 2 * bucket - 2)[0] if bucket else 0
        last = _ENDS.unpack_from(block, 2 * bucket)[0] if bucket < _BUCKETS - 1 else self.n
        position, end = _TABLE.size + first * RECORD_BYTES, _TABLE.size + last * RECORD_BYTES
        head, nibble = bytes.fromhex(suffix[2:10]), int(suffix[10], 16)
        while (found := block.find(head, position, end)) >= 0:
            index, misaligned = divmod(found - _TABLE.size, RECORD_BYTES)
            if not misaligned and block[found + 4] >> 4 == nibble:
                code = block[found + 4] & 15
                return code if code < _ESCAPED else self._escaped(index)
            position = found + 1
        return 0

    def _escaped(self, index: int) -> int:
        """Return the count of the record at ``index``, whose code says that it is kept apart."""
        block, tails = self.block, _TABLE.size + RECORD_BYTES - 1
        narrow = _TABLE.size + self.n * RECORD_BYTES
        codes = block[tails:narrow:RECORD_BYTES].translate(_IS_ESCAPED)
        nth = codes.count(1, 0, index)
        value = block[narrow + nth]
        if value < _WIDE:
            return value
        wide = narrow + codes.count(1)
        nth_wide = block.count(_WIDE, narrow, narrow + nth)
        count: int = _COUNT.unpack_from(block, wide + nth_wide * _COUNT.size)[0]
        return count


def pack(rows: Sequence[bytes]) -> PackedRange:
    """Pack rows ``SUFFIX:COUNT``, sorted by suffix, as the range API writes them.

    Works on whole columns: a range has some 2,000 rows, and a loop in Python over them costs more
    than the request that fetched them. Raises LayoutError on anything that is not such a row.
    """
    n = len(rows)
    if not 0 < n <= MAX_RECORDS:
        raise LayoutError("not a range of 1 to 65,535 rows")
    if sorted(rows) != list(rows):
        raise LayoutError("rows out of order")
    table = (_ROW * n) % tuple(rows)  # left-justified, so that columns are slices
    _check(table, rows)
    codes, counts = _codes(table, rows)
    records = bytearray(2 * RECORD_BYTES * n)
    for column in range(9):
        records[column :: 2 * RECORD_BYTES] = table[2 + column :: _WIDTH]
    records[9 :: 2 * RECORD_BYTES] = codes
    heads = bytearray(2 * n)
    heads[0::2], heads[1::2] = table[0::_WIDTH], table[1::_WIDTH]
    buckets = binascii.unhexlify(heads)
    ends = [bisect_right(buckets, bucket) for bucket in range(_BUCKETS - 1)]
    narrow = bytes([min(_WIDE, count) for count in counts])
    wide = [count for count in counts if count >= _WIDE]
    return PackedRange(
        n,
        b"".join(
            (
                _TABLE.pack(*ends),
                binascii.unhexlify(records),
                narrow,
                struct.pack(f"<{len(wide)}I", *wide),
            )
        ),
    )


def _check(table: bytes, rows: Sequence[bytes]) -> None:
    """Raise LayoutError unless each row is 35 digits (upper-case), a colon and a count."""
    n = len(rows)
    fits = len(table) == n * _WIDTH
    colons = table[SUFFIX_LENGTH::_WIDTH] == b":" * n and table.count(b":") == n
    # A space in a row would pass for one of the table's own.
    if not fits or not colons or table.translate(None, _ALLOWED) or b" " in b"".join(rows):
        raise LayoutError("not rows of a suffix and a count")


def _codes(table: bytes, rows: Sequence[bytes]) -> tuple[bytearray, list[int]]:
    """Return the count code of each row as a hexadecimal digit, and the counts kept apart."""
    codes = bytearray(table[SUFFIX_LENGTH + 1 :: _WIDTH])
    if codes.translate(None, b"123456789"):
        raise LayoutError("a count that is missing, zero or no number")
    longer = [match.start() for match in _SECOND_DIGIT.finditer(table[SUFFIX_LENGTH + 2 :: _WIDTH])]
    try:
        counts = [int(rows[row][SUFFIX_LENGTH + 1 :]) for row in longer]
    except ValueError:
        raise LayoutError("a count that is no number") from None
    if max(counts, default=0) > MAX_COUNT:
        raise LayoutError("a count that is out of range")
    for row, count in zip(longer, counts, strict=True):
        codes[row] = _DIGITS[min(_ESCAPED, count)]
    return codes, [count for count in counts if count >= _ESCAPED]
