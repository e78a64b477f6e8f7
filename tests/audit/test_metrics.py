"""What the log counts, and who may see the page with all metrics."""

from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser, Permission, User
from django.http import HttpResponse
from django.test import RequestFactory

from credfirewall import metrics
from credfirewall.audit import metrics as audit_metrics
from credfirewall.audit import record, sealing
from credfirewall.audit.events import Code, LimitHit, LoginRefused
from credfirewall.audit.models import AuditSeal
from credfirewall.metrics import exposition
from tests.audit.outage import taking_no_rows
from tests.audit.seeding import add, ago
from tests.metering import Growth, shown

EVENT = LoginRefused(reason=Code("exposed"))


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
