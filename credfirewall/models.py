"""Re-exports: Django looks for models here."""

from credfirewall.screening.models import BlockedWord

__all__ = ["BlockedWord"]
