"""Metrics: what is counted, who may see it, and that nothing a person typed is in them."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import prometheus_client
import pytest
from django.contrib.auth.models import AnonymousUser, Permission, User
from django.core.exceptions import ValidationError
from django.http import HttpResponse
from django.test import RequestFactory
from pytest_django import Settings

from credfirewall import metrics
from credfirewall.audit import metrics as audit_metrics
from credfirewall.audit import record, sealing
from credfirewall.audit.events import Code, LimitHit, LoginRefused
from credfirewall.audit.models import AuditSeal
from credfirewall.exceptions import SourceUnavailable
from credfirewall.metrics import MOST, Counter, Reading, exposition
from credfirewall.screening import metrics as screening_metrics
from credfirewall.screening import screen
from credfirewall.screening.digest import Candidate
from credfirewall.screening.health import Health, State
from credfirewall.screening.sources import chain
from credfirewall.screening.steps import run
from credfirewall.screening.verdict import Answer
from credfirewall.testing import breached, unknown
from credfirewall.testing.faults import Status
from credfirewall.testing.server import RangeServer
from credfirewall.validators import BreachedPasswordValidator
from dev import ROOT
from tests.audit.outage import taking_no_rows
from tests.audit.seeding import add, ago
from tests.canary.detector import ascii_canary, leaks

CLEAN = "nobody has thought of this one"
EVENT = LoginRefused(reason=Code("exposed"))


def value(name: str, **labels: str) -> float:
    """What a metric of this process is now."""
    return prometheus_client.REGISTRY.get_sample_value(f"credfirewall_{name}", labels) or 0.0


class Growth:
    """How much a metric has grown since."""

    def __init__(self, name: str, **labels: str) -> None:
        self._name, self._labels = name, labels
        self._before = value(name, **labels)

    @property
    def now(self) -> float:
        return value(self._name, **self._labels) - self._before


def shown() -> dict[str, float]:
    """What is on the page, by name and labels."""
    lines = exposition()[0].decode().splitlines()
    samples = (line.rpartition(" ") for line in lines if not line.startswith("#"))
    return {name: float(number) for name, _, number in samples}


class TestChecks:
    def test_by_source_and_outcome(self) -> None:
        clean = Growth("checks_total", source="memory", outcome="clean")
        bad = Growth("checks_total", source="memory", outcome="breached")
        none = Growth("checks_total", source="none", outcome="unknown")
        why = Growth("checks_unknown_total", reason="timeout")
        with breached("x"):
            screen(CLEAN)
            screen(CLEAN)
            screen("x")
        with unknown("timeout"):
            screen(CLEAN)
        assert (clean.now, bad.now, none.now, why.now) == (2, 1, 1, 1)

    def test_how_long_they_take(self) -> None:
        number = Growth("check_seconds_count", outcome="clean")
        seconds = Growth("check_seconds_sum", outcome="clean")
        with breached():
            screen(CLEAN)
        assert number.now == 1
        assert 0 < seconds.now < 2

    def test_the_cache(self, settings: Settings) -> None:
        hits = Growth("cache_requests_total", result="hit")
        misses = Growth("cache_requests_total", result="miss")
        stale = Growth("cache_stale_total")
        with RangeServer() as server:
            settings.CREDFIREWALL = {"SOURCES": ["hibp"], "HIBP_URL": server.url}
            screen(CLEAN)
            screen(CLEAN)
            assert (misses.now, hits.now) == (1, 1)
            settings.CREDFIREWALL |= {"CACHE_TTL": 0}
            server.fault = Status(503)
            screen(CLEAN)
        assert (misses.now, hits.now, stale.now) == (2, 1, 1)

    def test_a_cache_that_fails(self, settings: Settings) -> None:
        failures = Growth("cache_failures_total")
        settings.CACHES = {"default": {"BACKEND": f"{__name__}.NoCache"}}
        settings.CREDFIREWALL = {"SOURCES": ["hibp"], "HIBP_URL": "http://127.0.0.1:9/range/"}
        screen(CLEAN)
        assert failures.now >= 1

    def test_a_source_and_its_breaker(self, settings: Settings) -> None:
        def states() -> list[float]:
            names = ("working", "degraded", "open")
            return [value("source_state", source="hibp", state=name) for name in names]

        opened = Growth("source_changes_total", source="hibp", state="open")
        chain.forget()
        with RangeServer() as server:
            settings.CREDFIREWALL = {"SOURCES": ["hibp"], "HIBP_URL": server.url}
            screen(CLEAN)
            assert (states(), value("breaker_open", source="hibp")) == ([1, 0, 0], 0)
            server.fault = Status(503)
            screen("first of several")
            assert (states(), value("breaker_open", source="hibp")) == ([0, 1, 0], 0)
            server.fault = Status(429)
            screen("second of several")
            assert (states(), value("breaker_open", source="hibp")) == ([0, 0, 1], 1)
        assert opened.now == 1

    def test_a_state_is_what_it_was_until_it_changes(self) -> None:
        health = Health("somewhere")
        changes = Growth("source_changes_total", source="somewhere", state="degraded")
        run(health.becomes(State.DEGRADED, "dns"))
        run(health.becomes(State.DEGRADED, "timeout"))
        assert changes.now == 1
        assert value("source_state", source="somewhere", state="degraded") == 1


class NoCache:
    """A cache that is not there."""

    def __init__(self, *_: object) -> None:
        """Take whatever a cache takes."""

    def __getattr__(self, name: str) -> Any:
        raise ConnectionError("gone")


@pytest.mark.django_db
class TestAudit:
    def test_events_by_name(self) -> None:
        events = Growth("audit_events_total", event="login_refused", outcome="refused")
        failures = Growth("audit_failures_total", event="login_refused")
        record(EVENT)
        assert (events.now, failures.now) == (1, 0)

    def test_what_could_not_be_stored_is_counted_without_any_handler(self) -> None:
        events = Growth("audit_events_total", event="login_refused", outcome="refused")
        failures = Growth("audit_failures_total", event="login_refused")
        with taking_no_rows():
            record(EVENT)
        assert (events.now, failures.now) == (0, 1)

    def test_limits_by_rate(self) -> None:
        hit = Growth("limits_hit_total", rate="check")
        record(LimitHit(rate=Code("check")))
        with taking_no_rows():
            record(LimitHit(rate=Code("check")))
        assert hit.now == 2

    def test_seal_lag_is_looked_up_when_it_is_wanted(self) -> None:
        assert shown()["credfirewall_audit_unsealed_rows"] == 0
        add(EVENT, ago(minutes=10))
        add(EVENT)
        assert shown()["credfirewall_audit_unsealed_rows"] == 2
        assert 600 <= shown()["credfirewall_audit_unsealed_seconds"] < 660
        list(sealing.seal("default"))
        assert shown()["credfirewall_audit_unsealed_rows"] == 0
        assert shown()["credfirewall_audit_unsealed_seconds"] == 0

    def test_an_old_row_counts_for_as_long_as_nothing_newer_is_sealed(self) -> None:
        AuditSeal.objects.update(at=ago(days=3))
        add(EVENT, ago(days=2))
        assert shown()["credfirewall_audit_unsealed_seconds"] > 172_000

    def test_a_page_counts_no_more_than_it_should(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(audit_metrics, "MOST_WAITING", 2)
        for minute in (5, 4, 3):
            add(EVENT, ago(minutes=minute))
        assert shown()["credfirewall_audit_unsealed_rows"] == 2
        assert shown()["credfirewall_audit_unsealed_seconds"] >= 300

    def test_it_takes_two_queries(self, django_assert_num_queries: Any) -> None:
        with django_assert_num_queries(2):
            exposition()


class TestRegistration:
    @pytest.fixture
    def asked(self, monkeypatch: pytest.MonkeyPatch) -> Callable[[metrics.LookUp], None]:
        monkeypatch.setattr(metrics, "_asked", {})
        return lambda look_up: metrics.asked("ours", look_up)

    def test_a_feature_adds_what_is_looked_up(
        self, asked: Callable[[metrics.LookUp], None]
    ) -> None:
        def deliveries() -> Iterator[Reading]:
            yield Reading("deliveries", "By state.", 3, {"state": "open"})
            yield Reading("deliveries", "By state.", 4, {"state": "used"})

        asked(deliveries)
        assert shown()['credfirewall_deliveries{state="open"}'] == 3
        assert shown()['credfirewall_deliveries{state="used"}'] == 4

    def test_one_that_fails_is_left_out(
        self, asked: Callable[[metrics.LookUp], None], caplog: pytest.LogCaptureFixture
    ) -> None:
        def failing() -> Iterator[Reading]:
            yield Reading("good", "Good.", 3)
            raise ValueError("canary 4711")

        monkeypatched = metrics._failing.copy()
        asked(failing)
        before = {name for name in shown() if "good" not in name}
        assert "credfirewall_good" not in shown()
        assert before
        assert caplog.text.count("The metric ours fails (ValueError).") == 1
        assert "4711" not in caplog.text
        metrics._failing.clear()
        metrics._failing.update(monkeypatched)

    def test_only_ours_are_on_the_page(self) -> None:
        prometheus_client.Counter("elsewhere_things", "Not ours.").inc()
        assert {name.split("_")[0] for name in shown()} <= {"credfirewall"}


class TestSafety:
    def test_no_text_becomes_a_label(self) -> None:
        canary = ascii_canary()
        counter = Counter(f"probe_{os.urandom(4).hex()}", "A probe.", "word")
        for text in (canary.text, "", "a b", "é", "x" * 65, "a\n", "\ud800"):
            counter.add(text)
        assert shown()[f'{counter._name}_total{{word="other"}}'] == 7
        assert leaks([canary], [exposition()[0]]) == []

    def test_words_are_bounded(self) -> None:
        counter = Counter(f"probe_{os.urandom(4).hex()}", "A probe.", "number")
        for number in range(MOST + 50):
            counter.add(str(number))
        mine = [name for name in shown() if name.startswith(f"{counter._name}_total")]
        assert len(mine) == MOST + 1

    @pytest.mark.django_db
    def test_a_password_is_nowhere_however_much_a_source_talks(self, settings: Settings) -> None:
        canary = ascii_canary()
        settings.CREDFIREWALL = {"SOURCES": [f"{__name__}.Talkative", "bundled"]}
        chain.forget()
        with pytest.raises(ValidationError), breached(canary.text):
            BreachedPasswordValidator().validate(canary.text, User(username=canary.text))
        screen(canary.text)
        screen(canary.words[0])
        assert value("source_state", source="talkative", state="degraded") == 1
        assert leaks([canary], [exposition()[0]], prefix=True) == []

    def test_a_reason_of_a_hosts_own_is_other(self) -> None:
        other = Growth("checks_unknown_total", reason="other")
        with unknown("hunter2"):
            screen(CLEAN)
        assert other.now == 1
        assert b"hunter2" not in exposition()[0]

    def test_counting_that_fails_is_nobodys_failure(
        self, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        def fail(self: Counter, labels: object) -> Any:
            raise OSError("no space left")

        monkeypatch.setattr(metrics, "_failing", set())
        monkeypatch.setattr(metrics.Metric, "_child", fail)
        with breached():
            assert screen(CLEAN).status == "clean"
            assert screen(CLEAN).status == "clean"
        assert caplog.text.count("The metric credfirewall_checks fails (OSError).") == 1


class Talkative:
    """A source whose reason is the password itself."""

    name = "talkative"
    authoritative = True

    def lookup(self, candidate: Candidate) -> Answer:
        raise SourceUnavailable(candidate.folded)


class TestView:
    """Staff with the permission, or a scraper on this machine; nobody else."""

    @staticmethod
    def ask(user: Any = None, **meta: Any) -> HttpResponse:
        request = RequestFactory().get("/metrics", **{"REMOTE_ADDR": "203.0.113.9"} | meta)
        request.user = user or AnonymousUser()
        return audit_metrics.view(request)

    LOCAL = {"REMOTE_ADDR": "127.0.0.1", "HTTP_HOST": "127.0.0.1:8000"}

    @pytest.mark.django_db
    @pytest.mark.parametrize("is_staff", [True, False])
    @pytest.mark.parametrize("may", [True, False])
    @pytest.mark.parametrize("is_active", [True, False])
    def test_people(self, is_staff: bool, may: bool, is_active: bool) -> None:
        user = User.objects.create_user("ann", is_staff=is_staff, is_active=is_active)
        if may:
            user.user_permissions.add(Permission.objects.get(codename="view_auditevent"))
        allowed = is_staff and may and is_active
        assert self.ask(user).status_code == (200 if allowed else 403)

    @pytest.mark.django_db
    @pytest.mark.parametrize(
        "meta",
        [
            LOCAL,
            LOCAL | {"HTTP_HOST": "localhost"},
            {"REMOTE_ADDR": "::1", "HTTP_HOST": "[::1]:8000"},
        ],
    )
    def test_a_scraper_on_this_machine(self, meta: dict[str, str]) -> None:
        assert self.ask(**meta).status_code == 200

    @pytest.mark.parametrize(
        "meta",
        [
            {},
            LOCAL | {"REMOTE_ADDR": "10.0.0.1"},
            LOCAL | {"REMOTE_ADDR": ""},
            LOCAL | {"HTTP_HOST": "www.example.com"},
            LOCAL | {"HTTP_HOST": "127.0.0.1.example.com"},
            LOCAL | {"HTTP_X_FORWARDED_FOR": "127.0.0.1"},
            LOCAL | {"HTTP_X_FORWARDED_PROTO": "https"},
            LOCAL | {"HTTP_FORWARDED": "for=127.0.0.1"},
            LOCAL | {"HTTP_X_REAL_IP": "127.0.0.1"},
            LOCAL | {"HTTP_VIA": "1.1 proxy"},
        ],
    )
    def test_others_and_what_a_proxy_forwards(self, meta: dict[str, str]) -> None:
        response = self.ask(**meta)
        assert response.status_code == 403
        assert b"credfirewall_" not in response.content

    @pytest.mark.django_db
    def test_what_is_sent(self) -> None:
        response = self.ask(**self.LOCAL)
        assert response["Content-Type"].startswith("text/plain; version=0.0.4")
        assert response["Cache-Control"] == "no-store"
        assert response["X-Content-Type-Options"] == "nosniff"
        accept = "application/openmetrics-text; version=1.0.0"
        response = self.ask(**self.LOCAL, HTTP_ACCEPT=accept)
        assert response["Content-Type"].startswith("application/openmetrics-text")
        assert response.content.endswith(b"# EOF\n")

    def test_it_is_only_read(self) -> None:
        assert audit_metrics.view(RequestFactory().post("/metrics")).status_code == 405

    def test_without_the_library_it_says_what_is_missing(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(metrics, "ENABLED", False)
        response = self.ask(**self.LOCAL)
        assert response.status_code == 404
        assert b"django-credfirewall[metrics]" in response.content


PRELUDE = """
import os, sys
import django
from django.conf import settings
settings.configure(
    SECRET_KEY="x" * 50, INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth",
    "credfirewall"], CREDFIREWALL={"SOURCES": ["bundled"]},
)
if "without" in sys.argv:
    sys.modules["prometheus_client"] = None
django.setup()
from credfirewall import metrics
from credfirewall.screening import screen
"""


def python(code: str, *arguments: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", PRELUDE + code, *arguments],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
class TestProcesses:
    def test_without_the_library_nothing_is_counted_and_all_works(self) -> None:
        said = python("print(metrics.ENABLED, screen('iloveyouiloveyou').status.value)", "without")
        assert said == "False breached\n"

    def test_the_library_is_loaded_when_something_is_counted(self) -> None:
        code = "print('prometheus_client' in sys.modules); screen('x' * 20); "
        assert python(code + "print('prometheus_client' in sys.modules)") == "False\nTrue\n"

    def test_many_processes_count_together(self, tmp_path: Path) -> None:
        several = {"PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
        code = "[screen('iloveyouiloveyou') for _ in range(int(sys.argv[1]))]"
        python(code, "3", **several)
        python(code, "4", **several)
        forked = """
screen('iloveyouiloveyou')
if not os.fork():
    screen('iloveyouiloveyou')
    os._exit(0)
os.wait()
metrics._asked.clear()
print(metrics.exposition()[0].decode())
"""
        said = python(forked, **several)
        line = 'credfirewall_checks_total{outcome="breached",source="bundled"}'
        assert f"{line} 9.0" in said
        assert 'credfirewall_check_seconds_count{outcome="breached"} 9.0' in said
        assert 'credfirewall_source_state{source="bundled",state="working"} 4.0' in said

    def test_a_folder_that_is_gone_stops_no_check(self, tmp_path: Path) -> None:
        several = {"PROMETHEUS_MULTIPROC_DIR": str(tmp_path / "gone")}
        said = python("print(screen('iloveyouiloveyou').status.value)", **several)
        assert said == "breached\n"


def test_every_metric_is_described_and_no_other() -> None:
    text = (ROOT / "docs/metrics.md").read_text(encoding="utf-8")
    described = {
        name: (kind, re.findall(r"`(\w+)`", labels))
        for name, kind, labels in re.findall(
            r"^\| `credfirewall_(\w+)` \| (\w+) \| ([^|]*)\|", text, re.MULTILINE
        )
    }
    declared = {}
    for module in (screening_metrics, audit_metrics):
        for each in vars(module).values():
            if isinstance(each, metrics.Metric):
                name = each._name.removeprefix("credfirewall_")
                total = "_total" * (each.kind == "Counter")
                declared[name + total] = (each.kind.lower(), list(each._labels))
    declared |= {f"audit_unsealed_{unit}": ("gauge", []) for unit in ("rows", "seconds")}
    assert described == declared


def test_alerts_name_what_there_is() -> None:
    text = (ROOT / "docs/metrics.md").read_text(encoding="utf-8")
    rows = set(re.findall(r"^\| `(credfirewall_\w+)`", text, re.MULTILINE))
    assert {
        name for name in re.findall(r"\bcredfirewall_\w+", text) if name != "credfirewall_"
    } <= rows


def test_details_of_limits_are_json() -> None:
    """What the counter reads."""
    assert json.loads(LimitHit(rate=Code("check")).canonical_details()) == {"rate": "check"}
