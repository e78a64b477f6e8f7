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
from itertools import repeat
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
_WIDTH = SUFFIX_LENGTH + 4
"""A row on its way to be packed: a suffix, a colon, one digit, CRLF."""
_SIGNS = ((0, b":"), (2, b"\r"), (3, b"\n"))
_DIGITS = b"0123456789ABCDEFf"
_CODES = b"0123456789abcdef"
_LONG_COUNT = re.compile(rb":([0-9]{2,10})")
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
    """Pack rows ``SUFFIX:COUNT``, sorted by suffix. Raises LayoutError."""
    return pack_text(b"\r\n".join(rows))


def pack_text(text: bytes) -> PackedRange:
    """Pack rows ``SUFFIX:COUNT`` as the range API sends them: sorted, with CRLF between them.

    Works on whole columns, and makes no object of a row: a range has some 2,000, and to loop over
    them in Python costs more than the request that fetched them. For columns to be slices, a
    count of several digits is first replaced by the code for "kept apart". Raises LayoutError on
    anything that is not such a row.
    """
    parts = _LONG_COUNT.split(text + b"\r\n")
    table = b":f".join(parts[::2])
    n, rest = divmod(len(table), _WIDTH)
    if rest or not 0 < n <= MAX_RECORDS:
        raise LayoutError("not 1 to 65,535 rows of a suffix and a count")
    _check(table, n)
    codes, counts = _codes(table, list(map(int, parts[1::2])))
    records = bytearray(2 * RECORD_BYTES * n)
    for column in range(9):
        records[column :: 2 * RECORD_BYTES] = table[2 + column :: _WIDTH]
    records[9 :: 2 * RECORD_BYTES] = codes
    packed = binascii.unhexlify(records)
    narrow = bytes([min(_WIDE, count) for count in counts])
    wide = [count for count in counts if count >= _WIDE]
    ends = _TABLE.pack(*_ends(table, packed, n))
    return PackedRange(n, ends + packed + narrow + struct.pack(f"<{len(wide)}I", *wide))


def _check(table: bytes, n: int) -> None:
    """Raise LayoutError unless each row is 35 digits (upper-case), a colon and a code."""
    suffixes = all(table[SUFFIX_LENGTH + at :: _WIDTH] == sign * n for at, sign in _SIGNS)
    # These are all the signs there are, so that nothing but digits is elsewhere; and no "f" of
    # ours is among them.
    if not suffixes or table.translate(None, _DIGITS) != b":\r\n" * n:
        raise LayoutError("not rows of a suffix and a count")


def _codes(table: bytes, counts: list[int]) -> tuple[bytearray, list[int]]:
    """Return each row's count code as a digit, and those of the long ``counts`` kept apart."""
    codes = bytearray(table[SUFFIX_LENGTH + 1 :: _WIDTH])
    if codes.translate(None, b"123456789f") or codes.count(b"f") != len(counts):
        raise LayoutError("a count that is missing, zero or no number")
    if not all(9 < count <= MAX_COUNT for count in counts):
        raise LayoutError("a count that is out of range")
    at = -1
    for count in counts:
        at = codes.index(b"f", at + 1)
        codes[at] = _CODES[min(_ESCAPED, count)]
    return codes, [count for count in counts if count >= _ESCAPED]


def _ends(table: bytes, packed: bytes, n: int) -> list[int]:
    """Return the cumulative ends of the buckets. Raises LayoutError when rows are out of order."""
    heads = bytearray(2 * n)
    heads[0::2], heads[1::2] = table[0::_WIDTH], table[1::_WIDTH]
    buckets = binascii.unhexlify(heads)
    # Each row's first five bytes as one field of a long number, with room above it: where the
    # next row is at least as large, the subtraction borrows nothing from that room.
    fields = bytearray(6 * n)
    fields[1::6] = buckets
    for column in range(4):
        fields[2 + column :: 6] = packed[column::RECORD_BYTES]
    following = fields[6:]
    following[0::6] = b"\1" * (n - 1)
    room = int.from_bytes(following) - int.from_bytes(fields[:-6])
    if room.to_bytes(6 * n)[6::6] != b"\1" * (n - 1):
        raise LayoutError("rows out of order")
    return list(map(bisect_right, repeat(buckets), range(_BUCKETS - 1)))
