"""Re-exports: Django looks for models here."""

from credfirewall.audit.models import (
    AuditEvent,
    AuditIdentity,
    AuditMember,
    AuditSeal,
    AuditStub,
    AuditTally,
    AuditVerification,
)
from credfirewall.screening.models import BlockedWord

__all__ = [
    "AuditEvent",
    "AuditIdentity",
    "AuditMember",
    "AuditSeal",
    "AuditStub",
    "AuditTally",
    "AuditVerification",
    "BlockedWord",
]
