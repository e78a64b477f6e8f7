"""Re-exports: Django looks for the admin here."""

from credfirewall.screening.admin import BlockedWordAdmin

__all__ = ["BlockedWordAdmin"]
