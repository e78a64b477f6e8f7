"""The log's side of the API: what that tells, as events."""

from typing import Any

from credfirewall.api import log
from credfirewall.audit import denials


class ApiLog:
    """See ``credfirewall.api.log.Log``."""

    def access_denied(self, endpoint: str, request: Any) -> None:
        denials.note(endpoint, request)


def connect() -> None:
    """Have the API tell this log."""
    log.connect(ApiLog())
