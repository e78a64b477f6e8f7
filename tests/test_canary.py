"""No password, no digest and no prefix gets out: canaries down every path, all of it watched.

What the watch sees is tested in tests/canary. A prefix may be in the request to the range server
and nowhere else that is written down.
"""

import asyncio
import gc
import http.client
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import aiohttp
import django
import django_redis
import pytest
import requests
import urllib3
from django.contrib.auth.models import User
from django.core.cache import caches
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection
from django.test import Client
from pytest_django import Settings

from credfirewall.exceptions import AuditUnavailable, UnusablePassword
from credfirewall.passwords.password import PasswordSpec
from credfirewall.screening import Status, Verdict, ascreen, screen, transport
from credfirewall.screening.digest import Candidate, Digest
from credfirewall.screening.egress import Request, Response
from credfirewall.screening.services import screen_locally
from credfirewall.screening.sources import chain
from credfirewall.screening.sources.hibp import HibpSource
from credfirewall.signals import password_breached, source_degraded
from credfirewall.testing import faults
from credfirewall.testing.faults import Exchange, Fault
from credfirewall.testing.server import RangeServer
from credfirewall.testing.tls import TlsContexts, tls_contexts
from credfirewall.validators import (
    BlocklistValidator,
    BreachedPasswordValidator,
    ContextWordsValidator,
)
from dev import ROOT
from tests.canary.chaos import struck, visited
from tests.canary.detector import Canary, accented_canary, ascii_canary, leaks
from tests.canary.site import Accident, Back, Echo, Misspelt, Nosy
from tests.canary.watch import (
    APP,
    Watch,
    frames,
    in_cache,
    in_database,
    in_exports,
    messages,
    pickled,
    report,
    shown,
)
from tests.conftest import redis_cache
from tests.screening.outages import TABLE, Break, World, answering
from tests.servers import Server
from tests.testing.proxy import ConnectProxy

CANARIES = {"ascii": ascii_canary(), "accented": accented_canary()}
LIBRARIES = [
    requests.adapters,
    urllib3.connectionpool,
    http.client,
    aiohttp.client,
    aiohttp.client_reqrep,
]
"""Where HTTP clients have the URL in their hands."""


@pytest.fixture(params=CANARIES)
def canary(request: pytest.FixtureRequest) -> Canary:
    return CANARIES[request.param]


@pytest.fixture(autouse=True)
def _host(settings: Settings) -> Iterator[None]:
    settings.ROOT_URLCONF = "tests.canary.site"
    settings.ADMINS = ["a@example.com"] if django.VERSION >= (6,) else [("A", "a@example.com")]
    fresh()
    yield
    fresh()


def fresh() -> None:
    """Let nothing be known and no connection be open."""
    chain.forget()
    transport.client.close()


@pytest.fixture
def watch(capsys: pytest.CaptureFixture[str]) -> Iterator[Watch]:
    with Watch(capsys) as watch:
        yield watch


@pytest.fixture
def hibp(settings: Settings) -> Iterator[RangeServer]:
    with RangeServer() as server:
        settings.CREDFIREWALL = {"SOURCES": ["bundled", "hibp"], "HIBP_URL": server.url}
        yield server


def blocking(password: str) -> Verdict:
    return screen(password)


def native(password: str) -> Verdict:
    """In asyncio's debug mode, which logs all that the event loop does."""

    async def ask() -> Verdict:
        asyncio.get_running_loop().slow_callback_duration = 0
        verdict = await ascreen(password)
        gc.collect()
        return verdict

    return asyncio.run(ask(), debug=True)


Ask = Callable[[str], Verdict]
both_ways = pytest.mark.parametrize("ask", [blocking, native])


class TestAnswers:
    @both_ways
    @pytest.mark.parametrize("count", [0, 1234])
    def test_an_answer(
        self, hibp: RangeServer, watch: Watch, canary: Canary, ask: Ask, count: int
    ) -> None:
        if count:
            hibp.add({canary.text: count})
        verdicts = [ask(canary.text) for _again_from_the_cache in range(2)]
        assert {verdict.count for verdict in verdicts} == {count}
        assert hibp.count == len(canary.digests) if not count else 1
        assert leaks([canary], [hibp.requests[0].path], prefix=True), "it was asked for"
        assert watch.leaks(canary) == []
        assert leaks([canary], map(shown, verdicts), prefix=True) == []

    def test_http_client_is_told_to_print(
        self, hibp: RangeServer, watch: Watch, canary: Canary, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(http.client.HTTPConnection, "debuglevel", 1)
        assert screen(canary.text).status is Status.CLEAN
        assert watch.leaks(canary) == []

    @pytest.mark.django_db
    def test_the_lists(self, watch: Watch, canary: Canary) -> None:
        assert screen_locally(canary.text).status is Status.CLEAN
        assert watch.leaks(canary) == []


def behind_proxy(status: int | None) -> Break:
    """A proxy that answers CONNECT with ``status``, or is not there."""

    @contextmanager
    def broken(world: World) -> Iterator[Mapping[str, Any]]:
        world.server.ssl_context = world.tls.trusted
        with ConnectProxy() as proxy:
            world.patch.setenv("HTTPS_PROXY", proxy.url)
            world.patch.setenv("NO_PROXY", "")
            proxy.status = status or 200
            if status is None:
                proxy.stop()
            yield {"HIBP_URL": world.server.url}

    return broken


OWN = [
    *((fault.kind, answering(fault), "") for fault in (Back(), Echo(), Misspelt())),
    *((f"proxy: {status}", behind_proxy(status), "") for status in (200, 403, 407, 502, None)),
]


@pytest.fixture(scope="module")
def tls() -> Iterator[TlsContexts]:
    with tls_contexts() as contexts:
        yield contexts


@both_ways
@pytest.mark.parametrize("broken", [pytest.param(row[1], id=row[0]) for row in (*TABLE, *OWN)])
def test_an_outage(
    hibp: RangeServer,
    tls: TlsContexts,
    watch: Watch,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    broken: Break,
    ask: Ask,
) -> None:
    canary = CANARIES["accented"]
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tls.ca_file))
    with broken(World(hibp, tls, monkeypatch)) as keys:
        settings.CREDFIREWALL = {**settings.CREDFIREWALL, "HIBP_DEADLINE": 0.3, **keys}
        verdict = ask(canary.text)
        written = watch.leaks(canary)
    assert verdict.status in (Status.UNKNOWN, Status.CLEAN)
    assert written == []
    assert leaks([canary], [shown(verdict)], prefix=True) == []


class Asked(Fault):
    """Never answers, but tells that it was asked."""

    kind = "asked"
    event: ClassVar[asyncio.Event]
    loop: ClassVar[asyncio.AbstractEventLoop]

    async def answer(self, exchange: Exchange) -> bool:
        self.loop.call_soon_threadsafe(self.event.set)
        await exchange.hang()
        return False


def test_a_check_that_is_cancelled(hibp: RangeServer, watch: Watch, canary: Canary) -> None:
    hibp.fault = Asked()

    async def cancel() -> str:
        Asked.loop, Asked.event = asyncio.get_running_loop(), asyncio.Event()
        Asked.loop.slow_callback_duration = 0
        task = asyncio.create_task(ascreen(canary.text))
        await Asked.event.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError) as cancelled:
            await task
        gc.collect()
        return repr(task) + messages(cancelled.value)

    assert leaks([canary], [asyncio.run(cancel(), debug=True)], prefix=True) == []
    assert watch.leaks(canary) == []


@pytest.fixture(params=["memory", "bounded", "unbounded"])
def cache_server(
    request: pytest.FixtureRequest, settings: Settings, own_valkey: Server
) -> Iterator[Server | None]:
    """The default cache: in this process, or on a Valkey that waits briefly or as it likes."""
    if request.param == "memory":
        yield None
        return
    config: dict[str, Any] = redis_cache(own_valkey)
    if request.param == "unbounded":
        config["OPTIONS"]["SOCKET_TIMEOUT"] = 30
    settings.CACHES = {"default": config}
    yield own_valkey
    django_redis.get_redis_connection().connection_pool.disconnect()


@both_ways
def test_a_cache(
    hibp: RangeServer, watch: Watch, canary: Canary, ask: Ask, cache_server: Server | None
) -> None:
    ask(canary.text)
    kept = list(in_cache(caches["default"]))
    assert kept
    assert leaks([canary], kept, prefix=True) == []
    if cache_server is not None:
        client = django_redis.get_redis_connection()
        for key in client.scan_iter():
            client.set(key, f'"corrupt {canary.words[0][:3]}"', keepttl=True)
        ask(canary.text)
        cache_server.kill()
        ask(canary.text)
        ask(canary.text)
    assert watch.leaks(canary) == []


class TestHostCode:
    @both_ways
    @pytest.mark.parametrize("source", ["Talkative", "TalkativeUnavailable"])
    def test_a_source_that_tells_all(
        self, settings: Settings, watch: Watch, canary: Canary, ask: Ask, source: str
    ) -> None:
        settings.CREDFIREWALL = {"SOURCES": ["bundled", f"tests.canary.site.{source}"]}
        nosy = Nosy()
        source_degraded.connect(nosy)
        try:
            verdict = ask(canary.text)
        finally:
            source_degraded.disconnect(nosy)
        assert (verdict.status, verdict.reason) == (Status.UNKNOWN, "error")
        assert nosy.told
        assert leaks([canary], [*nosy.told, shown(verdict)], prefix=True) == []
        assert watch.logged, "the receiver's failure"
        assert watch.leaks(canary) == []

    @both_ways
    def test_a_receiver_that_fails(
        self, hibp: RangeServer, watch: Watch, canary: Canary, ask: Ask
    ) -> None:
        hibp.add(canary.text)
        nosy = Nosy()
        password_breached.connect(nosy)
        try:
            ask(canary.text)
        finally:
            password_breached.disconnect(nosy)
        assert nosy.told
        assert leaks([canary], nosy.told, prefix=True) == []
        assert any("Accident" in text for text in watch.logged)
        assert any("Accident" in text for text in watch.mailed)
        assert watch.leaks(canary) == []


NAMED_PASSWORD = frozenset({"password", "func_args", "func_kwargs"})
"""Variables of ours, and of Django's decorator, that hold a password: error trackers which read
frames by themselves know the first one by its name."""


class TestErrors:
    """Exceptions that leave ``screen``, wherever they end up."""

    @pytest.mark.parametrize("ask", [blocking, native, screen_locally])
    @pytest.mark.parametrize("tail", ["x" * 5000, "\ud800"], ids=["too long", "not text"])
    def test_a_password_that_is_none(self, canary: Canary, ask: Ask, tail: str) -> None:
        other = canary.with_tail(tail)
        with pytest.raises(UnusablePassword) as raised:
            ask(other.text)
        self.check(other, raised.value)

    @both_ways
    @pytest.mark.parametrize("source", ["nothing", "no.such.module", "tests.canary.site.Accident"])
    def test_a_wrong_setting(
        self, settings: Settings, canary: Canary, ask: Ask, source: str
    ) -> None:
        settings.CREDFIREWALL = {"SOURCES": [source]}
        with pytest.raises(Exception, match="SOURCES") as raised:
            ask(canary.text)
        self.check(canary, raised.value)

    @pytest.mark.parametrize(
        "validator", [BreachedPasswordValidator, ContextWordsValidator, BlocklistValidator]
    )
    def test_a_validator(
        self, monkeypatch: pytest.MonkeyPatch, canary: Canary, validator: type[Any]
    ) -> None:
        """Called by code that declares nothing."""

        def fail(*_arguments: object) -> None:
            raise Accident("deep within")

        for place in ("sources.chain.active", "sources.chain.local", "context.user_words"):
            monkeypatch.setattr(f"credfirewall.screening.{place}", fail)
        with pytest.raises(Accident) as raised:
            validator().validate(canary.text, User())
        self.check(canary, raised.value)

    @pytest.mark.slow
    @pytest.mark.parametrize("ask", [blocking, lambda text: asyncio.run(ascreen(text))])
    def test_an_accident_anywhere(
        self, hibp: RangeServer, settings: Settings, capsys: pytest.CaptureFixture[str], ask: Ask
    ) -> None:
        """One in each function between the call and the socket."""
        canary = CANARIES["accented"]
        settings.CREDFIREWALL = {**settings.CREDFIREWALL, "HIBP_DEADLINE": 0.3}
        ask(canary.text)
        roots = [APP, *(str(module.__file__) for module in LIBRARIES)]

        def anew() -> None:
            fresh()
            caches["default"].clear()

        anew()
        codes = visited(lambda: ask(canary.text), *roots)
        assert len(codes) > 100
        told = []
        with Watch(capsys, mails=False) as watch:
            for code in codes:
                anew()
                if (error := struck(lambda: ask(canary.text), code)) is not None:
                    told += [(code.co_qualname, leak) for leak in self.shown_of(canary, error)]
            del error  # and with it what its frames hold open
            anew()
            assert ask(canary.text).status is Status.CLEAN
            assert told == []
            assert watch.leaks(canary) == []

    def check(self, canary: Canary, error: BaseException) -> None:
        assert self.shown_of(canary, error) == []
        for file, name, value in frames(error):
            if file != __file__ and name not in NAMED_PASSWORD:
                assert leaks([canary], [shown(value)], prefix=True) == [], (file, name)

    @staticmethod
    def shown_of(canary: Canary, error: BaseException) -> list[str]:
        return leaks([canary], [messages(error), report(error)], prefix=True)


Values = Callable[[Canary], list[object]]


class TestValues:
    @staticmethod
    def values(canary: Canary) -> list[object]:
        candidate = Candidate.of(canary.text)
        request = Request("https://range.example/", canary.prefixes[0], padded=True)
        answer = Response(302, {"location": request.url}, request.url.encode())
        flow = HibpSource("https://range.example/").steps(candidate)
        verdict = Verdict(Status.UNKNOWN, reason="timeout")
        error = UnusablePassword("the reason")
        return [candidate, *candidate.digests, request, answer, flow, verdict, error]

    def test_representations(self, canary: Canary) -> None:
        values = self.values(canary)
        texts = [text for v in values for text in (repr(v), str(v), f"{v}", repr([v]), shown(v))]
        assert leaks([canary], texts, prefix=True) == []

    def test_pickles(self, canary: Canary) -> None:
        candidate = Candidate.of(canary.text)
        for value in (candidate, *candidate.digests):
            assert b"cannot be pickled" in pickled(value)
        kept = [candidate, *candidate.digests, Verdict(Status.BREACHED, 1, "hibp")]
        assert leaks([canary], map(pickled, kept), prefix=True) == []

    def test_they_are_still_values(self, canary: Canary) -> None:
        assert Candidate.of(canary.text) == Candidate.of(canary.text)
        assert len({Digest.of(canary.text), Digest.of(canary.text)}) == 1


PAGES = ("validating", "form", "screening", "screening-async")


@pytest.fixture
def visitor(db: None) -> Client:
    client = Client(raise_request_exception=False)
    client.force_login(User.objects.create_superuser("staff", "staff@example.com"))
    return client


def post(client: Client, page: str, canary: Canary) -> tuple[int, str]:
    fields = {"new_password1": canary.text, "new_password2": canary.text}
    if page.startswith("admin"):
        fields = {"password1": canary.text, "password2": canary.text}
        fields |= {"username": "somebody", "usable_password": "true"}
    response = client.post(f"/{page}/", fields)
    return response.status_code, response.content.decode()


@pytest.mark.django_db
class TestPages:
    """Forms and views, Django's own admin included, with what they leave behind."""

    @pytest.mark.parametrize("debug", [False, True], ids=["production", "debug"])
    @pytest.mark.parametrize("state", ["clean", "breached", "unknown", "rejected", "no database"])
    def test_a_page(
        self, hibp: RangeServer, settings: Settings, visitor: Client, watch: Watch,
        canary: Canary, state: str, debug: bool,
    ) -> None:  # fmt: skip
        settings.DEBUG = debug
        policy = "reject" if state == "rejected" else "allow"
        settings.CREDFIREWALL = {"HIBP_URL": hibp.url, "ON_UNKNOWN": policy}
        if state == "breached":
            hibp.add(canary.text)
        if state in ("unknown", "rejected"):
            hibp.fault = faults.Status(503)
        pages = [*PAGES, "admin/auth/user/add"]
        if state != "breached":
            pages.append(f"admin/auth/user/{User.objects.get().pk}/password")
        with connection.execute_wrapper(failing if state == "no database" else passing):
            answers = [post(visitor, page, canary) for page in pages]
        assert {status for status, _ in answers} <= {200, 302}
        assert leaks([canary], [page for _, page in answers], prefix=True) == []
        assert watch.leaks(canary) == []
        assert leaks([canary], in_database(), prefix=True) == []
        exported = list(in_exports())
        assert state in ("no database", "clean") or any(
            b"screening_" in chunk for chunk in exported
        )
        assert leaks([canary], exported, prefix=True) == []
        assert leaks([canary], in_cache(caches["default"]), prefix=True) == []
        queries = [str(query) for query in connection.queries_log]
        assert bool(queries) == debug
        assert leaks([canary], queries, prefix=True) == []

    @pytest.mark.parametrize("page", [*PAGES[:2], "admin/auth/user/add", "breaking-async"])
    @pytest.mark.parametrize("debug", [False, True], ids=["production", "debug"])
    def test_a_page_that_breaks_after_the_check(
        self, hibp: RangeServer, settings: Settings, visitor: Client, watch: Watch,
        page: str, debug: bool,
    ) -> None:  # fmt: skip
        settings.AUTH_PASSWORD_VALIDATORS = [
            *settings.AUTH_PASSWORD_VALIDATORS,
            {"NAME": "tests.canary.site.Breaking"},
        ]
        self.break_page(visitor, settings, watch, page, debug=debug)
        assert hibp.count

    @pytest.mark.parametrize("page", [*PAGES, "admin/auth/user/add"])
    @pytest.mark.parametrize("debug", [False, True], ids=["production", "debug"])
    def test_a_page_that_breaks_within_the_check(
        self, settings: Settings, visitor: Client, watch: Watch, page: str, debug: bool
    ) -> None:
        settings.CREDFIREWALL = {"SOURCES": ["nothing"]}
        self.break_page(visitor, settings, watch, page, debug=debug)

    @pytest.mark.parametrize("page", PAGES[:2])
    def test_a_user_that_breaks(
        self, settings: Settings, visitor: Client, watch: Watch, page: str,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:  # fmt: skip
        def fail(user: User) -> str:
            raise Accident("no name")

        monkeypatch.setattr(User, "get_full_name", fail)
        for canary in CANARIES.values():
            status, shown_page = post(visitor, page, canary)
            assert status < 500
            assert leaks([canary], [shown_page, *watch.mailed], prefix=True) == []
            assert watch.leaks(canary) == []

    @staticmethod
    def break_page(
        visitor: Client, settings: Settings, watch: Watch, page: str, *, debug: bool
    ) -> None:
        settings.DEBUG = debug
        for canary in CANARIES.values():
            status, shown_page = post(visitor, page, canary)
            assert status == 500
            places = [shown_page, *watch.mailed]
            assert any(__name__.partition(".")[0] in place for place in places)
            # With DEBUG on, Django shows what was posted, whatever anybody declares.
            assert leaks([canary], places, prefix=True, password=not debug) == []
            assert debug or watch.leaks(canary) == []


@pytest.mark.django_db
@pytest.mark.parametrize("debug", [False, True], ids=["production", "debug"])
class TestApi:
    """The endpoints that take a password, or hand one out."""

    @pytest.fixture(autouse=True)
    def _site(self, settings: Settings, hibp: RangeServer, debug: bool) -> None:
        settings.DEBUG = debug
        settings.CREDFIREWALL = {"HIBP_URL": hibp.url}

    @pytest.fixture
    def handed_out(self, monkeypatch: pytest.MonkeyPatch, canary: Canary) -> None:
        """What is generated is the canary, whatever was asked for."""
        monkeypatch.setattr("credfirewall.passwords.services.draw", lambda _spec: canary.text)
        monkeypatch.setattr(PasswordSpec, "allows", lambda _spec, _value: True)

    @staticmethod
    def ask(client: Client, name: str, body: str) -> tuple[int, str]:
        response = client.post(
            f"/api/v1/passwords/{name}",
            body.encode(errors="surrogatepass"),
            content_type="application/json",
            headers={"Host": "localhost"},
        )
        return response.status_code, response.content.decode()

    @staticmethod
    def left_behind(watch: Watch, canary: Canary) -> list[str]:
        kept = [*in_database(), *in_exports(), *in_cache(caches["default"])]
        queries = [str(query) for query in connection.queries_log]
        return watch.leaks(canary) + leaks([canary], [*kept, *queries], prefix=True)

    @pytest.mark.parametrize("state", ["clean", "breached", "unknown"])
    def test_checking(
        self, hibp: RangeServer, visitor: Client, watch: Watch, canary: Canary, state: str
    ) -> None:
        if state == "breached":
            hibp.add(canary.text)
        hibp.fault = faults.Status(503) if state == "unknown" else None
        whose = {"username": canary.words[0], "email": f"{canary.words[1]}@example.com"}
        status, told = self.ask(visitor, "check", json.dumps({"password": canary.text, **whose}))
        assert (status, json.loads(told)["breach"]["status"]) == (200, state)
        assert leaks([canary], [told], prefix=True) == []
        assert self.left_behind(watch, canary) == []

    @pytest.mark.parametrize("tail", ["x" * 5000, "\ud800"], ids=["too long", "not text"])
    def test_what_is_no_password(
        self, visitor: Client, watch: Watch, canary: Canary, tail: str
    ) -> None:
        other = canary.with_tail(tail)
        status, told = self.ask(visitor, "check", json.dumps({"password": other.text}))
        assert (status, json.loads(told)["acceptable"]) == (200, False)
        assert leaks([other], [told], prefix=True) == []
        assert self.left_behind(watch, other) == []

    @pytest.mark.parametrize(
        "form", ['{{"password": {0}', "{0}", '{{"password": [{0}]}}', '{{"username": {0}}}']
    )
    def test_what_is_no_body(
        self, visitor: Client, watch: Watch, canary: Canary, form: str
    ) -> None:
        for name in ("check", "generate"):
            status, told = self.ask(visitor, name, form.format(json.dumps(canary.text)))
            assert status == 400
            assert leaks([canary], [told], prefix=True) == []
        assert self.left_behind(watch, canary) == []

    def test_generating(
        self, visitor: Client, watch: Watch, canary: Canary, handed_out: None
    ) -> None:
        status, told = self.ask(visitor, "generate", '{"count": 2}')
        values = [each["password"] for each in json.loads(told)["passwords"]]
        assert (status, values) == (200, [canary.text] * 2)
        assert any(b"password_generated" in chunk for chunk in in_exports())
        assert self.left_behind(watch, canary) == []

    def test_what_breaks(
        self, settings: Settings, visitor: Client, watch: Watch, canary: Canary, handed_out: None
    ) -> None:
        settings.AUTH_PASSWORD_VALIDATORS = [{"NAME": "tests.canary.site.Breaking"}]
        for name, body in {"check": {"password": canary.text}, "generate": {}}.items():
            status, told = self.ask(visitor, name, json.dumps(body))
            assert (status, json.loads(told)["code"]) == (500, "internal_error")
            assert leaks([canary], [told], prefix=True) == []
        assert any("Accident" in text for text in watch.logged)
        assert self.left_behind(watch, canary) == []

    def test_what_cannot_be_recorded(
        self, settings: Settings, visitor: Client, watch: Watch, canary: Canary, handed_out: None,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:  # fmt: skip
        def fail(*_: object, **__: object) -> None:
            raise AuditUnavailable("the table is gone")

        monkeypatch.setattr("credfirewall.passwords.services.record", fail)
        status, told = self.ask(visitor, "generate", "{}")
        assert (status, json.loads(told)["code"]) == (503, "audit_unavailable")
        assert leaks([canary], [told], prefix=True) == []
        assert self.left_behind(watch, canary) == []


def passing(execute: Any, sql: str, *arguments: Any) -> Any:
    return execute(sql, *arguments)


def failing(execute: Any, sql: str, *arguments: Any) -> Any:
    if "blockedword" in sql:
        raise OperationalError("the server closed the connection")
    return execute(sql, *arguments)


SETTINGS = """
import http.client

from tests.settings import *

http.client.HTTPConnection.debuglevel = 1
CREDFIREWALL = {credfirewall!r}
LOGGING = {{
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {{"all": {{"class": "logging.StreamHandler"}}}},
    "root": {{"level": "DEBUG", "handlers": ["all"]}},
}}
"""
"""A project that has everything told on standard error."""


class TestCommand:
    CASES: ClassVar[dict[str, tuple[str, Fault | None, int]]] = {
        "clean": ("", None, 0),
        "unknown": ("", Echo(), 2),
        "two lines": ("\nx", None, 3),
        "too long": ("x" * 5000, None, 3),
    }

    @pytest.mark.parametrize("case", CASES)
    @pytest.mark.parametrize("options", [(), ("--json",), ("--traceback",)], ids=str)
    def test_in_process(
        self, hibp: RangeServer, watch: Watch, canary: Canary, case: str, options: tuple[str, ...]
    ) -> None:
        tail, hibp.fault, expected = self.CASES[case]
        out = io.StringIO()
        stdin = io.StringIO(canary.text + tail)
        status, told = 0, ""
        try:
            call_command("screen_password", *options, stdin=stdin, stdout=out)
        except SystemExit as end:
            status = int(end.code or 0)
        except CommandError as error:
            status, told = error.returncode, messages(error) + report(error)
        assert status == expected
        assert leaks([canary], [out.getvalue(), told], prefix=True) == []
        assert watch.leaks(canary) == []

    @pytest.mark.slow
    @pytest.mark.parametrize("case", CASES)
    def test_as_a_process(self, tmp_path: Path, case: str) -> None:
        tail, fault, _ = self.CASES[case]
        canary = CANARIES["accented"]
        with RangeServer() as server:
            server.fault = fault
            keys = {"SOURCES": ["bundled", "hibp"], "HIBP_URL": server.url}
            (tmp_path / "talking_settings.py").write_text(SETTINGS.format(credfirewall=keys))
            done = subprocess.run(
                [sys.executable, "manage.py", "screen_password", "--json", "--traceback"],
                input=(canary.text + tail).encode(),
                env={
                    **os.environ,
                    "DJANGO_SETTINGS_MODULE": "talking_settings",
                    "PYTHONPATH": str(tmp_path),
                    "PYTHONDEVMODE": "1",
                },
                cwd=ROOT,
                capture_output=True,
                check=False,
                timeout=60,
            )
            assert bool(server.count) == (case in ("clean", "unknown"))
        assert json.loads(done.stdout)["status"] in ("clean", "unknown", "error")
        assert leaks([canary], [done.stdout.decode(), done.stderr.decode()], prefix=True) == []
