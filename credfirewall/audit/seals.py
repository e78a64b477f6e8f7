"""The cryptography of the log: MACs of rows, Merkle trees of batches, a chain of seals. Pure.

Everything that is authenticated is canonical text: the length of each field in front, so that
nothing can be moved from one field to the next, under a domain of its own, so that a proof of
one thing is no proof of another (RFC 6962 2.1 separates leaves from nodes likewise).
"""

import hashlib
import hmac
import struct
from collections.abc import Sequence
from functools import lru_cache

LEAF, NODE = b"\x00", b"\x01"
_HEADS = [struct.Struct(f">{number + 1}I") for number in range(33)]
"""How the number and the lengths of so many fields are written."""
EMPTY_ROOT = hashlib.sha256(b"").hexdigest()


def canonical(domain: str, *fields: str) -> bytes:
    """Return the one encoding of ``fields``: their number and lengths, then their UTF-8."""
    number = len(fields) + 1
    text = domain + "".join(fields)
    encoded = text.encode()
    if len(encoded) == len(text):  # ASCII, in which a character is a byte
        return _HEADS[number].pack(number, len(domain), *map(len, fields)) + encoded
    lengths = (len(field.encode()) for field in (domain, *fields))
    return _HEADS[number].pack(number, *lengths) + encoded


def mac(key: bytes, message: bytes) -> str:
    """Return HMAC-SHA-256 in hexadecimal."""
    keyed = _keyed(key).copy()
    keyed.update(message)
    return keyed.hexdigest()


@lru_cache(maxsize=64)
def _keyed(key: bytes) -> hmac.HMAC:
    """Return what each MAC under ``key`` begins with: half of what a short one costs."""
    return hmac.new(key, digestmod="sha256")


def is_mac(key: bytes, message: bytes, given: str) -> bool:
    """Whether ``given`` is the MAC of ``message``, compared in constant time."""
    return hmac.compare_digest(mac(key, message).encode(), given.encode())


def commitment(salt: str, type_: str, id_: str, text: str) -> str:
    """Return what stands in a row for personal text. Without the salt it says nothing of it."""
    message = canonical("credfirewall/audit/party/v1", salt, type_, id_, text)
    return hashlib.sha256(message).hexdigest()


def leaf(event_id: str, row_mac: str) -> bytes:
    """Return the leaf of a row."""
    return hashlib.sha256(LEAF + event_id.encode() + b"\n" + row_mac.encode()).digest()


def root(leaves: Sequence[bytes]) -> str:
    """Return the root of the Merkle tree over ``leaves``; an odd node moves up as it is."""
    if not leaves:
        return EMPTY_ROOT
    level = list(leaves)
    sha256 = hashlib.sha256
    while len(level) > 1:
        paired = [
            sha256(NODE + one + two).digest()
            for one, two in zip(level[::2], level[1::2], strict=False)
        ]
        level = paired + level[len(paired) * 2 :]
    return level[0].hex()


def head(log: str, position: int, previous: str, root_: str, count: int, at: int, key: str) -> str:
    """Return the head of the chain at ``position``, which covers all before it.

    ``at`` is when it was sealed, in microseconds UTC; ``key`` is the id of the key that seals.
    """
    fields = (log, str(position), previous, root_, str(count), str(at), key)
    return hashlib.sha256(canonical("credfirewall/audit/head/v1", *fields)).hexdigest()


def membership(log: str, seal: int, index: int, event_id: str, row_mac: str) -> bytes:
    """Return what the MAC of a row's place in a batch covers."""
    fields = (log, str(seal), str(index), event_id, row_mac)
    return canonical("credfirewall/audit/member/v1", *fields)


def stub(log: str, seal: int, head_: str, count: int, at: int, retention: int) -> bytes:
    """Return what the MAC and the signature of a purged batch's stub cover.

    ``at`` is when it was purged, in microseconds UTC; ``retention`` was in force then, in days.
    """
    fields = (log, str(seal), head_, str(count), str(at), str(retention))
    return canonical("credfirewall/audit/stub/v1", *fields)


def verification(log: str, seal: int, head_: str, at: int, findings: int) -> bytes:
    """Return what the MAC of a verification's record covers."""
    fields = (log, str(seal), head_, str(at), str(findings))
    return canonical("credfirewall/audit/verified/v1", *fields)
