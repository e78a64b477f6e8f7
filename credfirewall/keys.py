"""Keys for one purpose each, derived from a configured secret."""

from functools import lru_cache

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF


@lru_cache(maxsize=32)
def derive(secret: str | bytes, purpose: str) -> bytes:
    """Return 32 bytes for ``purpose`` alone (HKDF-SHA-256, RFC 5869)."""
    material = secret.encode() if isinstance(secret, str) else secret
    info = f"credfirewall/{purpose}".encode()
    return HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=info).derive(material)
