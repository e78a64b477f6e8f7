"""Re-exports: Django looks for models here."""

from credfirewall.api.models import ApiKey
from credfirewall.audit.models import (
    AuditEvent,
    AuditIdentity,
    AuditMember,
    AuditSeal,
    AuditStub,
    AuditTally,
    AuditVerification,
)
from credfirewall.clauses.models import ConformanceReport
from credfirewall.screening.models import BlockedWord

__all__ = [
    "ApiKey",
    "AuditEvent",
    "AuditIdentity",
    "AuditMember",
    "AuditSeal",
    "AuditStub",
    "AuditTally",
    "AuditVerification",
    "BlockedWord",
    "ConformanceReport",
]
