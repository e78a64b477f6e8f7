"""Who may not see the log in the admin, and asks for it, is on record."""

import json
from typing import Any

import pytest
from django.core.cache import caches
from django.core.cache.backends.locmem import LocMemCache
from django.test import Client, RequestFactory
from django.urls import reverse

from credfirewall.audit import denials
from credfirewall.audit.models import AuditEvent
from tests.audit import seeding
from tests.audit.test_admin import EXPORT, HIT, LIST, OVERVIEW, TIMELINE, event_url, staff, url

pytestmark = pytest.mark.django_db
PREFIX = "credfirewall_auditevent_"


def noted() -> list[tuple[str, str]]:
    rows = AuditEvent.objects.filter(event="access_denied").order_by("at")
    details = [json.loads(row.details) for row in rows]
    return [(each["endpoint"].removeprefix(PREFIX), each["method"]) for each in details]


@pytest.mark.parametrize(
    ("path", "name"),
    [
        (LIST, "changelist"),
        (OVERVIEW, "overview"),
        (f"{TIMELINE}?type=user&id=5", "timeline"),
        (EXPORT, "export"),
        (url("add"), "add"),
    ],
)
def test_a_page_that_is_refused(path: str, name: str) -> None:
    nobody = staff("view_user")
    for _ in range(2):
        assert nobody.get(path).status_code == 403
    assert noted() == [(name, "GET")]
    row = AuditEvent.objects.get(event="access_denied")
    assert (row.actor_type, row.outcome) == ("user", "refused")


def test_an_event_that_is_refused() -> None:
    assert staff().get(event_url(seeding.add(HIT))).status_code == 403
    assert noted() == [("change", "GET")]


@pytest.mark.parametrize("name", ["delete", "history"])
def test_what_nobody_may_is_on_record_of_a_superuser_too(admin_client: Client, name: str) -> None:
    assert admin_client.post(url(name, seeding.add(HIT).pk)).status_code == 403
    assert noted() == [(name, "POST")]


def test_who_may_is_not_on_record() -> None:
    reader = staff("view_auditevent")
    assert reader.get(LIST).status_code == 200
    assert reader.post(LIST).status_code == 405
    assert noted() == []


def test_strangers_are_sent_to_sign_in() -> None:
    assert Client().get(LIST).status_code == 302
    assert noted() == []


def test_a_foreign_page_is_not_the_readers_doing() -> None:
    reader = staff("view_auditevent")
    assert reader.get(LIST, headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
    assert not AuditEvent.objects.exists()


def test_each_page_of_the_log_is_watched() -> None:
    from django.contrib import admin

    model_admin = admin.site.get_model_admin(AuditEvent)
    for pattern in model_admin.get_urls():
        if pattern.name:
            assert pattern.callback.__code__ is denials._watched(print, "x").__code__, pattern  # type: ignore[arg-type]  # the wrapper
    assert reverse("admin:credfirewall_auditevent_changelist", urlconf="tests.urls") == LIST


# One by one


def request(method: str = "GET", user: Any = None) -> Any:
    made = RequestFactory().generic(method, "/")
    made.user = user
    return made


@pytest.mark.parametrize(("method", "kept"), [("PATCH", "PATCH"), ("hunter2", "other")])
def test_a_method_that_somebody_made_up_is_other(admin_user: Any, method: str, kept: str) -> None:
    denials.note("probe", request(method, admin_user))
    assert noted() == [("probe", kept)]


def test_nobody_is_not_on_record() -> None:
    denials.note("probe", request())
    assert noted() == []


class TestCache:
    @pytest.fixture
    def cache(self, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
        monkeypatch.setattr(LocMemCache, "add", lambda *_, **__: None)
        return monkeypatch

    @pytest.mark.usefixtures("cache")
    def test_one_that_ignores_its_own_failures_knows_of_nothing(self, admin_user: Any) -> None:
        """As django-redis does where it is told to."""
        denials.note("probe", request(user=admin_user))
        denials.note("probe", request(user=admin_user))
        assert len(noted()) == 2

    def test_keys_say_nothing_and_end(self, admin_user: Any) -> None:
        denials.note("probe", request(user=admin_user))
        cache: Any = caches["default"]
        (key,) = (each for each in cache._cache if "denied" in each)
        assert "probe" not in key and "user" not in key
        assert denials.EVERY == 60
