"""What went wrong, as RFC 9457 has it: application/problem+json with a stable ``code``.

A problem is a constant, and what an exception says is not repeated: no internals leave (ASVS
16.5.1). Of validation alone the fields are named.
"""

import json
import logging
import math
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from django.core.exceptions import (
    BadRequest,
    PermissionDenied,
    RequestDataTooBig,
    SuspiciousOperation,
)
from django.http import Http404, HttpResponse, UnreadablePostError
from rest_framework import exceptions
from rest_framework.settings import api_settings
from rest_framework.views import set_rollback

from credfirewall.exceptions import (
    AuditUnavailable,
    PasswordNotText,
    PasswordTooLong,
    PolicyUnsatisfiable,
    SourceUnavailable,
)

MEDIA_TYPE = "application/problem+json"
logger = logging.getLogger("credfirewall.api")


@dataclass(frozen=True, slots=True)
class Problem:
    """One way to fail. ``code`` is stable, ``title`` and ``detail`` are for people."""

    status: int
    code: str
    title: str
    detail: str

    def body(self, **more: Any) -> dict[str, Any]:
        """Return the members of the JSON object."""
        return {
            "type": f"urn:credfirewall:problem:{self.code}",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
            **more,
        }


class Refusal(Exception):  # noqa: N818 - an outcome, named as one
    """Ends a request with ``problem``. A feature raises it for what only its endpoints can meet."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.code)
        self.problem = problem


MALFORMED = Problem(
    400, "malformed", "The request cannot be read", "It is not what its media type says it is."
)
INVALID = Problem(
    400, "invalid", "The request is not valid", "The members of errors say what is wrong."
)
NOT_AUTHENTICATED = Problem(
    401, "not_authenticated", "Sign in first", "This endpoint does not answer anonymous requests."
)
AUTHENTICATION_FAILED = Problem(
    401, "authentication_failed", "Not signed in", "The credentials were not accepted."
)
PERMISSION_DENIED = Problem(
    403, "permission_denied", "Not allowed", "You are signed in, and lack the permission for this."
)
CSRF_FAILED = Problem(
    403,
    "csrf_failed",
    "The CSRF check failed",
    "A request with a session needs the X-CSRFToken header and an origin that is trusted.",
)
CROSS_SITE = Problem(
    403,
    "cross_site",
    "Asked by another site",
    "With a session, this endpoint answers pages of its own site only.",
)
HTTPS_REQUIRED = Problem(
    403, "https_required", "HTTPS is required", "Ask again by https; nothing was done."
)
NOT_FOUND = Problem(404, "not_found", "Not found", "There is nothing here.")
METHOD_NOT_ALLOWED = Problem(
    405, "method_not_allowed", "Method not allowed", "The Allow header names the methods."
)
NOT_ACCEPTABLE = Problem(
    406, "not_acceptable", "Not acceptable", "No media type in the Accept header can be served."
)
TOO_LARGE = Problem(413, "too_large", "The request is too large", "Its body is over the limit.")
UNSUPPORTED_MEDIA_TYPE = Problem(
    415, "unsupported_media_type", "Unsupported media type", "Send application/json."
)
SCOPE_MISSING = Problem(
    403, "scope_missing", "Not allowed with this key", "The API key lacks the scope for this."
)
RATE_LIMITED = Problem(
    429, "rate_limited", "Too many requests", "The Retry-After header says when to come back."
)
INTERNAL_ERROR = Problem(
    500, "internal_error", "Something went wrong", "It is in the server's log, and not your fault."
)
UNAVAILABLE = Problem(503, "unavailable", "Out of service", "Try again later.")
LIMITS_UNAVAILABLE = Problem(
    503, "limits_unavailable", "Limits cannot be counted", "So this was not done. Try again later."
)
AUDIT_UNAVAILABLE = Problem(
    503, AuditUnavailable.code, "The audit log is out of service", "So this was not done."
)
METRICS_NOT_INSTALLED = Problem(
    503,
    "metrics_not_installed",
    "There are no metrics",
    'The site has to install them: pip install "django-credfirewall[metrics]".',
)
SOURCE_UNAVAILABLE = Problem(
    503, SourceUnavailable.code, "A source is out of service", "Try again later."
)
PASSWORD_NOT_TEXT = Problem(
    400, PasswordNotText.code, "Not a password", "The value has no form in UTF-8."
)
PASSWORD_TOO_LONG = Problem(
    400, PasswordTooLong.code, "The password is too long", "At most 4096 characters are accepted."
)
POLICY_UNSATISFIABLE = Problem(
    400,
    PolicyUnsatisfiable.code,
    "The policy refuses what this generates",
    "Ask for more characters, or more kinds of them; the policy endpoint tells the rules.",
)

PROBLEMS: dict[type[Exception], Problem] = {
    exceptions.ParseError: MALFORMED,
    exceptions.ValidationError: INVALID,
    exceptions.NotAuthenticated: NOT_AUTHENTICATED,
    exceptions.AuthenticationFailed: AUTHENTICATION_FAILED,
    exceptions.PermissionDenied: PERMISSION_DENIED,
    exceptions.NotFound: NOT_FOUND,
    exceptions.MethodNotAllowed: METHOD_NOT_ALLOWED,
    exceptions.NotAcceptable: NOT_ACCEPTABLE,
    exceptions.UnsupportedMediaType: UNSUPPORTED_MEDIA_TYPE,
    exceptions.Throttled: RATE_LIMITED,
    Http404: NOT_FOUND,
    PermissionDenied: PERMISSION_DENIED,
    BadRequest: MALFORMED,
    UnreadablePostError: MALFORMED,
    SuspiciousOperation: MALFORMED,
    RequestDataTooBig: TOO_LARGE,
    AuditUnavailable: AUDIT_UNAVAILABLE,
    SourceUnavailable: SOURCE_UNAVAILABLE,
    PasswordNotText: PASSWORD_NOT_TEXT,
    PasswordTooLong: PASSWORD_TOO_LONG,
    PolicyUnsatisfiable: POLICY_UNSATISFIABLE,
}
"""By the nearest class of an exception. A feature adds its own beside its views."""


def respond(error: Exception, _context: object = None) -> HttpResponse:
    """Return the answer to ``error``: the exception handler of every view."""
    problem = of(error)
    more: dict[str, Any] = {}
    if isinstance(error, exceptions.ValidationError):
        more["errors"] = list(_errors(error.detail))
    if problem is INTERNAL_ERROR:
        logger.error("%s at %s", type(error).__qualname__, _place(error))
    set_rollback()
    response = HttpResponse(
        json.dumps(problem.body(**more)),  # ASCII: a field's name may have no form in UTF-8
        status=problem.status,
        content_type=MEDIA_TYPE,
    )
    wait = getattr(error, "wait", None)
    if problem is RATE_LIMITED and wait is not None:
        response["Retry-After"] = str(math.ceil(wait))
    return response


def of(error: Exception) -> Problem:
    """Return the problem that ``error`` is; what nobody foresaw is an internal error."""
    if isinstance(error, Refusal):
        return error.problem
    for kind in type(error).__mro__:
        if kind in PROBLEMS:
            return PROBLEMS[kind]
    if isinstance(error, exceptions.APIException) and 400 <= error.status_code < 500:
        phrase = HTTPStatus(error.status_code).phrase
        return Problem(error.status_code, "refused", phrase, "The request was refused.")
    if isinstance(error, exceptions.APIException) and error.status_code == 503:
        return UNAVAILABLE
    return INTERNAL_ERROR


def _errors(detail: Any, path: str = "") -> Iterator[dict[str, str]]:
    """Name the field, the code and the message of each error in what a serializer found."""
    if isinstance(detail, dict):
        for name, inner in detail.items():
            name = "" if name == api_settings.NON_FIELD_ERRORS_KEY else str(name)
            yield from _errors(inner, f"{path}.{name}".strip("."))
    elif isinstance(detail, list):
        for number, inner in enumerate(detail):
            nested = isinstance(inner, dict | list)
            yield from _errors(inner, f"{path}.{number}".strip(".") if nested else path)
    else:
        yield {"field": path, "code": detail.code, "message": str(detail)}


def _place(error: Exception) -> str:
    """Say where ``error`` comes from. Its message and its variables may hold a secret."""
    frames = traceback.extract_tb(error.__traceback__)
    return f"{frames[-1].filename}:{frames[-1].lineno}" if frames else "an unknown place"
