"""Names as people type them at a sign-in, where some type their password instead."""

import hashlib
import hmac
from datetime import UTC, datetime
from typing import Any

from django.contrib.auth import get_user_model
from django.core.exceptions import ObjectDoesNotExist
from django.db import Error
from django.views.decorators.debug import sensitive_variables

from credfirewall.audit.events import Party
from credfirewall.audit.keys import ring


@sensitive_variables()
def typed(name: str, *, at: datetime | None = None) -> Party:
    """Return the party to record for a ``name`` that was typed at a failed sign-in.

    The account of that name, if there is one. Else nothing of what was typed is kept but a MAC of
    it: so that the same typed again is seen to be the same, until the end of the month (``at``).
    """
    return _account(name) or Party("typed", _hashed(name, at or datetime.now(UTC)))


@sensitive_variables()
def _account(name: str) -> Party | None:
    model: Any = get_user_model()
    try:
        return Party.of(model._default_manager.get_by_natural_key(model.normalize_username(name)))
    except (ObjectDoesNotExist, model.MultipleObjectsReturned):
        return None
    except (ValueError, Error):  # what the database does not take for text, or no database
        return None


@sensitive_variables()
def _hashed(name: str, at: datetime) -> str:
    message = f"{at:%Y-%m} {name}".encode(errors="surrogatepass")
    return "h:" + hmac.digest(ring().first.name, message, hashlib.sha256)[:12].hex()
