"""What gives the report a place in the admin, and a permission of its own. It has no table."""

from typing import TYPE_CHECKING

from django.db import models
from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    Manager = models.Manager["ConformanceReport"]
    QuerySet = models.QuerySet["ConformanceReport"]
else:
    Manager, QuerySet = models.Manager, models.QuerySet


class NoRows(Manager):
    """Asks no database, which has no such table: ``dumpdata`` asks every model for its rows."""

    def get_queryset(self) -> QuerySet:
        return super().get_queryset().none()


class ConformanceReport(models.Model):
    """Made anew each time that somebody looks."""

    objects = NoRows()

    class Meta:
        app_label = "credfirewall"
        managed = False
        default_permissions = ("view",)
        base_manager_name = "objects"
        verbose_name = _("conformance report")
        verbose_name_plural = _("conformance")

    def __str__(self) -> str:
        return str(self._meta.verbose_name)
