"""What the log counts."""

from typing import Any

import pytest

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
