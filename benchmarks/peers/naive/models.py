"""The audit log: a row for each password."""

from typing import ClassVar

from django.conf import settings
from django.db import models


class Generated(models.Model):
    """Who had a password made, when, from where and of what length."""

    objects: ClassVar[models.Manager["Generated"]] = models.Manager()

    at = models.DateTimeField(auto_now_add=True, db_index=True)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE)
    address = models.GenericIPAddressField()
    user_agent = models.CharField(max_length=200)
    length = models.PositiveSmallIntegerField()

    class Meta:
        app_label = "naive"

    def __str__(self) -> str:
        return f"{self.user} at {self.at}"
