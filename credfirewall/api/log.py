"""What the API tells the audit log. The log stands above the API, so it registers itself here."""

from collections.abc import Sequence
from typing import Any, Protocol

from credfirewall.api.models import ApiKey


class Log(Protocol):
    """Records in the caller's transaction. Raises AuditUnavailable where it has to and cannot."""

    def limit_hit(self, rate: str, caller: Any, request: Any) -> None:
        """``caller`` used up a rate: an ApiKey, a user, or None where nobody is known yet."""

    def access_denied(self, endpoint: str, request: Any) -> None:
        """Who makes ``request`` lacks the permission for ``endpoint``. Raises nothing."""

    def key_created(self, key: ApiKey, scopes: Sequence[str], actor: Any) -> None:
        """A key was made. Without an ``actor`` it is who acts now, here and below."""

    def key_rotated(self, key: ApiKey, overlap: int, actor: Any) -> None:
        """A key got a new secret; the former one is valid for ``overlap`` seconds more."""

    def key_revoked(self, key: ApiKey, actor: Any) -> None:
        """A key was taken back."""


_registered: list[Log] = []


def connect(log: Log) -> None:
    """Have ``log`` told from now on, and no other."""
    _registered[:] = [log]


def log() -> Log:
    """Return the log. Raises LookupError before the apps are ready: nothing goes unrecorded."""
    if not _registered:
        raise LookupError("no audit log is connected")
    return _registered[0]
