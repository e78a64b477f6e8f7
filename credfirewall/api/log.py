"""What the API tells the audit log. The log stands above the API, so it registers itself here."""

from typing import Any, Protocol


class Log(Protocol):
    """What the API says, and somebody keeps."""

    def access_denied(self, endpoint: str, request: Any) -> None:
        """Who makes ``request`` lacks the permission for ``endpoint``. Raises nothing."""


_registered: list[Log] = []


def connect(log: Log) -> None:
    """Have ``log`` told from now on, and no other."""
    _registered[:] = [log]


def log() -> Log:
    """Return the log. Raises LookupError before the apps are ready: nothing goes unrecorded."""
    if not _registered:
        raise LookupError("no audit log is connected")
    return _registered[0]
