"""What the log listens to. Connected once the apps are ready."""

import contextlib
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.signals import request_finished
from django.db import router
from django.db.models.signals import post_migrate, pre_migrate

from credfirewall.audit import chain, sealing, services, triggers
from credfirewall.audit.events import NOBODY, Code, Event, ScreeningDegraded, ScreeningRecovered
from credfirewall.audit.models import AuditSeal
from credfirewall.signals import source_degraded


def connect() -> None:
    """Follow migrations, the ends of requests and committed rows."""
    from django.apps import apps

    identity = "credfirewall.audit"
    config = apps.get_app_config("credfirewall")
    pre_migrate.connect(_migrating, sender=config, dispatch_uid=identity)
    post_migrate.connect(_migrated, sender=config, dispatch_uid=identity)
    request_finished.connect(_finished, dispatch_uid=identity)
    source_degraded.connect(_changed, dispatch_uid=identity)
    services.AFTER_COMMIT[:] = [sealing.after_commit]


def _migrating(using: str, plan: Any = None, **_signal: Any) -> None:
    if plan and router.allow_migrate_model(using, AuditSeal):
        triggers.before_migrate(using)


def _migrated(using: str, **_signal: Any) -> None:
    chain.forget()
    services.forget_identities()
    if router.allow_migrate_model(using, AuditSeal):
        triggers.after_migrate(using)
        with contextlib.suppress(ImproperlyConfigured):  # no key yet: the first row begins the log
            chain.log_id(using)


def _changed(source: str, state: str, reason: str, **_signal: Any) -> None:
    """Note what became of a source. ``screen`` never writes, so it waits for who called that.

    It is nobody's act: to ask for the request's user would be a query, too.
    """
    event: Event = ScreeningRecovered(source=Code.of(source))
    if state != "recovered":
        event = ScreeningDegraded(
            source=Code.of(source), state=Code.of(state), reason=Code.of(reason)
        )
    services.later(event, actor=NOBODY)


def _finished(**_signal: Any) -> None:
    services.flush()
