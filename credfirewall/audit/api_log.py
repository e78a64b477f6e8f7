"""The log's side of the API: what that tells, as events."""

from collections.abc import Sequence
from typing import Any

from django.utils.translation import gettext_lazy as _

from credfirewall.api import log, scopes
from credfirewall.api.models import ApiKey
from credfirewall.audit import denials
from credfirewall.audit.events import (
    NOBODY,
    ApiKeyCreated,
    ApiKeyRevoked,
    ApiKeyRotated,
    Code,
    LimitHit,
)
from credfirewall.audit.origin import party_of_key
from credfirewall.audit.services import record


class ApiLog:
    """See ``credfirewall.api.log.Log``."""

    def limit_hit(self, rate: str, caller: Any, request: Any) -> None:
        if isinstance(caller, ApiKey):
            caller = party_of_key(caller)
        # Not the user of the request: to ask for that is what has been limited.
        actor = NOBODY if caller is None else caller
        record(LimitHit(rate=Code(rate)), actor=actor, request=request)

    def access_denied(self, endpoint: str, request: Any) -> None:
        denials.note(endpoint, request)

    def key_created(self, key: ApiKey, scopes: Sequence[str], actor: Any) -> None:
        names = tuple(map(Code, scopes))
        life = None
        if key.expires_at is not None:
            life = int((key.expires_at - key.created_at).total_seconds())
        event = ApiKeyCreated(owner=Code.of(key.owner_id), scopes=names, seconds=life)
        record(event, actor=actor, subject=party_of_key(key))

    def key_rotated(self, key: ApiKey, overlap: int, actor: Any) -> None:
        record(ApiKeyRotated(overlap=overlap), actor=actor, subject=party_of_key(key))

    def key_revoked(self, key: ApiKey, actor: Any) -> None:
        record(ApiKeyRevoked(), actor=actor, subject=party_of_key(key))


def connect() -> None:
    """Have the API tell this log, and its keys be able to read it."""
    log.connect(ApiLog())
    scopes.register("audit:read", _("Read the audit log"))
