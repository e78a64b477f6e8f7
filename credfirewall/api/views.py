"""The base of every endpoint, and the endpoints that belong to no feature."""

from collections.abc import Callable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any, ClassVar

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, Error, connections
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.module_loading import import_string
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed, MethodNotAllowed
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from credfirewall.addresses import is_local
from credfirewall.api import problems
from credfirewall.api.authentication import KeyAuthentication, SessionAuthentication
from credfirewall.api.limits import Limits
from credfirewall.api.log import log
from credfirewall.api.models import ApiKey
from credfirewall.api.negotiation import JSONRenderer, Negotiation
from credfirewall.api.operations import Operation
from credfirewall.api.parsers import JSONParser, check_body
from credfirewall.api.permissions import Allowed
from credfirewall.api.problems import (
    CROSS_SITE,
    HTTPS_REQUIRED,
    PERMISSION_DENIED,
    SCOPE_MISSING,
    UNAVAILABLE,
    Refusal,
)
from credfirewall.api.schema import Schema
from credfirewall.conf import conf

HEADERS = {
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}
"""On every answer, errors too."""

DENIALS = (PERMISSION_DENIED, SCOPE_MISSING)
"""What somebody meets who is known, and may not."""

OWN = (None, "same-origin", "none")
"""What Sec-Fetch-Site says of the site's own pages, and of what a person typed or bookmarked; old
browsers and programs say nothing."""
BY_ITSELF = ("", "basic", "digest", "negotiate", "ntlm")
"""Schemes of an Authorization header that a browser repeats for whatever page asks."""

Overrides = Sequence[str] | Mapping[str, Sequence[str]] | None


class ApiView(APIView):
    """States all that a host's REST_FRAMEWORK could change otherwise.

    A view names its ``endpoint`` (the key in API_AUTHENTICATION and API_PERMISSIONS) and who may
    call it: anybody (``public``), who has ``permission`` (``staff_only``: and is staff), or, with
    none of these, who is signed in. ``own_pages_only`` is for a GET that writes.

    ``scope`` is the rate in RATES that limits it. ``key_scope`` is what an API key needs besides;
    no key opens what names none, unless it is public.
    """

    endpoint: ClassVar[str]
    scope: ClassVar[str]
    key_scope: ClassVar[str] = ""
    operations: ClassVar[Mapping[str, Operation]] = {}
    public: ClassVar[bool] = False
    permission: ClassVar[str] = ""
    staff_only: ClassVar[bool] = False
    own_pages_only: ClassVar[bool] = False
    plain_http: ClassVar[bool] = False

    authentication_classes = [KeyAuthentication, SessionAuthentication]
    permission_classes = [Allowed]
    parser_classes = [JSONParser]
    renderer_classes = [JSONRenderer]
    content_negotiation_class = Negotiation
    throttle_classes = []
    metadata_class = None
    versioning_class = None
    schema = Schema()
    # Nothing of the host's is read through this.
    settings = SimpleNamespace(  # type: ignore[assignment]  # what is read of it
        EXCEPTION_HANDLER=problems.respond,
        FORMAT_SUFFIX_KWARG=None,
        VIEW_NAME_FUNCTION=lambda view: view.endpoint,
        VIEW_DESCRIPTION_FUNCTION=lambda _view, _html=False: "",
    )

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        # Django's cache for a whole site heeds "private", and not "no-store".
        request._cache_update_cache = False  # type: ignore[attr-defined]  # not in the stubs
        response: HttpResponseBase
        limits: Limits | None = None
        try:
            self.limits = limits = Limits(self.scope, request)
            response = super().dispatch(request, *args, **kwargs)
            if isinstance(response, Response):
                response.render()  # here, where an error is answered by a problem
        except Exception as error:  # noqa: BLE001 - the last resort (ASVS 16.5.4)
            response = problems.respond(error)
        for name, value in {**HEADERS, **(limits.headers() if limits else {})}.items():
            response[name] = value
        return response

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        if not self.plain_http and needs_https() and not is_protected(request):
            raise Refusal(HTTPS_REQUIRED)
        if request.method not in self.allowed_methods:
            raise MethodNotAllowed(str(request.method))
        # Ahead of the limits: a foreign page must not use them up, nor have that recorded.
        if self.own_pages_only and is_foreign(request):
            raise Refusal(CROSS_SITE)
        self.limits.of_address()
        super().initial(request, *args, **kwargs)
        if request.method not in SAFE_METHODS:
            check_body(request)

    def perform_authentication(self, request: Request) -> None:
        credentials = request.META.get("HTTP_AUTHORIZATION")
        if credentials is not None:
            with self.limits.trying(credentials):
                super().perform_authentication(request)
        else:
            self._authenticate_otherwise(request)
        self.limits.of_caller(request.user, request.auth)

    def _authenticate_otherwise(self, request: Request) -> None:
        try:
            super().perform_authentication(request)
        except AuthenticationFailed:
            self.limits.after_failure()
            raise

    def check_permissions(self, request: Request) -> None:
        # Not a permission class: a host that replaces those must not give every key every scope.
        key = request.auth
        if isinstance(key, ApiKey) and not (self.public or key.may(self.key_scope)):
            raise Refusal(SCOPE_MISSING)
        super().check_permissions(request)

    def handle_exception(self, exc: Exception) -> Any:
        if problems.of(exc) in DENIALS:  # ahead of the answer, which gives up a transaction
            log().access_denied(self.endpoint, self.request)
        response = problems.respond(exc)
        if response.status_code == 401:
            headers = [each.authenticate_header(self.request) for each in self.get_authenticators()]
            if challenges := ", ".join(filter(None, headers)):
                response["WWW-Authenticate"] = challenges
        elif response.status_code == 405:
            response["Allow"] = ", ".join(self.allowed_methods)
        return response

    def options(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Name the methods, to who may use them."""
        return HttpResponse(status=204, headers={"Allow": ", ".join(self.allowed_methods)})

    @property
    def default_response_headers(self) -> dict[str, str]:
        return {"Vary": "Accept"} if len(self.renderer_classes) > 1 else {}

    def get_authenticators(self) -> list[BaseAuthentication]:
        classes = chosen(conf.API_AUTHENTICATION, self.endpoint) or self.authentication_classes
        return [each() for each in classes]

    def get_permissions(self) -> list[Any]:
        classes = chosen(conf.API_PERMISSIONS, self.endpoint) or self.permission_classes
        return [each() for each in classes]


def chosen(overrides: Overrides, endpoint: str) -> list[Callable[[], Any]]:
    """Return the host's classes for ``endpoint``. An empty list is none: it opens no door."""
    if isinstance(overrides, Mapping):
        overrides = overrides.get(endpoint)
    return [import_string(path) for path in overrides or ()]


def needs_https() -> bool:
    """Whether plain HTTP is refused: REQUIRE_HTTPS, and outside DEBUG where it says nothing."""
    required = conf.REQUIRE_HTTPS
    return not settings.DEBUG if required is None else required


def is_protected(request: Any) -> bool:
    """Whether nobody on the way reads ``request``: it came by HTTPS, or never left the machine."""
    return bool(request.is_secure()) or is_local(request.META)


def is_foreign(request: Any) -> bool:
    """Whether a page of another site asks, with what the browser adds by itself.

    An image on a foreign page must not write events in the name of who looks at it, however the
    site's users are known. Browsers that are too old for the header send a Lax cookie with such an
    image no more than others. A scheme such as Bearer was added by somebody's own code.
    """
    if request.META.get("HTTP_SEC_FETCH_SITE") in OWN:
        return False
    scheme = request.META.get("HTTP_AUTHORIZATION", "").strip().partition(" ")[0]
    return bool(request.COOKIES) or scheme.lower() in BY_ITSELF


class HealthView(ApiView):
    """For a load balancer: asks nobody who they are, and tells nothing else."""

    endpoint = "healthz"
    scope = "health"
    public = True
    plain_http = True
    operations: ClassVar[Mapping[str, Operation]] = {
        "get": Operation(
            {
                "type": "object",
                "properties": {"status": {"type": "string", "enum": ["ok"]}},
                "required": ["status"],
            },
            "The site is up, and its database answers.",
            example={"status": "ok"},
            problems=(UNAVAILABLE,),
        )
    }

    def get_authenticators(self) -> list[BaseAuthentication]:
        return []

    def get_permissions(self) -> list[Any]:
        return []

    def get(self, _request: Request) -> Response:
        """Say whether the site can work."""
        if not (_database_answers() or _database_answers()):
            raise Refusal(UNAVAILABLE)
        return Response({"status": "ok"})


def _database_answers() -> bool:
    """Ask the database for nothing. A connection that it has closed meanwhile is given up."""
    connection = connections[DEFAULT_DB_ALIAS]
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except Error:
        if not connection.in_atomic_block:
            connection.close()
        return False
    return True
