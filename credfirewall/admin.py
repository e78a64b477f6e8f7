"""Re-exports: Django looks for the admin here."""

from credfirewall.api.admin import ApiKeyAdmin
from credfirewall.audit.admin import AuditEventAdmin
from credfirewall.clauses.admin import ConformanceReportAdmin
from credfirewall.screening.admin import BlockedWordAdmin

__all__ = ["ApiKeyAdmin", "AuditEventAdmin", "BlockedWordAdmin", "ConformanceReportAdmin"]
