"""The app: one label, features inside it."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class CredfirewallConfig(AppConfig):
    """Registers checks and connects receivers when Django is ready; importing does nothing."""

    name = "credfirewall"
    default_auto_field = "django.db.models.BigAutoField"
    verbose_name = _("Credential firewall")

    def ready(self) -> None:
        from credfirewall import checks, clauses
        from credfirewall.api import keys
        from credfirewall.audit import api_log, receivers
        from credfirewall.audit import metrics as audit_metrics
        from credfirewall.audit import panels as audit_panels
        from credfirewall.passwords import scopes as password_scopes
        from credfirewall.screening import panels as screening_panels
        from credfirewall.screening.sources import blocklist

        checks.register()
        clauses.register()
        blocklist.connect()
        receivers.connect()
        api_log.connect()
        keys.connect()
        audit_metrics.connect()
        audit_panels.register()
        password_scopes.register()
        screening_panels.register()
