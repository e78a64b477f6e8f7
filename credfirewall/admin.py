"""Re-exports: Django looks for the admin here."""

from credfirewall.audit.admin import AuditEventAdmin
from credfirewall.screening.admin import BlockedWordAdmin

__all__ = ["AuditEventAdmin", "BlockedWordAdmin"]
