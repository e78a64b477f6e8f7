"""The page with all metrics, for Prometheus and for staff: see docs/metrics.md."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.contrib.auth.models import AnonymousUser
from django.utils.crypto import constant_time_compare
from rest_framework.authentication import BaseAuthentication
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from credfirewall import metrics
from credfirewall.api.operations import Operation
from credfirewall.api.permissions import Allowed
from credfirewall.api.problems import METRICS_NOT_INSTALLED, Refusal
from credfirewall.api.views import ApiView
from credfirewall.conf import conf

SCRAPER = "scraper"
"""What ``request.auth`` is for who has the token."""


class ScraperAuthentication(BaseAuthentication):
    """The token in METRICS_TOKEN. It is nobody's, and opens this page alone."""

    def authenticate(self, request: Request) -> tuple[AnonymousUser, str] | None:
        scheme, _, given = request.META.get("HTTP_AUTHORIZATION", "").strip().partition(" ")
        token = conf.METRICS_TOKEN
        if scheme.lower() != "bearer" or not token or not constant_time_compare(given, token):
            return None
        return AnonymousUser(), SCRAPER

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="credfirewall metrics"'


class MayScrape(Allowed):
    """Lets the scraper in, and else who has the view's permission."""

    def has_permission(self, request: Request, view: Any) -> bool:
        return request.auth == SCRAPER or super().has_permission(request, view)


class TextRenderer(BaseRenderer):
    """Text that is encoded already."""

    media_type = "text/plain"
    format = "text"
    charset = None

    def render(
        self,
        data: Any,
        accepted_media_type: str | None = None,
        renderer_context: Mapping[str, Any] | None = None,
    ) -> Any:
        return data


class OpenMetricsRenderer(TextRenderer):
    media_type = "application/openmetrics-text"
    format = "openmetrics"


class MetricsView(ApiView):
    endpoint = "metrics"
    scope = "metrics"
    key_scope = "metrics:read"
    permission = "credfirewall.view_auditevent"
    staff_only = True
    plain_http = True  # as a scraper asks on the inside, where HTTPS has ended
    permission_classes = [MayScrape]
    renderer_classes = [TextRenderer, OpenMetricsRenderer]
    operations: ClassVar[Mapping[str, Operation]] = {
        "get": Operation(
            {"type": "string"},
            "All metrics of credfirewall, as Prometheus reads them.",
            problems=(METRICS_NOT_INSTALLED,),
        )
    }

    def get_authenticators(self) -> list[BaseAuthentication]:
        others = super().get_authenticators()
        return [ScraperAuthentication(), *others] if conf.METRICS_TOKEN else others

    def get(self, request: Request) -> Response:
        """Show all metrics.

        A scraper sends the token that the site has set for it.
        """
        if not metrics.ENABLED:
            raise Refusal(METRICS_NOT_INSTALLED)
        body, content_type = metrics.exposition(request.META.get("HTTP_ACCEPT", ""))
        return Response(body, content_type=content_type)
