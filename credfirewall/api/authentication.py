"""Who is calling: somebody with an API key, or with a session of the site."""

from typing import Any

from django.views.decorators.debug import sensitive_variables
from rest_framework import authentication, exceptions
from rest_framework.request import Request

from credfirewall.api.keys import find
from credfirewall.api.models import ApiKey
from credfirewall.api.problems import CSRF_FAILED, Refusal


def token(request: Any) -> str | None:
    """Return what follows Bearer in the Authorization header, or None where that is not there."""
    scheme, *rest = request.META.get("HTTP_AUTHORIZATION", "").split(None, 1) or [""]
    return "".join(rest).strip() if scheme.lower() == "bearer" else None


class KeyAuthentication(authentication.BaseAuthentication):
    """An API key, as ``Authorization: Bearer``. Who sends one that is wrong is not let in at all.

    The user of the request is the owner of the key, and the key its ``auth``.
    """

    @sensitive_variables()
    def authenticate(self, request: Request) -> tuple[Any, ApiKey] | None:
        text = token(request)
        if text is None:
            return None
        key = find(text)
        if key is None:
            raise exceptions.AuthenticationFailed
        return key.owner, key

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="credfirewall"'


class SessionAuthentication(authentication.SessionAuthentication):
    """The session of Django's auth, with CSRF enforced (ASVS 3.5.1).

    Its challenge names a scheme that no browser knows: a 401 has to have one (RFC 9110), and must
    not make a browser ask for a password.
    """

    def authenticate(self, request: Request) -> tuple[Any, None] | None:
        # Who sends a token means that one: a wrong one is not made good by a session beside it.
        return None if token(request) is not None else super().authenticate(request)

    def authenticate_header(self, request: Request) -> str:
        return 'Session realm="credfirewall"'

    def enforce_csrf(self, request: Any) -> None:
        try:
            super().enforce_csrf(request)
        except exceptions.PermissionDenied as error:
            raise Refusal(CSRF_FAILED) from error
