"""The audit log: what is recorded, that it stays as it was, and where else it is kept."""

import logging

from django.conf import settings
from django.utils.translation import gettext_lazy as _

from credfirewall import audit_checks
from credfirewall.audit.events import EVENTS
from credfirewall.audit.models import AuditEvent
from credfirewall.clauses.looking import built_in, by_checks, is_silenced
from credfirewall.conf import conf
from credfirewall.conformance import PCI, Finding, Force, Row, State, host, met, not_met

NOWHERE = (logging.NullHandler,)


def inventory() -> Finding:
    """The middleware, which tells who acts. Its own check is silent while DEBUG is on."""
    if audit_checks.MIDDLEWARE in settings.MIDDLEWARE:
        return met(f"{len(EVENTS)} events, UTC, {audit_checks.MIDDLEWARE}")
    if is_silenced("credfirewall.W019"):
        return host("credfirewall.W019", _("Give `record` the request or the actor yourself."))
    fix = _("Add AuditMiddleware to MIDDLEWARE, after AuthenticationMiddleware.")
    return not_met(f"MIDDLEWARE: {audit_checks.MIDDLEWARE} -", fix)


def sign_ins() -> Finding:
    fix = _("Have sign-ins that succeed and fail recorded, by Django's signals or your own log.")
    return host(f"{len(EVENTS)} events", fix)


def tamper_evident() -> Finding:
    alias = AuditEvent.objects.db
    found = by_checks(
        f"AUDIT_KEY, AUDIT_ANCHOR, {alias}: triggers",
        audit_checks.check_key,
        audit_checks.check_key_is_there_in_production,
        audit_checks.check_triggers,
        databases=[alias],
    )
    if found.state is State.MET and conf.AUDIT_ANCHOR is None:
        fix = _("Set AUDIT_ANCHOR to a file that the database's owner cannot write.")
        return not_met(f"AUDIT_ANCHOR = {conf.AUDIT_ANCHOR}", fix)
    return found


def elsewhere() -> Finding:
    logger: logging.Logger | None = logging.getLogger("credfirewall.audit")
    handlers: list[logging.Handler] = []
    while logger is not None:
        handlers += logger.handlers
        logger = logger.parent if logger.propagate else None
    kinds = [type(each).__name__ for each in handlers if not isinstance(each, NOWHERE)]
    if kinds:
        return met(f"LOGGING: credfirewall.audit: {', '.join(kinds)}")
    fix = _("Send what the logger credfirewall.audit says to another place, with LOGGING.")
    return not_met("LOGGING: credfirewall.audit: -", fix)


def retention() -> Finding:
    evidence = f"AUDIT_RETENTION_DAYS = {conf.AUDIT_RETENTION_DAYS}"
    return by_checks(evidence, audit_checks.check_retention)


AREA = "audit"
ROWS = (
    Row(
        "audit-inventory",
        AREA,
        ("ASVS 16.1.1", "ASVS 16.2.1", "ASVS 16.2.2", "ASVS 16.2.3", "ASVS 16.2.4"),
        _("There is a list of events, and each says who, what, when (UTC) and from where."),
        inventory,
    ),
    Row(
        "audit-no-secrets",
        AREA,
        ("ASVS 16.2.5", "OWASP Logging Cheat Sheet"),
        _("No event holds a password or a token."),
        built_in,
    ),
    Row(
        "audit-sign-ins",
        AREA,
        ("ASVS 16.3.1", "ASVS 16.3.2", "ASVS 16.3.3", "ASVS 16.3.4"),
        _("Sign-ins, refusals, attempts to get around controls, and failures are recorded."),
        sign_ins,
    ),
    Row(
        "audit-encoded",
        AREA,
        ("ASVS 16.4.1", "ASVS 1.2.10"),
        _("Nothing in an event forges a line of a log, or is run by a spreadsheet."),
        built_in,
    ),
    Row(
        "audit-tamper-evident",
        AREA,
        ("ASVS 16.4.2", "PCI DSS 10.3"),
        _("Events cannot be changed unseen: they are authenticated, sealed and fenced."),
        tamper_evident,
    ),
    Row(
        "audit-elsewhere",
        AREA,
        ("ASVS 16.4.3", "PCI DSS 10.3.3"),
        _("Events are kept in another place as well."),
        elsewhere,
    ),
    Row(
        "audit-retention",
        AREA,
        ("PCI DSS 10.5.1",),
        _("Events are kept for twelve months."),
        retention,
        profiles=frozenset({PCI}),
    ),
    Row(
        "audit-survives",
        AREA,
        ("OWASP Logging Cheat Sheet",),
        _("A log that fails does not break the site, and who reads the log is in it."),
        built_in,
        Force.SHOULD,
    ),
)
