"""The Content-Security-Policy header for Django 5.2, which has no middleware for it."""

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse

HEADER = "Content-Security-Policy"


class ContentSecurityPolicyMiddleware:
    """Send SECURE_CSP, the setting of Django 6, unless a view set a policy of its own."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        policy = "; ".join(
            " ".join([name, *values]) for name, values in settings.SECURE_CSP.items()
        )
        response.headers.setdefault(HEADER, policy)
        return response
