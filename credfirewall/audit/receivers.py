"""What the log listens to. Connected once the apps are ready."""

from typing import Any

from django.core.signals import request_finished
from django.db import router
from django.db.models.signals import post_migrate

from credfirewall.audit import chain, sealing, services, triggers
from credfirewall.audit.models import AuditSeal


def connect() -> None:
    """Follow migrations, the ends of requests and committed rows."""
    from django.apps import apps

    identity = "credfirewall.audit"
    config = apps.get_app_config("credfirewall")
    post_migrate.connect(_migrated, sender=config, dispatch_uid=identity)
    request_finished.connect(_finished, dispatch_uid=identity)
    services.AFTER_COMMIT[:] = [sealing.after_commit]


def _migrated(using: str, **_signal: Any) -> None:
    chain.forget()
    services.forget_identities()
    if router.allow_migrate_model(using, AuditSeal):
        triggers.after_migrate(using)
        chain.log_id(using)


def _finished(**_signal: Any) -> None:
    services.flush()
