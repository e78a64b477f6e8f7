"""The sealers' public keys: who steals AUDIT_KEY, from a web process say, still cannot sign.

AUDIT_PUBLIC_KEY is one key, or several with the position of the chain from which each signs, so
that a key can be introduced to a log that is there, and changed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from credfirewall.conf import conf


@dataclass(frozen=True, slots=True)
class Signers:
    """Each key with the first position that it signs, in order. Empty: nothing is signed."""

    keys: Sequence[tuple[int, Ed25519PublicKey]] = ()

    @classmethod
    def of(cls, value: Any) -> "Signers":
        """Read a value of AUDIT_PUBLIC_KEY. Raises ValueError, which names what is wrong."""
        if value is None:
            return cls()
        # Position 0 says which log it is. It is made by `migrate`, which has no key to sign with.
        listed = [{"from": 1, "key": value}] if isinstance(value, str) else list(value)
        if not listed:
            raise ValueError("AUDIT_PUBLIC_KEY is an empty list: leave it out to sign nothing")
        keys = [_entry(number, each) for number, each in enumerate(listed, start=1)]
        for (before, _), (after, _) in pairwise(keys):
            if after <= before:
                raise ValueError('AUDIT_PUBLIC_KEY is not in the order of its positions ("from")')
        return cls(tuple(keys))

    def at(self, position: int) -> Ed25519PublicKey | None:
        """Return the key that signs the seal at ``position``; None before the first."""
        return next((key for since, key in reversed(self.keys) if since <= position), None)

    def is_signed(self, position: int, message: bytes, signature: str) -> bool:
        """Whether ``signature`` is that of the key of ``position``, if there is one."""
        key = self.at(position)
        return key is None or _is_signed(key, message, signature)


def signers() -> Signers:
    """Return the keys of AUDIT_PUBLIC_KEY. Raises ValueError."""
    return Signers.of(conf.AUDIT_PUBLIC_KEY)


def _entry(number: int, entry: Any) -> tuple[int, Ed25519PublicKey]:
    if not isinstance(entry, dict) or entry.keys() != {"from", "key"}:
        raise ValueError(f'Key {number} of AUDIT_PUBLIC_KEY is not {{"from": …, "key": …}}')
    since = entry["from"]
    if type(since) is not int or since < 1:
        raise ValueError(f'"from" of key {number} of AUDIT_PUBLIC_KEY is not a position from 1 on')
    try:
        key = load_pem_public_key(str(entry["key"]).encode())
    except Exception:  # noqa: BLE001 - whatever it raises, it is no key
        key = None
    if not isinstance(key, Ed25519PublicKey):
        raise ValueError(f"Key {number} of AUDIT_PUBLIC_KEY is no Ed25519 public key in PEM")
    return since, key


def _is_signed(key: Ed25519PublicKey, message: bytes, signature: str) -> bool:
    try:
        key.verify(bytes.fromhex(signature), message)
    except (InvalidSignature, ValueError, TypeError):
        return False
    return True
