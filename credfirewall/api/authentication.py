"""Who is calling: somebody with a session of the site."""

from typing import Any

from rest_framework import authentication, exceptions
from rest_framework.request import Request

from credfirewall.api.problems import CSRF_FAILED, Refusal


class SessionAuthentication(authentication.SessionAuthentication):
    """The session of Django's auth, with CSRF enforced (ASVS 3.5.1).

    Its challenge names a scheme that no browser knows: a 401 has to have one (RFC 9110), and must
    not make a browser ask for a password.
    """

    def authenticate(self, request: Request) -> tuple[Any, None] | None:
        # Who sends a token means that one: a wrong one is not made good by a session beside it.
        scheme = request.META.get("HTTP_AUTHORIZATION", "").strip().partition(" ")[0]
        return None if scheme.lower() == "bearer" else super().authenticate(request)

    def authenticate_header(self, request: Request) -> str:
        return 'Session realm="credfirewall"'

    def enforce_csrf(self, request: Any) -> None:
        try:
            super().enforce_csrf(request)
        except exceptions.PermissionDenied as error:
            raise Refusal(CSRF_FAILED) from error
