"""The tables of the log. Rows are added and never changed; ``purge_audit`` alone removes some.

No row has a foreign key: who acted, and whom it concerned, has to stay deletable.
"""

import os
import time
import uuid
from collections.abc import Sequence
from typing import Any, NoReturn

from django.db import models
from django.utils.translation import gettext_lazy as _

from credfirewall.audit import seals
from credfirewall.audit.inserting import insert
from credfirewall.exceptions import AuditIsAppendOnly

SCHEMA = 1
"""Of what a row's MAC covers. A new column joins in a new version only."""


def event_id() -> uuid.UUID:
    """Return a random id that grows with time (version 7 of RFC 9562): rows that are read together
    lie together."""
    milliseconds = time.time_ns() // 1_000_000
    random = int.from_bytes(os.urandom(10), "big")
    value = milliseconds << 80 | random
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return uuid.UUID(int=value)


class AppendOnlySet(models.QuerySet[Any]):
    """Refuses to change or delete. Raises AuditIsAppendOnly."""

    def update(self, **_changes: Any) -> NoReturn:
        raise AuditIsAppendOnly

    def delete(self) -> NoReturn:
        raise AuditIsAppendOnly

    def bulk_update(self, *_: Any, **__: Any) -> NoReturn:
        raise AuditIsAppendOnly

    def bulk_create(self, *_: Any, **__: Any) -> NoReturn:
        raise AuditIsAppendOnly


class AuditEvent(models.Model):
    """One recorded event. Made by ``credfirewall.audit.record`` and by nothing else."""

    id = models.UUIDField(primary_key=True, default=event_id, editable=False)
    log = models.UUIDField(_("log"))
    schema = models.PositiveSmallIntegerField(_("schema version"), default=SCHEMA)
    key = models.CharField(_("key"), max_length=16)
    at = models.DateTimeField(_("time"))
    event = models.CharField(_("event"), max_length=48)
    outcome = models.CharField(_("outcome"), max_length=16)
    source = models.CharField(_("source"), max_length=64, blank=True)
    actor_type = models.CharField(_("kind of actor"), max_length=16, blank=True)
    actor_id = models.CharField(_("actor"), max_length=64, blank=True)
    actor = models.CharField(_("commitment to the actor's name"), max_length=64, blank=True)
    subject_type = models.CharField(_("kind of subject"), max_length=16, blank=True)
    subject_id = models.CharField(_("subject"), max_length=64, blank=True)
    subject = models.CharField(_("commitment to the subject's name"), max_length=64, blank=True)
    address = models.CharField(_("address"), max_length=64, blank=True)
    user_agent = models.CharField(_("user agent"), max_length=256, blank=True)
    request_id = models.CharField(_("request"), max_length=64, blank=True)
    details = models.TextField(_("details"))
    mac = models.CharField(_("authentication code"), max_length=64)

    names: dict[str, str]
    """Of actor and subject. No column: only a row that is just recorded has it, for handlers."""

    objects = AppendOnlySet.as_manager()

    class Meta:
        app_label = "credfirewall"
        verbose_name = _("audit event")
        verbose_name_plural = _("audit events")
        default_permissions = ("view",)
        permissions = [("export_auditevent", _("Can export audit events"))]
        indexes = [
            models.Index(fields=["at", "id"], name="credfirewall_ae_at"),
            models.Index(fields=["event", "at"], name="credfirewall_ae_event"),
            models.Index(fields=["outcome", "at"], name="credfirewall_ae_outcome"),
            models.Index(fields=["source", "at"], name="credfirewall_ae_source"),
            models.Index(fields=["actor_type", "actor_id", "at"], name="credfirewall_ae_actor"),
            models.Index(
                fields=["subject_type", "subject_id", "at"], name="credfirewall_ae_subject"
            ),
            models.Index(fields=["address", "at"], name="credfirewall_ae_address"),
            models.Index(fields=["request_id"], name="credfirewall_ae_request"),
        ]

    def __str__(self) -> str:
        return f"{self.event} {self.at:%Y-%m-%d %H:%M:%S}"

    def save(self, *_: Any, **__: Any) -> NoReturn:
        raise AuditIsAppendOnly

    def delete(self, *_: Any, **__: Any) -> NoReturn:
        raise AuditIsAppendOnly

    def insert(
        self, using: str, names: "Sequence[AuditIdentity]" = (), guarded: bool = False
    ) -> None:
        """Add this row, and names that it refers to: the one way in. See ``inserting``."""
        insert([*names, self], using, guarded=guarded)


class AuditIdentity(models.Model):
    """The personal text behind the commitments of rows. It can be erased; rows stay provable."""

    ref = models.CharField(max_length=64, primary_key=True)
    salt = models.CharField(max_length=32)
    type = models.CharField(max_length=16)
    party_id = models.CharField(max_length=64, blank=True)
    text = models.CharField(max_length=254)

    class Meta:
        app_label = "credfirewall"
        default_permissions = ()
        indexes = [
            models.Index(fields=["type", "party_id"], name="credfirewall_ai_party"),
            models.Index(fields=["text"], name="credfirewall_ai_text"),
        ]

    def __str__(self) -> str:
        return self.text

    def is_sound(self) -> bool:
        """Whether the text is still the one to which rows are committed."""
        return seals.commitment(self.salt, self.type, self.party_id, self.text) == self.ref


class AuditSeal(models.Model):
    """One batch of rows: the root of its Merkle tree, chained to the seal before.

    ``position`` is unique, which elects one among several that seal at once. Position 0 seals no
    row: it says which log this is.
    """

    position = models.PositiveBigIntegerField(primary_key=True)
    log = models.UUIDField()
    previous = models.CharField(max_length=64, blank=True)
    root = models.CharField(max_length=64)
    count = models.PositiveIntegerField()
    at = models.DateTimeField()
    key = models.CharField(max_length=16)
    head = models.CharField(max_length=64)
    mac = models.CharField(max_length=64)
    signature = models.CharField(max_length=128, blank=True)

    class Meta:
        app_label = "credfirewall"
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.position}: {self.head[:16]}"


class AuditMember(models.Model):
    """Which seal covers a row, and its place in there."""

    event_id = models.UUIDField(primary_key=True)
    seal = models.PositiveBigIntegerField()
    leaf = models.PositiveIntegerField()
    mac = models.CharField(max_length=64)

    class Meta:
        app_label = "credfirewall"
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["seal", "leaf"], name="credfirewall_am_place")
        ]

    def __str__(self) -> str:
        return f"{self.seal}/{self.leaf}"


class AuditStub(models.Model):
    """A batch that was purged: its rows are gone, its seal stays, and this says it was meant."""

    seal = models.PositiveBigIntegerField(primary_key=True)
    count = models.PositiveIntegerField()
    at = models.DateTimeField()
    retention = models.PositiveIntegerField()
    """How long rows were kept when these went, in days."""
    key = models.CharField(max_length=16)
    mac = models.CharField(max_length=64)
    signature = models.CharField(max_length=128, blank=True)

    class Meta:
        app_label = "credfirewall"
        default_permissions = ()

    def __str__(self) -> str:
        return str(self.seal)


class AuditVerification(models.Model):
    """That the log was verified up to a seal, and with how many findings."""

    at = models.DateTimeField()
    seal = models.PositiveBigIntegerField()
    head = models.CharField(max_length=64)
    findings = models.PositiveIntegerField()
    key = models.CharField(max_length=16)
    mac = models.CharField(max_length=64)

    class Meta:
        app_label = "credfirewall"
        default_permissions = ()
        get_latest_by = "id"

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M}: {self.findings}"


class AuditTally(models.Model):
    """How often a value occurred in an hour, counted when rows are sealed, for the overview.

    ``kind``: "event" (value "event outcome source"), "actor" (value "type id") or "address".
    A statistic, and no part of the proof.
    """

    hour = models.DateTimeField()
    kind = models.CharField(max_length=16)
    value = models.CharField(max_length=160)
    count = models.PositiveIntegerField()

    class Meta:
        app_label = "credfirewall"
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["kind", "hour", "value"], name="credfirewall_at_value")
        ]

    def __str__(self) -> str:
        return f"{self.hour:%Y-%m-%d %H} {self.kind} {self.value}: {self.count}"
