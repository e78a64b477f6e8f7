"""The endpoints, as a host includes them, and probes of what they have in common."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.contrib import admin
from django.contrib.auth.models import Group
from django.core.exceptions import BadRequest, PermissionDenied, SuspiciousOperation
from django.http import Http404
from django.urls import include, path
from rest_framework import exceptions
from rest_framework.request import Request
from rest_framework.response import Response

from credfirewall.api.views import ApiView
from credfirewall.exceptions import AuditUnavailable, CredfirewallError, PasswordTooLong

SECRET = "hunter2-and-a-traceback"


class Strange(exceptions.APIException):
    status_code = 409


ERRORS: Mapping[str, Exception] = {
    "parse": exceptions.ParseError(SECRET),
    "authentication": exceptions.AuthenticationFailed(SECRET),
    "drf-denied": exceptions.PermissionDenied(SECRET),
    "drf-missing": exceptions.NotFound(SECRET),
    "throttled": exceptions.Throttled(wait=1.2, detail=SECRET),
    "strange": Strange(SECRET),
    "denied": PermissionDenied(SECRET),
    "missing": Http404(SECRET),
    "suspicious": SuspiciousOperation(SECRET),
    "bad": BadRequest(SECRET),
    "long": PasswordTooLong(SECRET),
    "audit": AuditUnavailable(SECRET),
    "ours": CredfirewallError(SECRET),
    "api": exceptions.APIException(SECRET),
    "bug": RuntimeError(SECRET),
}


class RaisingView(ApiView):
    endpoint = "raising"
    scope = "health"
    public: ClassVar[bool] = True

    def get(self, _request: Request, name: str) -> Response:
        raise ERRORS[name]


class HalfDoneView(ApiView):
    """Writes, and fails."""

    endpoint = "half-done"
    scope = "health"
    public: ClassVar[bool] = True

    def get(self, _request: Request, name: str) -> Response:
        Group.objects.create(name="half done")
        raise ERRORS[name]


class EchoView(ApiView):
    """Reads a body."""

    endpoint = "echo"
    scope = "health"

    def post(self, request: Request) -> Response:
        return Response({"data": request.data})


class UnspeakableView(ApiView):
    """Answers what is no JSON."""

    endpoint = "unspeakable"
    scope = "health"
    public: ClassVar[bool] = True

    def get(self, _request: Request) -> Response:
        return Response({"secret": {SECRET}})


urlpatterns: list[Any] = [
    path("admin/", admin.site.urls),
    path("probe/raise/<str:name>", RaisingView.as_view()),
    path("probe/half/<str:name>", HalfDoneView.as_view()),
    path("probe/echo", EchoView.as_view()),
    path("probe/unspeakable", UnspeakableView.as_view()),
    path("inner/", include("credfirewall.urls", namespace="inner")),
    path("", include("credfirewall.urls")),
]
