"""API keys in the admin: the secret is on one page, and keys are for their owners."""

import logging
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.db import DatabaseError
from django.template.loader import get_template
from django.test import Client
from django.utils.log import AdminEmailHandler
from pytest_django import Settings

from credfirewall.api import keys
from credfirewall.api.keys import Issued, find
from credfirewall.api.models import ApiKey
from credfirewall.audit.models import AuditEvent
from tests.api.conftest import new_user

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("_endpoints")]
LIST = "/admin/credfirewall/apikey/"
ADD = f"{LIST}add/"
KEY = re.compile(r"cfw_[0-9a-f]{16}_[0-9a-f]{64}")
ALL = ("view", "add", "change", "delete")


def client_of(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def keeper(name: str, *may: str) -> User:
    return new_user(name, *(f"credfirewall.{each}_apikey" for each in may or ALL), staff=True)


@pytest.fixture
def ada() -> User:
    return keeper("ada")


@pytest.fixture
def bobs() -> Issued:
    return keys.create(new_user("bob"), "bob's", ["audit:read"])


def filled(**changed: Any) -> dict[str, Any]:
    end = datetime.now(UTC) + timedelta(days=30)
    times = {"expires_at_0": f"{end:%Y-%m-%d}", "expires_at_1": f"{end:%H:%M:%S}"}
    return {"name": "backup", "scopes": ["audit:read"], **times, **changed}


def secret_in(response: Any) -> str:
    assert response.status_code == 200
    assert "no-store" in response["Cache-Control"]
    (found,) = set(KEY.findall(response.content.decode()))
    return str(found)


def url(issued: Issued, page: str) -> str:
    return f"{LIST}{issued.key.pk}/{page}/"


# Making


def test_a_new_key_is_in_the_answer_and_nowhere_else(
    ada: User, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    client = client_of(ada)
    response = client.post(ADD, filled())
    text = secret_in(response)
    key = ApiKey.objects.get()
    assert find(text) == key
    assert (key.owner, key.scope_names) == (ada, ("audit:read",))
    assert key.expires_at is not None
    secret = text.split("_")[2]
    for page in (LIST, f"{LIST}{key.pk}/change/", f"{LIST}{key.pk}/history/", "/admin/"):
        assert secret not in client.get(page).content.decode()
    kept = [each.get_decoded() for each in Session.objects.all()]
    entries = list(LogEntry.objects.values())
    events = list(AuditEvent.objects.values())
    assert len(entries) == 1
    cookies = str(client.cookies)
    assert secret not in f"{kept}{entries}{events}{cookies}{caplog.text}{dict(response.headers)}"


ISSUED = "admin/credfirewall/apikey/issued.html"


class Reports(AdminEmailHandler):
    """What would be mailed to the administrators, in HTML and as text."""

    def __init__(self) -> None:
        super().__init__(include_html=True)
        self.sent: list[str] = []

    def send_mail(self, subject: Any, message: Any, *given: Any, **how: Any) -> None:
        self.sent += [subject, message, str(how["html_message"])]


@pytest.mark.parametrize("place", ["<p>", '<p class="help">'], ids=["before it", "after it"])
@pytest.mark.parametrize("debug", [True, False])
def test_a_broken_template_tells_nobody_the_key(
    ada: User, settings: Settings, tmp_path: Path, place: str, debug: bool
) -> None:
    broken = tmp_path / ISSUED
    broken.parent.mkdir(parents=True)
    whole = Path(str(get_template(ISSUED).origin)).read_text(encoding="utf-8")  # type: ignore[attr-defined]  # Django's own engine
    broken.write_text(whole.replace(place, place + '{% url "nowhere" %}', 1), encoding="utf-8")
    (engine,) = settings.TEMPLATES
    settings.TEMPLATES = [{**engine, "DIRS": [tmp_path]}]
    settings.DEBUG = debug
    client = Client(raise_request_exception=False)
    client.force_login(ada)
    logger, reports = logging.getLogger("django.request"), Reports()
    logger.addHandler(reports)
    try:
        response = client.post(ADD, filled())
    finally:
        logger.removeHandler(reports)
    page = response.content.decode()
    assert response.status_code == 500
    assert ("NoReverseMatch" in page) == debug
    assert "NoReverseMatch" in reports.sent[2] and "Issued(key=" in reports.sent[2]
    assert not KEY.search(page + "".join(reports.sent))
    assert ApiKey.objects.exists()


def test_making_one_is_recorded_with_who_did_it(ada: User) -> None:
    client_of(ada).post(ADD, filled())
    (row,) = AuditEvent.objects.filter(event="api_key_created")
    assert (row.actor_type, row.actor_id, row.subject_type) == ("user", str(ada.pk), "api_key")


def test_a_key_is_for_a_year_unless_told(ada: User) -> None:
    form = client_of(ada).get(ADD).context["adminform"].form
    left = form.get_initial_for_field(form.fields["expires_at"], "expires_at") - datetime.now(UTC)
    assert timedelta(days=364) < left <= timedelta(days=365)


def test_a_key_without_an_end_has_to_be_asked_for(ada: User) -> None:
    secret_in(client_of(ada).post(ADD, filled(expires_at_0="", expires_at_1="")))
    assert ApiKey.objects.get().expires_at is None


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"scopes": ["audit:write"]}, "scopes"),
        ({"name": ""}, "name"),
        ({"name": "two\nlines"}, "name"),
        ({"name": "right\u202eleft"}, "name"),
        ({"expires_at_0": "2020-01-01"}, "expires_at"),
    ],
)
def test_what_is_wrong_is_named(ada: User, wrong: dict[str, Any], field: str) -> None:
    response = client_of(ada).post(ADD, filled(**wrong))
    assert list(response.context["adminform"].form.errors) == [field]
    assert not ApiKey.objects.exists()


# Whose


def test_nobody_makes_a_key_with_somebody_elses_rights(ada: User, admin_user: User) -> None:
    secret_in(client_of(ada).post(ADD, filled(owner=admin_user.pk)))
    assert ApiKey.objects.get().owner == ada


def test_a_superuser_makes_keys_for_others(admin_client: Client, ada: User) -> None:
    secret_in(admin_client.post(ADD, filled(owner=ada.pk)))
    assert ApiKey.objects.get().owner == ada


def test_people_have_their_own_keys_only(ada: User, bobs: Issued) -> None:
    client = client_of(ada)
    assert "bob" not in client.get(LIST).content.decode()
    for page in ("rotate", "revoke"):
        for method in (client.get, client.post):
            assert method(url(bobs, page), {"overlap": 0}).status_code == 404
    assert client.get(url(bobs, "change")).status_code == 302
    assert find(bobs.text) == bobs.key


def test_a_superuser_has_all(admin_client: Client, bobs: Issued) -> None:
    assert "bob" in admin_client.get(LIST).content.decode()
    assert admin_client.get(url(bobs, "change")).status_code == 200


@pytest.mark.parametrize("may", ["view", "add", "delete"])
def test_rotating_and_revoking_need_the_permission_to_change(may: str) -> None:
    eve = keeper("eve", may, "view")
    issued = keys.create(eve, "x", ["audit:read"])
    client = client_of(eve)
    page = client.get(url(issued, "change")).content.decode()
    for each in ("rotate", "revoke"):
        assert f"/{each}/" not in page
        assert client.post(url(issued, each), {"overlap": 0}).status_code == 403
    assert find(issued.text) == issued.key


# Rotating and revoking


def test_a_rotated_key_is_shown_once(ada: User) -> None:
    issued = keys.create(ada, "x", ["audit:read"])
    client = client_of(ada)
    assert f"/{issued.key.pk}/rotate/" in client.get(url(issued, "change")).content.decode()
    page = client.get(url(issued, "rotate"))
    assert not KEY.search(page.content.decode())
    assert find(issued.text) == issued.key  # asking changes nothing
    text = secret_in(client.post(url(issued, "rotate"), {"overlap": "0"}))
    assert find(text) == issued.key
    assert find(issued.text) is None


def test_the_former_secret_may_stay(ada: User) -> None:
    issued = keys.create(ada, "x", ["audit:read"])
    client = client_of(ada)
    assert client.post(url(issued, "rotate"), {"overlap": "17"}).context["form"].errors
    secret_in(client.post(url(issued, "rotate"), {"overlap": "24"}))
    key = ApiKey.objects.get()
    assert key.former_until is not None
    assert timedelta(hours=23) < key.former_until - datetime.now(UTC) <= timedelta(hours=24)


def test_a_revoked_key_can_do_no_more(ada: User) -> None:
    issued = keys.create(ada, "x", ["audit:read"])
    client = client_of(ada)
    client.get(url(issued, "revoke"))
    assert find(issued.text) == issued.key
    assert client.post(url(issued, "revoke"), follow=True).status_code == 200
    assert find(issued.text) is None
    page = client.get(url(issued, "change")).content.decode()
    assert "/rotate/" not in page and "/revoke/" not in page
    response = client.post(url(issued, "rotate"), {"overlap": "0"}, follow=True)
    assert "make a new one" in response.content.decode()
    (row,) = AuditEvent.objects.filter(event="api_key_revoked")
    assert (row.actor_id, row.subject_id) == (str(ada.pk), issued.key.public_id)


def test_a_key_is_changed_by_nothing_else(ada: User, admin_user: User) -> None:
    issued = keys.create(ada, "x", ["audit:read"])
    before = ApiKey.objects.values().get()
    client_of(admin_user).post(url(issued, "change"), filled(name="y", owner=admin_user.pk))
    assert ApiKey.objects.values().get() == before


def test_a_user_with_keys_can_be_deleted(admin_client: Client, bobs: Issued) -> None:
    page = f"/admin/auth/user/{bobs.key.owner_id}/delete/"
    assert admin_client.post(page, {"post": "yes"}).status_code == 302
    assert not ApiKey.objects.exists()
    assert AuditEvent.objects.filter(event="api_key_revoked").count() == 1


def test_what_cannot_be_recorded_is_not_done(ada: User, monkeypatch: pytest.MonkeyPatch) -> None:
    issued = keys.create(ada, "x", ["audit:read"])
    client = client_of(ada)

    def refuse(*_: Any, **__: Any) -> None:
        raise DatabaseError

    monkeypatch.setattr(AuditEvent, "insert", refuse)
    for page, data in (
        (ADD, filled()),
        (url(issued, "rotate"), {"overlap": "0"}),
        (url(issued, "revoke"), {}),
    ):
        response = client.post(page, data, follow=True)
        assert "could not be recorded, so it was not done" in response.content.decode()
    assert find(issued.text) == ApiKey.objects.get()
