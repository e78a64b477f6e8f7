"""Rate limits: exact under concurrency, in the right order, and honest about when to come back."""

import json
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from django.conf import settings as project
from django.contrib.auth.models import User
from django.test import Client
from django.urls import URLPattern
from pytest_django import DjangoAssertNumQueries, Settings

from credfirewall.api import keys, limits
from credfirewall.api.limits import AVOID, SLOW, Bucket, Outage
from credfirewall.api.scopes import SCOPES
from credfirewall.audit.models import AuditEvent
from credfirewall.conf import DEFAULT_RATES, conf
from credfirewall.urls import urlpatterns
from dev import ROOT
from tests.api.conftest import new_user
from tests.api.limiter import EACH, THREADS
from tests.api.test_problems import check
from tests.conftest import redis_cache
from tests.servers import Server

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("_endpoints")]
EVENTS, SCHEMA = "/api/v1/audit/events", "/api/v1/schema"
HERE: Any = {"secure": True}
PROCESSES = 4
HIT = "limit_hit"


class Clock:
    """What django-ratelimit takes for the time; its windows of a minute end within the minute."""

    now = 1_800_000_000.5

    def time(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("django_ratelimit.core.time", clock)
    return clock


def rates(settings: Settings, **changed: str) -> None:
    settings.CREDFIREWALL = {**project.CREDFIREWALL, "RATES": changed}


def asked(client: Client, times: int, path: str = SCHEMA, **how: Any) -> list[int]:
    return [client.get(path, **{**HERE, **how}).status_code for _ in range(times)]


def hits() -> list[tuple[str, str, str]]:
    rows = AuditEvent.objects.filter(event=HIT).order_by("at")
    return [(json.loads(row.details)["rate"], row.actor_type, row.actor_id) for row in rows]


def field(response: Any, name: str) -> dict[str, dict[str, int]]:
    """The items of a structured field, by name, with their parameters."""
    items = {}
    for item in response[name].split(", "):
        match = re.fullmatch(r'"([a-z_-]+)"((?:;[a-z]=\d+)+)', item)
        assert match, item
        pairs = (each.split("=") for each in match[2].strip(";").split(";"))
        items[match[1]] = {key: int(value) for key, value in pairs}
    return items


# Counting


def test_never_one_more_than_the_limit(valkey: Server) -> None:
    """Four processes of 24 threads each, at once, on one Valkey."""
    crew = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.api.limiter", valkey.url],
            cwd=ROOT,
            env={
                **os.environ,
                "DJANGO_SETTINGS_MODULE": "tests.settings",
                "DATABASE_URL": "sqlite:///:memory:",  # that of the test is locked by it
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(PROCESSES)
    ]
    for process in crew:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in crew:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    statuses: Counter[str] = Counter()
    events: Counter[str] = Counter()
    for process in crew:
        told = json.loads(process.communicate()[0])
        statuses.update(told[0])
        events.update(told[1])
    assert statuses == {"200": 30, "429": PROCESSES * THREADS * EACH - 30}
    assert events == {HIT: 1}


@pytest.mark.parametrize("backend", ["memory", "valkey"])
def test_the_limit_passes_and_no_more(
    admin_client: Client, settings: Settings, request: pytest.FixtureRequest, backend: str
) -> None:
    if backend == "valkey":
        request.getfixturevalue("valkey_cache")
    rates(settings, docs="3/d")
    assert asked(admin_client, 5) == [200, 200, 200, 429, 429]


def test_an_address_is_counted_for_itself(client: Client, settings: Settings) -> None:
    rates(settings, health="2/d")
    assert asked(client, 3, "/healthz", REMOTE_ADDR="198.51.100.7") == [200, 200, 429]
    assert asked(client, 3, "/healthz", REMOTE_ADDR="198.51.100.8") == [200, 200, 429]


def test_an_ipv6_address_is_its_network(client: Client, settings: Settings) -> None:
    rates(settings, health="2/d")
    one, two, other = "2001:db8:0:1::1", "2001:db8:0:1:ffff::2", "2001:db8:0:2::1"
    assert asked(client, 1, "/healthz", REMOTE_ADDR=one) == [200]
    assert asked(client, 2, "/healthz", REMOTE_ADDR=two) == [200, 429]
    assert asked(client, 1, "/healthz", REMOTE_ADDR=other) == [200]
    mapped = {"REMOTE_ADDR": "::ffff:198.51.100.7"}
    assert asked(client, 2, "/healthz", **mapped) == [200, 200]
    assert asked(client, 1, "/healthz", REMOTE_ADDR="198.51.100.7") == [429]


def test_what_a_client_says_of_its_address_is_not_believed(
    client: Client, settings: Settings
) -> None:
    rates(settings, health="1/d")
    far: Any = {"REMOTE_ADDR": "10.0.0.1"}
    assert asked(client, 1, "/healthz", HTTP_X_FORWARDED_FOR="203.0.113.1", **far) == [200]
    assert asked(client, 1, "/healthz", HTTP_X_FORWARDED_FOR="203.0.113.2", **far) == [429]
    settings.CREDFIREWALL["TRUSTED_PROXIES"] = 1
    assert asked(client, 1, "/healthz", HTTP_X_FORWARDED_FOR="9.9.9.9, 203.0.113.1", **far) == [200]
    assert asked(client, 1, "/healthz", HTTP_X_FORWARDED_FOR="8.8.8.8, 203.0.113.1", **far) == [429]


def test_without_an_address_all_are_one(client: Client, settings: Settings) -> None:
    rates(settings, health="1/d")
    assert asked(client, 2, "/healthz", REMOTE_ADDR="") == [200, 429]


def test_a_user_is_counted_wherever_they_are(settings: Settings) -> None:
    rates(settings, docs="2/d")
    clients = [Client(), Client(), Client()]
    ada, bob = new_user("ada"), new_user("bob")
    for client, user in zip(clients, (ada, ada, bob), strict=True):
        client.force_login(user)
    assert asked(clients[0], 2, REMOTE_ADDR="198.51.100.1") == [200, 200]
    assert asked(clients[1], 1, REMOTE_ADDR="198.51.100.2") == [429]
    assert asked(clients[2], 1, REMOTE_ADDR="198.51.100.3") == [200]
    assert hits() == [("docs", "user", str(ada.pk))]


def test_a_key_is_counted_and_its_owner(client: Client, settings: Settings) -> None:
    rates(settings, docs="2/d")
    ada = new_user("ada")
    one, two = (keys.create(ada, name, ["schema:read"]) for name in ("one", "two"))
    said: list[Any] = [{"headers": {"Authorization": f"Bearer {each.text}"}} for each in (one, two)]
    assert asked(client, 1, REMOTE_ADDR="198.51.100.1", **said[0]) == [200]
    assert asked(client, 1, REMOTE_ADDR="198.51.100.2", **said[0]) == [200]
    assert asked(client, 1, REMOTE_ADDR="198.51.100.3", **said[0]) == [429]
    assert asked(client, 1, REMOTE_ADDR="198.51.100.4", **said[1]) == [429]
    assert hits() == [
        ("docs", "api_key", one.key.public_id),
        ("docs", "api_key", two.key.public_id),
    ]


def test_rates_are_counted_apart(admin_client: Client, settings: Settings) -> None:
    rates(settings, docs="1/d")
    assert asked(admin_client, 2) == [200, 429]
    assert asked(admin_client, 1, EVENTS) == [200]


@pytest.mark.parametrize("wrong", ["often", 5, None])
def test_a_mistyped_rate_counts_as_usual(
    admin_client: Client, settings: Settings, wrong: Any
) -> None:
    rates(settings, docs=wrong, auth_failure=wrong)
    response = admin_client.get(SCHEMA, **HERE)
    assert response.status_code == 200
    assert field(response, "RateLimit-Policy")["docs-address"] == {"q": 60, "w": 60}
    check(Client().get(SCHEMA, headers=WRONG, **HERE), 401, "authentication_failed")


def test_what_cannot_be_counted_for_anybody_is_a_problem(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_meta: object) -> str:
        raise RuntimeError

    monkeypatch.setattr(limits, "address_bucket", fail)
    check(client.get("/healthz"), 500, "internal_error")


# The order


def test_an_address_beyond_its_limit_is_not_asked_who_it_is(
    admin_client: Client, settings: Settings, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    rates(settings, health="1/d")
    where: Any = {"path": "/probe/echo", "content_type": "application/json", **HERE}
    assert admin_client.post(data="{}", **where).status_code == 200
    assert admin_client.post(data="{}", **where).status_code == 429  # which is recorded
    with django_assert_num_queries(0):
        check(admin_client.post(data="{" * 100_000, **where), 429, "rate_limited")


def test_a_user_beyond_their_limit_does_not_have_a_body_read(settings: Settings) -> None:
    rates(settings, health="1/d")
    client = Client()
    client.force_login(new_user("ada"))
    where: Any = {"path": "/probe/echo", "content_type": "application/json", **HERE}
    assert client.post(data="{}", REMOTE_ADDR="198.51.100.1", **where).status_code == 200
    response = client.post(data="{" * 100_000, REMOTE_ADDR="198.51.100.2", **where)
    check(response, 429, "rate_limited")


@pytest.mark.parametrize("method", ["OPTIONS", "HEAD"])
def test_every_method_counts(admin_client: Client, settings: Settings, method: str) -> None:
    rates(settings, docs="1/d")
    assert admin_client.generic(method, SCHEMA, **HERE).status_code in {200, 204}
    assert asked(admin_client, 1) == [429]


# Credentials that are wrong


WRONG = {"Authorization": f"Bearer cfw_{'0' * 16}_{'0' * 64}"}
BASIC = "rest_framework.authentication.BasicAuthentication"


def test_whoever_guesses_has_a_limit_of_their_own(client: Client, settings: Settings) -> None:
    rates(settings, auth_failure="3/d")
    right = {"Authorization": f"Bearer {keys.create(new_user('ada'), 'x', ['schema:read']).text}"}
    assert asked(client, 5, headers=WRONG) == [401, 401, 401, 429, 429]
    # Else a guess that is right would be the one that is let through.
    response = client.get(SCHEMA, headers=right, **HERE)
    check(response, 429, "rate_limited")
    assert field(response, "RateLimit")["auth_failure-address"]["r"] == 0
    assert asked(client, 1, headers=right, REMOTE_ADDR="198.51.100.9") == [200]
    assert hits() == [("auth_failure", "", "")]


def test_the_guess_after_the_last_is_not_looked_at(client: Client, settings: Settings) -> None:
    rates(settings, auth_failure="2/d")
    right = {"Authorization": f"Bearer {keys.create(new_user('ada'), 'x', ['schema:read']).text}"}
    assert asked(client, 2, headers=WRONG) == [401, 401]
    assert asked(client, 2, headers=right) == [429, 429]
    assert hits() == [("auth_failure", "", "")]


def test_a_session_beside_a_guesser_goes_on(admin_client: Client, settings: Settings) -> None:
    rates(settings, auth_failure="1/d")
    assert asked(Client(), 2, headers=WRONG) == [401, 429]
    assert asked(admin_client, 1) == [200]


def test_who_is_right_uses_up_no_failures(client: Client, settings: Settings) -> None:
    rates(settings, auth_failure="1/d")
    right = {"Authorization": f"Bearer {keys.create(new_user('ada'), 'x', ['schema:read']).text}"}
    assert asked(client, 3, headers=right) == [200, 200, 200]
    assert asked(client, 2) == [401, 401]  # nor who says nothing


def test_passwords_of_a_hosts_own_class_cannot_be_guessed_at(
    client: Client, admin_user: User, settings: Settings
) -> None:
    rates(settings, auth_failure="2/d")
    settings.CREDFIREWALL["API_AUTHENTICATION"] = [BASIC]
    wrong = {"Authorization": "Basic YWRtaW46d3Jvbmc="}
    assert asked(client, 3, headers=wrong) == [401, 401, 429]
    right = {"Authorization": "Basic YWRtaW46cGFzc3dvcmQ="}
    assert asked(client, 1, headers=right) == [429]


# What is said


def test_every_answer_says_what_is_left(
    admin_client: Client, settings: Settings, clock: Clock
) -> None:
    rates(settings, audit="2/m")
    first, second = (admin_client.get(f"{EVENTS}?limit={n}", **HERE) for n in ("1", "wrong"))
    assert (first.status_code, second.status_code) == (200, 400)
    names = {"audit-address", "audit-user"}
    for response, left in ((first, 1), (second, 0)):
        policy, usage = field(response, "RateLimit-Policy"), field(response, "RateLimit")
        assert policy == {name: {"q": 2, "w": 60} for name in names}
        assert set(usage) == names
        assert all(each["r"] == left and 0 < each["t"] <= 60 for each in usage.values())


def test_nobody_comes_back_too_early(client: Client, settings: Settings, clock: Clock) -> None:
    rates(settings, health="1/m")
    for _ in range(3):
        assert asked(client, 1, "/healthz") == [200]
        refused = client.get("/healthz", **HERE)
        check(refused, 429, "rate_limited")
        wait = int(refused["Retry-After"])
        assert wait == field(refused, "RateLimit")["health-address"]["t"]
        assert 0 < wait <= 60
        clock.now += wait - 1
        assert asked(client, 1, "/healthz") == [429]
        clock.now += 1


@pytest.mark.parametrize("rate", ["1/s", "1/2s", "1/h", "1/7d"])
def test_a_window_of_any_length_ends_when_it_says(
    client: Client, settings: Settings, clock: Clock, rate: str
) -> None:
    rates(settings, health=rate)
    assert asked(client, 1, "/healthz") == [200]
    clock.now += int(client.get("/healthz", **HERE)["Retry-After"])
    assert asked(client, 1, "/healthz") == [200]


def test_plain_http_is_refused_before_anything_is_counted(client: Client) -> None:
    response = client.get(SCHEMA, REMOTE_ADDR="198.51.100.7")
    check(response, 403, "https_required")
    assert "RateLimit" not in response


# The log


def test_the_first_refusal_of_a_window_is_recorded(
    client: Client, settings: Settings, clock: Clock
) -> None:
    rates(settings, health="1/m")
    for windows in (1, 2):
        assert asked(client, 4, "/healthz")[1:] == [429] * 3
        assert hits() == [("health", "", "")] * windows
        clock.now += 60
    (row,) = AuditEvent.objects.filter(event=HIT)[:1]
    assert row.outcome == "refused"
    assert row.address == "127.0.0.0/24"


# Without a cache


@pytest.fixture(params=["dead", "ignored", "fail-open"])
def _broken(request: pytest.FixtureRequest, settings: Settings, own_valkey: Server) -> None:
    """A Valkey that is gone, and ways to have it gone unnoticed."""
    cache = redis_cache(own_valkey)
    options: Any = cache["OPTIONS"]
    options["IGNORE_EXCEPTIONS"] = request.param == "ignored"
    settings.RATELIMIT_FAIL_OPEN = request.param == "fail-open"
    settings.CACHES = {"default": cache}
    own_valkey.stop()


@pytest.mark.usefixtures("_broken")
@pytest.mark.parametrize(("how", "status"), [("open", 200), ("closed", 503)])
def test_a_dead_cache_means_what_the_site_says(
    client: Client,
    settings: Settings,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    how: str,
    status: int,
) -> None:
    monkeypatch.setattr(limits, "outage", Outage())
    rates(settings, health="1/d")
    settings.CREDFIREWALL["RATES_ON_FAILURE"] = {"health": how}
    assert asked(client, 3, "/healthz") == [status] * 3
    response = client.get("/healthz", **HERE)
    if status == 503:
        check(response, 503, "limits_unavailable")
    assert "RateLimit" not in response
    told = [each for each in caplog.records if each.name == "credfirewall.api"]
    assert len(told) == 1 and "RATES_ON_FAILURE" in told[0].getMessage()


def test_what_could_be_guessed_at_is_closed(settings: Settings) -> None:
    settings.CREDFIREWALL = {}
    closed = {name for name in DEFAULT_RATES if conf.closed_without_cache(name)}
    assert closed == {"check", "redeem"}
    settings.CREDFIREWALL = {"RATES_ON_FAILURE": {"check": "open", "generate": "closed"}}
    closed = {name for name in DEFAULT_RATES if conf.closed_without_cache(name)}
    assert closed == {"generate", "redeem"}


def test_a_cache_that_fails_slowly_is_left_alone_for_a_while(
    monkeypatch: pytest.MonkeyPatch, rf: Any, caplog: pytest.LogCaptureFixture
) -> None:
    now, calls = [0.0], []

    def fail(*_: Any) -> None:
        calls.append(now[0])
        now[0] += SLOW
        raise OSError

    counted = limits._counted
    monkeypatch.setattr(limits, "_counted", fail)
    outage, bucket, request = Outage(lambda: now[0]), Bucket("health", "address", "x"), rf.get("/")
    for _ in range(3):
        assert outage.count(bucket, request) is None
    assert calls == [0.0]
    now[0] += AVOID
    monkeypatch.setattr(limits, "_counted", counted)
    caplog.set_level("INFO", "credfirewall.api")
    usage = outage.count(bucket, request)
    assert usage is not None and usage.count == 1
    assert [each.levelname for each in caplog.records] == ["ERROR", "INFO"]


def test_a_host_can_switch_them_off(client: Client, settings: Settings) -> None:
    rates(settings, health="1/d")
    settings.RATELIMIT_ENABLE = False
    settings.CREDFIREWALL["RATES_ON_FAILURE"] = {"health": "closed"}
    assert asked(client, 3, "/healthz") == [200] * 3


def test_nothing_in_the_cache_says_who_asked(
    client: Client, settings: Settings, valkey_cache: Any
) -> None:
    assert asked(client, 1, "/healthz", REMOTE_ADDR="198.51.100.77") == [200]
    found = valkey_cache.keys("*")
    assert len(found) == 1
    assert "198.51" not in found[0]
    assert 0 < valkey_cache.ttl(found[0]) <= 65


# Every view


def view_of(pattern: URLPattern) -> Any:
    view: Callable[..., Any] = pattern.callback
    return view.view_class  # type: ignore[attr-defined]  # what as_view() sets


@pytest.mark.parametrize("pattern", urlpatterns, ids=lambda pattern: pattern.name)
def test_an_endpoint_has_a_rate_and_a_scope_that_exist(pattern: URLPattern) -> None:
    view = view_of(pattern)
    assert view.scope in set(DEFAULT_RATES) - {"hibp", limits.AUTH_FAILURE}
    assert view.key_scope in SCOPES or (view.public and not view.key_scope)


def test_every_scope_opens_something() -> None:
    assert set(SCOPES) == {view_of(each).key_scope for each in urlpatterns} - {""}


def test_a_view_without_a_rate_answers_nothing(rf: Any) -> None:
    from credfirewall.api.views import ApiView

    response = ApiView.as_view()(rf.get("/"))
    assert (response.status_code, json.loads(response.content)["code"]) == (500, "internal_error")
