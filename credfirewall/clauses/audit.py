"""The audit log: what is recorded, that it stays as it was, and where else it is kept."""

import logging
from collections.abc import Iterator
from logging.handlers import HTTPHandler, SocketHandler, SysLogHandler

from django.conf import settings
from django.db import connections
from django.utils.translation import gettext_lazy as _

from credfirewall import audit_checks
from credfirewall.audit import triggers
from credfirewall.audit.events import EVENTS
from credfirewall.audit.models import AuditEvent
from credfirewall.clauses.looking import built_in, by_checks, is_silenced, reads
from credfirewall.conf import conf
from credfirewall.conformance import PCI, Finding, Force, Row, State, host, met, not_met

LOOPBACK = ("", "localhost", "127.0.0.1", "::1")


def inventory() -> Finding:
    """The middleware, which tells who acts. Its own check is silent while DEBUG is on."""
    names = (audit_checks.AUTHENTICATION, audit_checks.MIDDLEWARE)
    if [each for each in settings.MIDDLEWARE if each in names] == [*names]:
        return met(f"{len(EVENTS)} events, UTC, {audit_checks.MIDDLEWARE}")
    if is_silenced("credfirewall.W019"):
        return host("credfirewall.W019", _("Give `record` the request or the actor yourself."))
    fix = _("Add AuditMiddleware to MIDDLEWARE, after AuthenticationMiddleware.")
    there = [each for each in settings.MIDDLEWARE if each in names]
    return not_met(f"MIDDLEWARE: {', '.join(there) or '-'}", fix)


def sign_ins() -> Finding:
    fix = _("Have sign-ins that succeed and fail recorded, by Django's signals or your own log.")
    return host(f"{len(EVENTS)} events", fix)


@reads("AUDIT_KEY", "AUDIT_ANCHOR")
def tamper_evident() -> Finding:
    alias, table = AuditEvent.objects.db, AuditEvent._meta.db_table
    connection = connections[alias]
    if table not in connection.introspection.table_names():
        return not_met(f"{alias}: {table} -", _("Run `manage.py migrate`."))
    # For its error, if it has one: the check passes over a database that cannot be read.
    triggers.missing(connection)
    found = by_checks(
        f"AUDIT_KEY, AUDIT_ANCHOR, {alias}: triggers",
        audit_checks.check_key,
        audit_checks.check_key_is_there_in_production,
        audit_checks.check_triggers,
        databases=[alias],
    )
    if found.state is State.MET and not conf.AUDIT_KEY:
        return not_met("AUDIT_KEY: -", audit_checks.MAKE_ONE)
    if found.state is State.MET and conf.AUDIT_ANCHOR is None:
        fix = _("Set AUDIT_ANCHOR to a file that the database's owner cannot write.")
        return not_met(f"AUDIT_ANCHOR = {conf.AUDIT_ANCHOR}", fix)
    if found.state is State.MET and not triggers.statements(connection.vendor):
        fix = _("Keep the log append-only by means of your database, which is not known here.")
        return host(f"{alias}: {connection.vendor}", fix)
    return found


def elsewhere() -> Finding:
    """What handles an event, which is said at the level INFO."""
    logger = logging.getLogger("credfirewall.audit")
    handlers = [*_handlers(logger)] if logger.isEnabledFor(logging.INFO) else []
    told = ", ".join(type(each).__name__ for each in handlers) or "-"
    evidence = f"LOGGING: credfirewall.audit, INFO: {told}"
    if not handlers:
        fix = _("Send what the logger credfirewall.audit says to another place, with LOGGING.")
        return not_met(evidence, fix)
    # Ours counts what passes, and keeps nothing back.
    own = [each for each in logger.filters if not type(each).__module__.startswith("credfirewall.")]
    if own or not any(_is_remote(each) for each in handlers):
        fix = _("See that what these handlers take leaves this machine, event for event.")
        return host(evidence, fix)
    return met(evidence)


def _handlers(logger: logging.Logger) -> Iterator[logging.Handler]:
    """Yield those that take what is said at the level INFO."""
    each: logging.Logger | None = logger
    while each is not None:
        for handler in each.handlers:
            if handler.level <= logging.INFO and not isinstance(handler, logging.NullHandler):
                yield handler
        each = each.parent if each.propagate else None


def _is_remote(handler: logging.Handler) -> bool:
    """Whether ``handler`` sends all that it is given to another machine."""
    if isinstance(handler, SysLogHandler):
        address: object = handler.address
        place = address[0] if isinstance(address, tuple) else ""
    elif isinstance(handler, HTTPHandler):
        place = handler.host.rpartition(":")[0] or handler.host
    elif isinstance(handler, SocketHandler):
        place = handler.host if handler.port is not None else ""
    else:
        return False
    return not handler.filters and place.strip("[]") not in LOOPBACK


@reads("AUDIT_ON_FAILURE")
def survives() -> Finding:
    if conf.AUDIT_ON_FAILURE == "log":
        return built_in()
    fix = _("Remove it, unless nothing may be done of which there is no record.")
    return not_met(f"AUDIT_ON_FAILURE = {conf.AUDIT_ON_FAILURE!r}", fix)


@reads("AUDIT_RETENTION_DAYS")
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
        survives,
        Force.SHOULD,
    ),
)
