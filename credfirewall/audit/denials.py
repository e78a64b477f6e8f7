"""Who was refused something for want of a permission: on record (ASVS 16.3.2), and no flood."""

import hashlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import wraps
from typing import Any

from django.core.cache import caches
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponseBase
from django.urls import URLPattern

from credfirewall.audit.events import AccessDenied, Code, Party
from credfirewall.audit.origin import Origin
from credfirewall.audit.services import record
from credfirewall.conf import conf
from credfirewall.exceptions import AuditUnavailable

METHODS = ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE")
EVERY = 60
"""Seconds in which somebody's denials at one endpoint are one event."""


class AskedElsewhere(PermissionDenied):
    """A page of another site asked: it must not write events in the name of who looks at it."""


def note(endpoint: str, request: Any) -> None:
    """Record that whoever makes ``request`` was refused ``endpoint``; of strangers nothing.

    ``endpoint`` is a name from source code. The refusal stands whether this can be recorded or
    not, so nothing is raised.
    """
    who = Origin.of_request(request).actor()
    if who.type in ("", "anonymous") or not _is_first(who, endpoint):
        return
    method = Code(request.method if request.method in METHODS else "other")
    with suppress(AuditUnavailable):  # which has told the log handler
        record(AccessDenied(endpoint=Code(endpoint), method=method), request=request)


def _is_first(who: Party, endpoint: str) -> bool:
    """Whether nothing like it was recorded just now. A cache that is down knows of nothing."""
    text = f"{who.type} {who.id} {endpoint}"
    key = f"credfirewall:denied:{hashlib.sha256(text.encode()).hexdigest()}"
    try:
        cache = caches[conf.CACHE]
        return bool(cache.add(key, 1, EVERY)) or not cache.has_key(key)
    except Exception:  # noqa: BLE001 - whatever a backend raises
        return True


def watched(patterns: Sequence[URLPattern]) -> list[URLPattern]:
    """Have the admin's own pages note who is refused, each under the name of its pattern."""
    for pattern in patterns:
        if pattern.name:
            pattern.callback = _watched(pattern.callback, pattern.name)
    return list(patterns)


def _watched(view: Callable[..., HttpResponseBase], name: str) -> Callable[..., HttpResponseBase]:
    @wraps(view)
    def watching(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        try:
            return view(request, *args, **kwargs)
        except AskedElsewhere:
            raise
        except PermissionDenied:
            note(name, request)
            raise

    return watching
