"""The middleware: it knows who acts, costs nothing until something happens, and forgets it."""

import asyncio
import threading
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth import login, logout
from django.contrib.auth.models import User
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.test import AsyncClient, Client, RequestFactory
from django.urls import path
from pytest_django import DjangoAssertNumQueries, Settings

from credfirewall.audit import origin, record
from credfirewall.audit.events import Code, LimitHit, LoginRefused
from credfirewall.audit.middleware import AuditMiddleware
from credfirewall.audit.models import AuditEvent
from credfirewall.audit.services import arecord
from tests.audit.recording import Heard, events

EVENT = LimitHit(rate=Code("check"))
REFUSED = LoginRefused(reason=Code("exposed"))


def quiet(request: HttpRequest) -> HttpResponse:
    return HttpResponse()


def deep(request: HttpRequest) -> HttpResponse:
    record(EVENT)
    return HttpResponse()


def failing(request: HttpRequest) -> HttpResponse:
    with transaction.atomic():
        record(REFUSED)
        raise KeyError


def signing_in(request: HttpRequest) -> HttpResponse:
    record(EVENT)
    login(request, User.objects.get(), "django.contrib.auth.backends.ModelBackend")
    record(EVENT)
    logout(request)
    record(EVENT)
    return HttpResponse()


def nesting(request: HttpRequest) -> HttpResponse:
    record(EVENT)
    Client(headers={"user-agent": "inner"}).get("/deep")
    record(EVENT)
    return HttpResponse()


async def native(request: HttpRequest) -> HttpResponse:
    await arecord(EVENT)
    await asyncio.gather(arecord(EVENT), arecord(EVENT))
    return HttpResponse()


async def native_failing(request: HttpRequest) -> HttpResponse:
    from asgiref.sync import sync_to_async

    await sync_to_async(failing)(request)
    raise AssertionError


VIEWS = (quiet, deep, failing, signing_in, nesting, native, native_failing)
urlpatterns = [path(view.__name__, view) for view in VIEWS]


@pytest.fixture(autouse=True)
def _pages(settings: Settings) -> None:
    settings.ROOT_URLCONF = __name__


class Sync:
    """Through WSGI's handler."""

    def get(self, page: str, user: User | None = None) -> Any:
        client = Client(headers={"user-agent": "curl/8"}, raise_request_exception=False)
        if user:
            client.force_login(user)
        return client.get(f"/{page}")


class Async:
    """Through ASGI's handler."""

    def get(self, page: str, user: User | None = None) -> Any:
        client = AsyncClient(raise_request_exception=False)
        if user:
            async_to_sync(client.aforce_login)(user)
        return async_to_sync(client.get)(f"/{page}", headers={"user-agent": "curl/8"})


@pytest.fixture(params=[Sync(), Async()], ids=["wsgi", "asgi"])
def web(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.mark.django_db
class TestBothWays:
    @pytest.mark.parametrize("page", ["deep", "native"])
    def test_it_knows_who_acts_and_from_where(self, web: Any, page: str) -> None:
        dana = User.objects.create(username="dana")
        assert web.get(page, dana).status_code == 200
        row = AuditEvent.objects.first()
        assert row is not None
        assert (row.actor_type, row.actor_id) == ("user", str(dana.pk))
        assert (row.address, row.user_agent) == ("127.0.0.0/24", "curl/8")

    def test_nobody_has_signed_in(self, web: Any) -> None:
        web.get("deep")
        row = AuditEvent.objects.get()
        assert (row.actor_type, row.actor_id, row.actor) == ("anonymous", "", "")

    def test_who_signs_in_acts_from_then_on(self, web: Any) -> None:
        dana = User.objects.create(username="dana")
        web.get("signing_in")
        found = AuditEvent.objects.order_by("at", "id").values_list("actor_id", flat=True)
        assert list(found) == ["", str(dana.pk), ""]

    def test_a_refusal_in_a_view_that_fails_is_written(self, web: Any, heard: Heard) -> None:
        assert web.get("failing").status_code == 500
        assert events() == heard.lines == ["login_refused"]

    def test_so_it_is_in_a_coroutine(self, heard: Heard) -> None:
        assert Async().get("native_failing").status_code == 500
        assert events() == heard.lines == ["login_refused"]

    def test_nothing_is_left_of_a_request(self, web: Any) -> None:
        for page in ("deep", "failing"):
            web.get(page)
            assert origin.current() is None
            assert record(EVENT).user_agent == ""

    def test_one_request_within_another(self) -> None:
        Sync().get("nesting")
        found = AuditEvent.objects.order_by("at", "id").values_list("user_agent", flat=True)
        assert list(found) == ["curl/8", "inner", "curl/8"]

    def test_without_an_event_nobody_is_asked_for(
        self, client: Client, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        client.force_login(User.objects.create(username="dana"))
        with django_assert_num_queries(0):
            assert client.get("/quiet").status_code == 200


def told(request: HttpRequest) -> HttpResponse:
    where = origin.current()
    assert where is not None
    return HttpResponse(where.user_agent)


def test_threads_do_not_see_each_other_s_requests() -> None:
    together = threading.Barrier(8, timeout=30)
    seen: dict[str, str] = {}

    def view(request: HttpRequest) -> HttpResponse:
        together.wait()
        response = told(request)
        together.wait()
        return response

    def visit(name: str) -> None:
        request = RequestFactory().get("/", headers={"user-agent": name})
        seen[name] = middleware(request).content.decode()

    middleware: Any = AuditMiddleware(view)
    threads = [threading.Thread(target=visit, args=[str(number)]) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == {str(number): str(number) for number in range(8)}


def test_tasks_do_not_see_each_other_s_requests() -> None:
    async def main() -> list[str]:
        together = asyncio.Barrier(8)

        async def view(request: HttpRequest) -> HttpResponse:
            await together.wait()
            response = told(request)
            await together.wait()
            return response

        middleware: Any = AuditMiddleware(view)

        async def visit(number: int) -> str:
            request = RequestFactory().get("/", headers={"user-agent": str(number)})
            response = await middleware(request)
            assert origin.current() is None
            return str(response.content.decode())

        return await asyncio.gather(*map(visit, range(8)))

    assert asyncio.run(main()) == [str(number) for number in range(8)]


def test_a_client_that_goes_away_takes_no_refusal_along(monkeypatch: pytest.MonkeyPatch) -> None:
    flushed: list[object] = []
    monkeypatch.setattr(
        "credfirewall.audit.services.flush", lambda: flushed.extend(origin.pending() or [])
    )

    async def view(request: HttpRequest) -> HttpResponse:
        where = origin.current()
        assert where is not None
        where.pending.append("draft")
        await asyncio.Event().wait()
        raise AssertionError

    async def main() -> None:
        middleware: Any = AuditMiddleware(view)
        task = asyncio.ensure_future(middleware(RequestFactory().get("/")))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert flushed[:1] == ["draft"]
