"""The ring of AUDIT_KEY: the first key signs, all verify, each has a subkey for each purpose."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from django.conf import settings

from credfirewall.conf import conf
from credfirewall.keys import derive


@dataclass(frozen=True, slots=True, repr=False)
class AuditKey:
    """One key of the ring. Its id says nothing of it."""

    id: str
    row: bytes
    seal: bytes
    stub: bytes
    address: bytes
    name: bytes

    @classmethod
    def of(cls, secret: str) -> "AuditKey":
        return cls(
            derive(secret, "audit/id/v1")[:6].hex(),
            *(
                derive(secret, f"audit/{purpose}/v1")
                for purpose in ("row", "seal", "stub", "address", "name")
            ),
        )


@dataclass(frozen=True, slots=True, repr=False)
class Ring:
    """``first`` signs, ``by_id`` verifies."""

    first: AuditKey
    by_id: Mapping[str, AuditKey]


def ring() -> Ring:
    """Return the keys of AUDIT_KEY; without it, keys derived from SECRET_KEY and its fallbacks.

    An empty text, which is what a variable of the environment is that was not set, is no key: one
    that is derived from it would be known to everybody.
    """
    configured = conf.AUDIT_KEY
    listed = [configured] if isinstance(configured, str) else configured or ()
    keys = tuple(filter(None, listed))
    return _ring(keys or (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS))


@lru_cache(maxsize=8)
def _ring(secrets: tuple[str, ...]) -> Ring:
    keys = [AuditKey.of(secret) for secret in secrets]
    return Ring(keys[0], {key.id: key for key in keys})
