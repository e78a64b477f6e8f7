"""What API keys can be allowed to do with passwords."""

from django.utils.translation import gettext_lazy as _

from credfirewall.api import scopes


def register() -> None:
    """Add the scopes. Called once the apps are ready."""
    scopes.register("generate", _("Generate passwords"))
    scopes.register("check", _("Check passwords"))
