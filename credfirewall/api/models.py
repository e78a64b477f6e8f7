"""API keys: for each a public id and a digest of its secret, which is nowhere else."""

from datetime import UTC, datetime

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models
from django.utils.translation import gettext_lazy as _


def check_name(name: str) -> None:
    """Raise ValidationError for a name that a log or a terminal would not show as it is."""
    if not name.isprintable():
        raise ValidationError(_("It has to be visible text of one line."), code="not_printable")


class ApiKey(models.Model):
    """What a program signs in with, for its ``owner``. Made by ``credfirewall.api.keys`` only."""

    public_id = models.CharField(_("public id"), max_length=16, unique=True, editable=False)
    name = models.CharField(
        _("name"),
        max_length=64,
        validators=[check_name],
        help_text=_("What it is for, as the audit log shows it."),
    )
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.CASCADE,
        related_name="+",
        verbose_name=_("owner"),
        help_text=_("The account for which it acts: the key can do no more than that."),
    )
    scopes = models.CharField(_("scopes"), max_length=500, blank=True)
    digest = models.CharField(max_length=64, editable=False)
    former_digest = models.CharField(max_length=64, blank=True, editable=False)
    former_until = models.DateTimeField(null=True, editable=False)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    expires_at = models.DateTimeField(_("valid until"), null=True, blank=True)
    revoked_at = models.DateTimeField(_("revoked"), null=True, editable=False)
    used_at = models.DateTimeField(_("last used"), null=True, editable=False)

    class Meta:
        app_label = "credfirewall"
        verbose_name = _("API key")
        verbose_name_plural = _("API keys")
        ordering = ("name", "public_id")

    def __str__(self) -> str:
        return f"{self.name} ({self.public_id})"

    @property
    def scope_names(self) -> tuple[str, ...]:
        return tuple(self.scopes.split())

    def may(self, scope: str) -> bool:
        """Whether the key has ``scope``; none has ""."""
        return bool(scope) and scope in self.scope_names

    def state(self, now: datetime | None = None) -> str:
        """Return "active", "expired", "revoked", or "idle" while its owner may not sign in."""
        if self.revoked_at is not None:
            return "revoked"
        if self.expires_at is not None and self.expires_at <= (now or datetime.now(UTC)):
            return "expired"
        return "active" if getattr(self.owner, "is_active", True) else "idle"
