"""A host project: its pages, decorated as Django's own are, and its less careful parts."""

from typing import Any, ClassVar

from django.contrib import admin
from django.contrib.auth.forms import SetPasswordForm
from django.contrib.auth.models import User
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.urls import include, path
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables

from credfirewall.exceptions import SourceUnavailable
from credfirewall.screening import ascreen, screen
from credfirewall.screening.digest import Candidate
from credfirewall.screening.verdict import Answer
from credfirewall.testing.faults import Exchange, Fault


class Accident(Exception):
    """Something went wrong in the host's own code."""


@sensitive_post_parameters()
@sensitive_variables()
def validating(request: HttpRequest) -> HttpResponse:
    try:
        validate_password(request.POST["new_password1"], User(username="somebody"))
    except ValidationError as error:
        return HttpResponse(" ".join(error.messages))
    return HttpResponse("clean")


@sensitive_post_parameters()
def form(request: HttpRequest) -> HttpResponse:
    form = SetPasswordForm(User(username="somebody"), request.POST)
    return HttpResponse("clean" if form.is_valid() else form.as_p())


@sensitive_post_parameters()
@sensitive_variables()
def screening(request: HttpRequest) -> HttpResponse:
    return HttpResponse(screen(request.POST["new_password1"], user=request.user).status)


@sensitive_post_parameters()
@sensitive_variables()
async def screening_async(request: HttpRequest) -> HttpResponse:
    return HttpResponse((await ascreen(request.POST["new_password1"])).status)


@sensitive_post_parameters()
@sensitive_variables()
async def breaking_async(request: HttpRequest) -> HttpResponse:
    verdict = await ascreen(request.POST["new_password1"])
    raise Accident(verdict.status)


urlpatterns = [
    path("admin/", admin.site.urls),
    path("validating/", validating),
    path("form/", form),
    path("screening/", screening),
    path("screening-async/", screening_async),
    path("breaking-async/", breaking_async),
    path("", include("credfirewall.urls")),
]


class Breaking:
    """A validator that fails."""

    def validate(self, password: str, user: Any = None) -> None:
        raise Accident("in a validator")

    def get_help_text(self) -> str:
        return ""


class Talkative:
    """A source whose errors hold all that it was given."""

    name = "talkative"
    authoritative = True
    error: ClassVar[type[Exception]] = ValueError

    def lookup(self, candidate: Candidate) -> Answer:
        told = [candidate.folded]
        for digest in candidate.digests:
            told += [digest.prefix + digest.suffix, f"https://range.example/{digest.prefix}"]
        try:
            raise LookupError(*told)
        except LookupError as error:
            raise self.error(" ".join(told)) from error


class TalkativeUnavailable(Talkative):
    error = SourceUnavailable


class Nosy:
    """A receiver of any signal, which fails."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def __call__(self, **arguments: Any) -> None:
        self.told.append(repr(arguments))
        raise Accident("in a receiver")


class Misspelt(Fault):
    """Header lines that are none, with the path of the request in them."""

    kind = "misspelt"

    async def answer(self, exchange: Exchange) -> bool:
        path = exchange.request.path
        head, body = exchange.response.head.removesuffix(b"\r\n"), exchange.response.body
        await exchange.send(head + f"no header {path}\r\n\r\n".encode() + body)
        return False


class Echo(Fault):
    """An answer that repeats the path of the request wherever there is a place for it."""

    kind = "echo"

    async def answer(self, exchange: Exchange) -> bool:
        path = exchange.request.path
        lines = [
            f"HTTP/1.1 200 {path}",
            f"Content-Type: {path}",
            f"Content-Length: {len(path)}",
            f"Set-Cookie: {path}=1; Domain={path}; Expires={path}",
            f"Set-Cookie: plain={path}",
            f"Location: {path}",
            f"Content-MD5: {path}",
            f"Retry-After: {path}",
            f"Warning: {path}",
            "",
            path,
        ]
        await exchange.send("\r\n".join(lines).encode())
        return False


class Back(Fault):
    """A redirect to where the request was sent."""

    kind = "back"

    async def answer(self, exchange: Exchange) -> bool:
        head = f"HTTP/1.1 302 Found\r\nLocation: {exchange.request.path}\r\nContent-Length: 0\r\n"
        await exchange.send(head.encode() + b"\r\n")
        return True
