"""API keys: what opens, what does not, and that the secret is nowhere."""

import hashlib
import json
import logging
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import DatabaseError, connection, transaction
from django.db.models import QuerySet
from django.test import Client
from django.test.utils import CaptureQueriesContext
from pytest_django import DjangoAssertNumQueries, Settings

from credfirewall.api import keys, log
from credfirewall.api.keys import Issued, find
from credfirewall.api.models import ApiKey
from credfirewall.api.recent import recent
from credfirewall.api.scopes import SCOPES, register
from credfirewall.audit.models import AuditEvent
from credfirewall.exceptions import AuditUnavailable, KeyNotUsable, ScopeUnknown
from tests.api.conftest import new_user
from tests.api.test_problems import check

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("_endpoints")]
EVENTS, SCHEMA = "/api/v1/audit/events", "/api/v1/schema"
VIEW = "credfirewall.view_auditevent"
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)


@pytest.fixture
def ada() -> User:
    return new_user("ada", VIEW, staff=True)


@pytest.fixture
def issued(ada: User) -> Issued:
    return keys.create(ada, "backup", ["audit:read"])


def bearing(text: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {text}"}


def get(text: str, path: str = EVENTS, client: Client | None = None) -> Any:
    return (client or Client()).get(path, headers=bearing(text), secure=True)


def recorded(name: str) -> list[tuple[Any, ...]]:
    return [
        (row.actor_type, row.subject_type, row.subject_id, json.loads(row.details))
        for row in AuditEvent.objects.filter(event=name).order_by("at", "id")
    ]


# Making them


def test_a_key_is_kept_as_a_digest(issued: Issued, ada: User) -> None:
    prefix, public, secret = issued.text.split("_")
    assert (prefix, len(public), len(secret)) == ("cfw", 16, 64)
    key = ApiKey.objects.get()
    assert (key.public_id, key.owner, key.name) == (public, ada, "backup")
    assert key.digest == hashlib.sha256(bytes.fromhex(secret)).hexdigest()
    assert key.scope_names == ("audit:read",)
    assert (key.used_at, key.revoked_at, key.expires_at) == (None, None, None)


@pytest.mark.parametrize(
    "name", ["", "x" * 65, "two\nlines", "\x1b[2J", "\u202e", "zero\u200bwidth", "\ud800"]
)
def test_a_name_is_shown_as_it_is(ada: User, name: str) -> None:
    with pytest.raises(ValidationError) as created:
        keys.create(ada, name, ["audit:read"])
    with pytest.raises(ValidationError) as issued:
        keys.issue(ApiKey(owner=ada, name=name))
    assert [*created.value.message_dict] == [*issued.value.message_dict] == ["name"]
    assert not (ApiKey.objects.exists() or AuditEvent.objects.exists())
    assert keys.create(ada, "für \N{SNOWMAN}").key.name == "für \N{SNOWMAN}"


class Late:
    """A router to a replica that is behind, or not there."""

    def db_for_read(self, model: object, **hints: object) -> str | None:
        return "replica" if model is ApiKey else None


def test_no_replica_says_what_a_key_opens(issued: Issued, settings: Settings) -> None:
    settings.DATABASE_ROUTERS = [f"{__name__}.Late"]
    assert find(issued.text) == issued.key
    assert get(issued.text).status_code == 200


def test_no_two_are_alike(ada: User) -> None:
    made = [keys.create(ada, "same") for _ in range(20)]
    assert len({each.key.public_id for each in made}) == len({each.text for each in made}) == 20


def test_the_secret_is_nowhere(ada: User, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with CaptureQueriesContext(connection) as queries:
        issued = keys.create(ada, "backup", ["audit:read"])
        assert get(issued.text).status_code == 200
        again = keys.rotate(issued.key)
        assert get(again.text).status_code == 200
    rows = [list(each) for each in AuditEvent.objects.values_list()]
    everything = f"{queries.captured_queries}{caplog.text}{rows}{list(ApiKey.objects.values())}"
    everything += f"{issued!r}{again!r}{issued.key!r}{issued.key}"
    for text in (issued.text, again.text):
        assert text.split("_")[2] not in everything
    assert issued.key.public_id in everything


def test_scopes_are_a_closed_list(ada: User) -> None:
    with pytest.raises(
        ScopeUnknown, match=r"there is no scope 'audit:write'; there are: .*audit:re"
    ):
        keys.create(ada, "x", ["audit:write", "audit:read"])
    assert not ApiKey.objects.exists()
    made = keys.create(ada, "x", [*SCOPES, *SCOPES])
    assert made.key.scope_names == tuple(SCOPES)


@pytest.mark.parametrize("name", ["", "Audit", "audit:", "audit read", "audit:read:all", "a\n"])
def test_a_scope_has_a_plain_name(name: str) -> None:
    with pytest.raises(ValueError, match="not the name"):
        register(name, "x")


# Signing in


def test_a_key_opens_what_its_owner_may_see(issued: Issued) -> None:
    assert get(issued.text).status_code == 200
    (row,) = AuditEvent.objects.filter(event="audit_read")
    assert (row.actor_type, row.actor_id) == ("api_key", issued.key.public_id)


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "  Bearer", "Bearer  "])
def test_the_scheme_is_not_case_sensitive(issued: Issued, scheme: str) -> None:
    headers = {"Authorization": f"{scheme} {issued.text} "}
    assert Client().get(EVENTS, headers=headers, secure=True).status_code == 200


def wrong_keys(text: str) -> list[str]:
    prefix, public, secret = text.split("_")
    flipped = "0" if secret[-1] != "0" else "1"
    return [
        "",
        "x",
        public,
        secret,
        text[:-1],
        text + "0",
        f"{prefix}_{public}_{secret[:-1]}{flipped}",
        f"{prefix}_{'0' * 16}_{secret}",
        f"{prefix}_{public}_{'0' * 64}",
        f"{prefix}_{public}_",
        f"{prefix}_{public}_{secret.upper()}Z"[:85],
        f"{prefix}_{public.upper()}_{secret}" if public.upper() != public else "x",
        f"xyz_{public}_{secret}",
        f"{text}, {text}",
        f"{text} {text}",
        f"{prefix}_{public}_{chr(0x660) * 64}",
        f"{text}\xe9",
    ]


def test_anything_else_is_401(issued: Issued, settings: Settings) -> None:
    settings.CREDFIREWALL = {**settings.CREDFIREWALL, "RATES": {"auth_failure": "1000/m"}}
    for text in wrong_keys(issued.text):
        response = get(text)
        check(response, 401, "authentication_failed")
        assert response["WWW-Authenticate"].startswith('Bearer realm="credfirewall"')


def test_a_wrong_key_never_falls_back_to_the_session(
    admin_client: Client, issued: Issued, settings: Settings
) -> None:
    settings.CREDFIREWALL = {**settings.CREDFIREWALL, "RATES": {"auth_failure": "1000/m"}}
    assert admin_client.get(EVENTS, secure=True).status_code == 200
    for text in wrong_keys(issued.text):
        check(get(text, client=admin_client), 401, "authentication_failed")
    keys.revoke(issued.key)
    check(get(issued.text, client=admin_client), 401, "authentication_failed")


def test_sessions_alone_do_not_make_up_for_a_key_that_nobody_reads(
    admin_client: Client, issued: Issued, settings: Settings
) -> None:
    sessions = ["credfirewall.api.authentication.SessionAuthentication"]
    settings.CREDFIREWALL = {**settings.CREDFIREWALL, "API_AUTHENTICATION": sessions}
    check(get(issued.text, client=admin_client), 401, "not_authenticated")


def test_a_key_needs_no_csrf_token_and_a_session_beside_it_lends_nothing(
    admin_user: User, ada: User
) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(admin_user)
    issued = keys.create(ada, "x", ["schema:read"])
    echo: Any = {"path": "/probe/echo", "data": "{}", "content_type": "application/json"}
    headers = bearing(issued.text)
    # Who it is counts for, not whose session: the probe names no scope at all.
    check(client.post(**echo, headers=headers, secure=True), 403, "scope_missing")


def test_scope_and_permission_are_both_needed(ada: User) -> None:
    check(get(keys.create(ada, "x", ["schema:read"]).text), 403, "scope_missing")
    check(get(keys.create(ada, "x").text), 403, "scope_missing")
    bob = new_user("bob", staff=True)
    check(get(keys.create(bob, "x", SCOPES).text), 403, "permission_denied")
    eve = new_user("eve", VIEW)
    check(get(keys.create(eve, "x", SCOPES).text), 403, "permission_denied")


def test_permissions_of_a_hosts_own_give_no_scope(ada: User, settings: Settings) -> None:
    signed_in = ["rest_framework.permissions.IsAuthenticated"]
    settings.CREDFIREWALL = {**settings.CREDFIREWALL, "API_PERMISSIONS": signed_in}
    check(get(keys.create(ada, "x", ["schema:read"]).text), 403, "scope_missing")


def test_what_the_owner_loses_the_key_loses(issued: Issued, ada: User) -> None:
    ada.user_permissions.clear()
    check(get(issued.text), 403, "permission_denied")
    ada.is_active = False
    ada.save()
    check(get(issued.text), 401, "authentication_failed")
    assert ApiKey.objects.select_related("owner").get().state() == "idle"


def test_a_key_that_has_expired_opens_nothing(ada: User) -> None:
    issued = keys.create(ada, "x", ["audit:read"], NOW)
    assert find(issued.text, NOW - timedelta(microseconds=1)) == issued.key
    assert find(issued.text, NOW) is None
    assert issued.key.state(NOW) == "expired"
    check(get(keys.create(ada, "x", ["audit:read"], NOW - DAY).text), 401, "authentication_failed")


# When it was used


def test_use_is_written_down_once_a_minute(
    issued: Issued, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for at, used in (
        (NOW, NOW),
        (NOW + MINUTE / 2, NOW),
        (NOW + MINUTE, NOW + MINUTE),
        (NOW + 1.5 * MINUTE, NOW + MINUTE),
    ):
        assert find(issued.text, at) == issued.key
        assert ApiKey.objects.get().used_at == used
    recent.forget()
    with django_assert_num_queries(1):
        find(issued.text, NOW + 1.9 * MINUTE)


def test_a_wrong_key_was_not_used(issued: Issued) -> None:
    assert find(issued.text[:-1] + ("0" if issued.text[-1] != "0" else "1")) is None
    keys.revoke(issued.key)
    assert find(issued.text) is None
    assert ApiKey.objects.get().used_at is None


def test_a_database_that_cannot_be_written_lets_the_key_in(
    issued: Issued, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise DatabaseError

    monkeypatch.setattr(QuerySet, "update", refuse)
    assert find(issued.text) == issued.key


# Rotating


def test_after_a_rotation_both_secrets_are_valid_for_a_while(issued: Issued) -> None:
    again = keys.rotate(issued.key, DAY)
    assert again.key.public_id == issued.key.public_id
    assert again.text != issued.text
    until = again.key.former_until
    assert until is not None
    assert find(issued.text, until - timedelta(microseconds=1)) == issued.key
    assert find(issued.text, until) is None
    assert find(again.text, until + DAY) == issued.key


def test_without_an_overlap_the_former_secret_is_void_at_once(issued: Issued) -> None:
    again = keys.rotate(issued.key, timedelta(0))
    assert find(issued.text) is None
    assert find(again.text) == issued.key
    assert ApiKey.objects.get().former_digest == ""


def test_of_two_rotations_only_the_last_overlaps(issued: Issued) -> None:
    second = keys.rotate(issued.key, DAY)
    third = keys.rotate(issued.key, DAY)
    assert find(issued.text) is None
    assert find(second.text) == find(third.text) == issued.key


@pytest.mark.parametrize("overlap", [timedelta(seconds=-1), timedelta(days=30, seconds=1)])
def test_an_overlap_has_bounds(issued: Issued, overlap: timedelta) -> None:
    with pytest.raises(KeyNotUsable, match="30 days"):
        keys.rotate(issued.key, overlap)
    assert find(issued.text) == issued.key


def test_what_is_over_is_not_rotated(issued: Issued, ada: User) -> None:
    expired = keys.create(ada, "x", expires_at=NOW - DAY)
    with pytest.raises(KeyNotUsable, match="expired"):
        keys.rotate(expired.key)
    keys.revoke(issued.key)
    with pytest.raises(KeyNotUsable, match="revoked"):
        keys.rotate(issued.key)  # which it does not know to be


# Revoking


def test_a_revoked_key_is_void_with_both_of_its_secrets(issued: Issued) -> None:
    again = keys.rotate(issued.key, DAY)
    assert keys.revoke(issued.key)
    assert find(issued.text) is None and find(again.text) is None
    key = ApiKey.objects.get()
    assert (key.digest, key.former_digest, key.state()) == ("", "", "revoked")
    assert not keys.revoke(issued.key)
    assert len(recorded("api_key_revoked")) == 1


def test_keys_go_with_their_owner_and_that_is_recorded(issued: Issued, ada: User) -> None:
    revoked = keys.create(ada, "y")
    keys.revoke(revoked.key)
    ada.delete()
    assert find(issued.text) is None
    assert [each[2] for each in recorded("api_key_revoked")] == [
        revoked.key.public_id,
        issued.key.public_id,
    ]


# The log


def test_what_happens_to_a_key_is_recorded(ada: User) -> None:
    soon = datetime.now(UTC) + DAY
    issued = keys.create(ada, "backup", ["audit:read"], soon, actor=ada)
    keys.rotate(issued.key, timedelta(hours=1), actor=ada)
    keys.revoke(issued.key, actor=ada)
    who = ("user", "api_key", issued.key.public_id)
    ((*parties, details),) = recorded("api_key_created")
    assert tuple(parties) == who
    assert 86_390 <= details.pop("seconds") <= 86_400
    assert details == {"owner": str(ada.pk), "scopes": ["audit:read"]}
    assert recorded("api_key_rotated") == [(*who, {"overlap": 3600})]
    assert recorded("api_key_revoked") == [(*who, {})]


def test_what_cannot_be_recorded_is_not_done(
    issued: Issued, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = list(ApiKey.objects.values())

    def refuse(*_: Any, **__: Any) -> None:
        raise DatabaseError

    monkeypatch.setattr(AuditEvent, "insert", refuse)
    with pytest.raises(AuditUnavailable):
        keys.create(ada, "x")
    with pytest.raises(AuditUnavailable):
        keys.rotate(issued.key)
    with pytest.raises(AuditUnavailable):
        keys.revoke(issued.key)
    with pytest.raises(AuditUnavailable), transaction.atomic():
        issued.key.delete()
    assert list(ApiKey.objects.values()) == before


def test_without_a_log_nothing_is_done(ada: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log, "_registered", [])
    with pytest.raises(LookupError):
        keys.create(ada, "x")
    assert not ApiKey.objects.exists()
