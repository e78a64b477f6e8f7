"""Who is calling: somebody with a session of the site."""

from typing import Any

from rest_framework import authentication, exceptions
from rest_framework.request import Request

from credfirewall.api.problems import CROSS_SITE, CSRF_FAILED, Refusal

FOREIGN = {"cross-site", "same-site"}


class SessionAuthentication(authentication.SessionAuthentication):
    """The session of Django's auth, with CSRF enforced (ASVS 3.5.1).

    Its challenge names a scheme that no browser knows: a 401 has to have one (RFC 9110), and must
    not make a browser ask for a password.
    """

    def authenticate(self, request: Request) -> tuple[Any, None] | None:
        found: tuple[Any, None] | None = super().authenticate(request)
        if found is None:
            return None
        view: Any = (request.parser_context or {}).get("view")
        # An image on a foreign page must not write events in the name of who looks at it. Browsers
        # that are too old for the header send a Lax cookie with such an image no more than others.
        site = request.META.get("HTTP_SEC_FETCH_SITE", "")
        if getattr(view, "own_pages_only", False) and site in FOREIGN:
            raise Refusal(CROSS_SITE)
        return found

    def authenticate_header(self, request: Request) -> str:
        return 'Session realm="credfirewall"'

    def enforce_csrf(self, request: Any) -> None:
        try:
            super().enforce_csrf(request)
        except exceptions.PermissionDenied as error:
            raise Refusal(CSRF_FAILED) from error
