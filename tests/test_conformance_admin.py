"""The report in the admin: for whom, and that it is nothing but read."""

from collections.abc import Callable
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.core.management import call_command
from django.test import Client
from django.urls import NoReverseMatch, reverse
from pytest_django import Settings

from credfirewall.models import ConformanceReport
from tests.conforming import Project

pytestmark = [pytest.mark.django_db, pytest.mark.database]

PAGE = reverse("admin:credfirewall_conformancereport_changelist", urlconf="tests.urls")
Make = Callable[[str], Project]


@pytest.fixture
def project(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Make:
    def make(profile: str) -> Project:
        site = Project(settings, monkeypatch, profile)
        # These would keep the test's client out.
        site.set(
            SECURE_SSL_REDIRECT=False,
            SESSION_COOKIE_SECURE=False,
            SILENCED_SYSTEM_CHECKS=["security.W008"],
            CACHES={"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}},
            AUTHENTICATION_BACKENDS=["django.contrib.auth.backends.ModelBackend"],
        )
        return site

    return make


def staff(*permissions: str, root: bool = False) -> Client:
    user = User.objects.create_user("ada", is_staff=True, is_superuser=root)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


def test_who_may_see_it() -> None:
    response = staff("view_conformancereport").get(PAGE)
    assert response.status_code == 200
    assert "no-store" in response["Cache-Control"] and "private" in response["Cache-Control"]


@pytest.mark.parametrize("permission", ["", "view_auditevent", "view_blockedword"])
def test_who_may_not(permission: str) -> None:
    assert staff(permission).get(PAGE).status_code == 403


def test_who_is_nobody() -> None:
    response = Client().get(PAGE)
    assert response.status_code == 302 and "/login/" in response["Location"]


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
def test_it_is_read_and_nothing_else(method: str) -> None:
    client = staff(root=True)
    assert getattr(client, method)(PAGE).status_code == 405
    assert client.get(f"{PAGE}1/").status_code == 404
    assert client.get(f"{PAGE}add/").status_code == 404


@pytest.mark.parametrize("name", ["add", "change", "delete", "history"])
def test_there_are_no_other_pages(name: str) -> None:
    with pytest.raises(NoReverseMatch):
        reverse(f"admin:credfirewall_conformancereport_{name}", args=[1], urlconf="tests.urls")


def test_what_it_says(project: Make) -> None:
    project("nist")
    html = staff("view_conformancereport").get(PAGE).content.decode()
    for text in ("ASVS 6.2.12", "SESSION_COOKIE_SECURE = False", 'id="site-lockout"', "not met"):
        assert text in html
    assert "PCI DSS 8.3.6" not in html and "The settings name" not in html


def test_another_profile(project: Make) -> None:
    project("nist")
    client = staff("view_conformancereport")
    html = client.get(PAGE, {"profile": "pci"}).content.decode()
    assert "PCI DSS 8.3.6" in html and "The settings name NIST" in html
    assert html.count("Departs from NIST SP 800-63B-4") == 3
    assert "PCI DSS 8.3.6" not in client.get(PAGE, {"profile": "<b>"}).content.decode()


def test_it_needs_nothing_that_a_strict_policy_forbids(project: Make) -> None:
    project("nist")
    html = staff("view_conformancereport").get(PAGE).content.decode()
    content = html.partition('id="content"')[2].partition('id="footer"')[0]
    assert content and "<script" not in content and "style=" not in content


def test_what_a_probe_sees_is_escaped(project: Make) -> None:
    project("nist").set(SESSION_COOKIE_SAMESITE="<script>")
    html = staff("view_conformancereport").get(PAGE).content.decode()
    assert "&lt;script&gt;" in html and "'<script>'" not in html


def test_it_is_in_the_index_for_who_may() -> None:
    assert PAGE in staff("view_conformancereport").get(reverse("admin:index")).content.decode()


def test_it_has_no_table_and_nobody_asks_for_one(django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(0):
        assert not ConformanceReport.objects.exists()
        assert not list(ConformanceReport._base_manager.all())
    for options in ({}, {"use_base_manager": True}):
        call_command("dumpdata", "credfirewall.ConformanceReport", stdout=StringIO(), **options)
