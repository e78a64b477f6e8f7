"""Verification: every row is the one that was recorded, every batch is whole, the chain unbroken.

What is wrong is named. What cannot be seen from inside the database (its newest rows removed, or
all of it rolled back to an older state) shows against an anchor only; without one the report says
"not proven against truncation".
"""

import contextlib
import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from django.db import connections, router
from django.db.models import Count, DateTimeField, Model, UUIDField

from credfirewall.audit import chain, purging, rows, seals, triggers
from credfirewall.audit.anchor import Anchored
from credfirewall.audit.keys import AuditKey, ring
from credfirewall.audit.models import (
    AuditEvent,
    AuditIdentity,
    AuditMember,
    AuditSeal,
    AuditStub,
    AuditVerification,
)
from credfirewall.audit.sealing import unsealed
from credfirewall.audit.signing import Signers, signers

MOST_ALIKE = 1000
"""Findings of one kind about one place: a number that was tampered with may be anything."""
CHUNK = 2000
"""Rows that are read at a time outside of batches."""


class Fault(StrEnum):
    """What a finding is about."""

    ROW_CHANGED = "row_changed"
    ROW_FORGED = "row_forged"
    ROW_MISSING = "row_missing"
    ROW_MOVED = "row_moved"
    ROW_OF_ANOTHER_LOG = "row_of_another_log"
    PLACE_EMPTY = "place_empty"
    BATCH_CHANGED = "batch_changed"
    BATCH_MISSING = "batch_missing"
    SEAL_CHANGED = "seal_changed"
    SEAL_MISSING = "seal_missing"
    SEAL_UNSIGNED = "seal_unsigned"
    STUB_CHANGED = "stub_changed"
    STUB_EARLY = "stub_early"
    STUB_UNSIGNED = "stub_unsigned"
    PURGE_UNKNOWN = "purge_unknown"
    PURGED_ROW = "purged_row"
    NAME_CHANGED = "name_changed"
    KEY_UNKNOWN = "key_unknown"
    TRUNCATED = "truncated"
    ROLLED_BACK = "rolled_back"
    TRIGGER_MISSING = "trigger_missing"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong. ``where`` names a row, or a seal by its position."""

    fault: Fault
    where: str
    text: str


@dataclass(slots=True)
class Report:
    """What a verification found."""

    log: str = ""
    seal: int = 0
    """The newest seal."""
    since: int = 0
    """The seal from which rows were read: 0 for all of them."""
    rows: int = 0
    waiting: int = 0
    """Rows that no seal covers yet."""
    anchored: int | None = None
    """The newest seal that the anchor knows; None without one: not proven against truncation."""
    findings: list[Finding] = field(default_factory=list)

    @property
    def is_sound(self) -> bool:
        return not self.findings

    def add(self, fault: Fault, where: object, text: str) -> None:
        self.findings.append(Finding(fault, str(where), text))


Progress = Callable[[int], object]


def verify(
    using: str | None = None,
    *,
    anchor: Iterable[Anchored] | None = None,
    signed_by: Signers | None = None,
    resume: bool = False,
    progress: Progress = lambda rows: None,
) -> Report:
    """Verify the log in database ``using`` and return what was found. Writes nothing.

    ``resume`` reads the rows of those batches only that were sealed after the last sound
    verification; the chain itself is always followed from its beginning. ``progress`` is called
    with each number of rows read. ``signed_by`` defaults to the keys of AUDIT_PUBLIC_KEY. Raises
    django.db.Error, and ValueError for keys that are none.
    """
    alias = using or router.db_for_read(AuditEvent)
    report = Report()
    known = signers() if signed_by is None else signed_by
    check = _Verification(alias, report, known, progress)
    sealed = check.chain()
    report.since = check.sound_until(sealed) if resume else 0
    check.batches([seal for seal in sealed if seal.position > report.since])
    check.outsiders(sealed)
    check.rest()
    check.names()
    if anchor is not None:
        check.against(list(anchor), sealed)
    for name in triggers.missing(connections[alias]):
        report.add(Fault.TRIGGER_MISSING, name, "the trigger is not there, or switched off")
    return report


def remember(report: Report, using: str, now: datetime | None = None) -> None:
    """Keep what a verification found, for ``resume`` and the dashboard."""
    newest = AuditSeal.objects.using(using).filter(position=report.seal).first()
    if newest is None:
        return
    at, key = now or datetime.now(UTC), ring().first
    message = seals.verification(
        report.log, report.seal, newest.head, rows.microseconds(at), len(report.findings)
    )
    AuditVerification.objects.using(using).create(
        at=at,
        seal=report.seal,
        head=newest.head,
        findings=len(report.findings),
        key=key.id,
        mac=seals.mac(key.seal, message),
    )


class _Verification:
    """One pass over the log."""

    def __init__(self, using: str, report: Report, signed_by: Signers, progress: Progress) -> None:
        self._using, self._report, self._progress = using, report, progress
        self._signed_by = signed_by
        self._keys = ring().by_id
        connection = connections[using]
        self._zone = UTC if connection.vendor == "postgresql" else connection.timezone or UTC
        self._log = ""

    def chain(self) -> list[AuditSeal]:
        """Follow the chain and return its seals."""
        sealed = list(AuditSeal.objects.using(self._using).order_by("position"))
        previous: AuditSeal | None = None
        for seal in sealed:
            self._seal(seal, previous)
            previous = seal
        if not sealed:
            self._report.add(Fault.SEAL_MISSING, 0, "there is no seal at all: this is no log")
        self._log = sealed[0].log.hex if sealed else ""
        self._report.log = self._log
        self._report.seal = sealed[-1].position if sealed else 0
        return sealed

    def _seal(self, seal: AuditSeal, previous: AuditSeal | None) -> None:
        add, expected = self._report.add, previous.position + 1 if previous else 0
        for missing in range(expected, min(seal.position, expected + MOST_ALIKE)):
            add(Fault.SEAL_MISSING, missing, "the seal is gone")
        key = self._key(seal.key, f"seal {seal.position}")
        linked = seal.previous == (previous.head if previous else "")
        if seal.position != expected:
            linked = True  # that it does not follow was said
        if key and not (
            linked
            and seal.head == chain.head_of(seal)
            and seals.is_mac(key.seal, seal.head.encode(), seal.mac)
        ):
            add(Fault.SEAL_CHANGED, seal.position, "the seal is not the one that was made")
        if not self._signed_by.is_seal_signed(seal.position, seal.head, seal.signature):
            add(Fault.SEAL_UNSIGNED, seal.position, "the sealer's signature is missing or wrong")

    def sound_until(self, sealed: Sequence[AuditSeal]) -> int:
        """Return up to which seal the last verification found nothing wrong, 0 if it did.

        What was found once is not forgotten by looking at newer rows only.
        """
        heads = {seal.position: seal.head for seal in sealed}
        kept = AuditVerification.objects.using(self._using).order_by("-id")
        for verification in kept[:10]:
            key = self._keys.get(verification.key)
            message = seals.verification(
                self._log,
                verification.seal,
                verification.head,
                rows.microseconds(verification.at),
                verification.findings,
            )
            known = heads.get(verification.seal) == verification.head
            if key and known and seals.is_mac(key.seal, message, verification.mac):
                return 0 if verification.findings else verification.seal
        return 0

    def batches(self, sealed: Sequence[AuditSeal]) -> None:
        """Verify the rows of each batch, or the stub that is left of it."""
        stubs = {stub.seal: stub for stub in AuditStub.objects.using(self._using).all()}
        known = {seal.position for seal in sealed}
        for position in stubs.keys() - known:
            if position > self._report.since:
                self._report.add(Fault.STUB_CHANGED, position, "a stub of a batch that never was")
        for seal in sealed:
            if (stub := stubs.get(seal.position)) is not None:
                self._stub(seal, stub, sealed)
            elif seal.position:
                self._batch(seal)

    def outsiders(self, sealed: Sequence[AuditSeal]) -> None:
        """Find memberships that hide a row: in no batch, or more than one has that is not read."""
        members = AuditMember.objects.using(self._using)
        positions = AuditSeal.objects.using(self._using).filter(position__gt=0).values("position")
        for member in members.exclude(seal__in=positions)[:MOST_ALIKE]:
            text = f"it is said to be in batch {member.seal}, which does not exist"
            self._report.add(Fault.ROW_MOVED, member.event_id, text)
        stubs = AuditStub.objects.using(self._using).values("seal")
        unread = members.filter(seal__lte=self._report.since).exclude(seal__in=stubs)
        counts = dict(unread.order_by().values_list("seal").annotate(Count("event_id")))
        for seal in sealed:
            if seal.position and seal.position in counts and counts[seal.position] != seal.count:
                text = f"it has {counts[seal.position]} rows, and {seal.count} were sealed"
                self._report.add(Fault.BATCH_CHANGED, seal.position, text)

    def _stub(self, seal: AuditSeal, stub: AuditStub, sealed: Sequence[AuditSeal]) -> None:
        add, key = self._report.add, self._key(stub.key, f"stub {stub.seal}")
        message = purging.message(seal, stub)
        genuine = key is not None and seals.is_mac(key.stub, message, stub.mac)
        if key and not (genuine and stub.count == seal.count):
            add(Fault.STUB_CHANGED, seal.position, "no purge made this stub")
        elif (stub.at - seal.at).days < stub.retention:
            text = f"it was purged before its {stub.retention} days were over"
            add(Fault.STUB_EARLY, seal.position, text)
        elif self._is_unsigned(stub, message, sealed):
            add(Fault.STUB_UNSIGNED, seal.position, "the purge's signature is missing or wrong")

    def _left(self, seal: AuditSeal) -> None:
        left = AuditMember.objects.using(self._using).filter(seal=seal.position)
        for member in left[:CHUNK]:
            self._report.add(Fault.PURGED_ROW, member.event_id, "it is in a batch that was purged")

    def _is_unsigned(self, stub: AuditStub, message: bytes, sealed: Sequence[AuditSeal]) -> bool:
        """Whether a purge lacks its signature: all are signed since there is a key to sign with."""
        first = self._signed_by.first
        if first is None or self._signed_by.is_signed(message, stub.signature):
            return False
        introduced = next((seal.at for seal in sealed if seal.position >= first), None)
        return stub.seal >= first or (introduced is not None and stub.at >= introduced)

    def _batch(self, seal: AuditSeal) -> None:
        members = self._members(seal.position)
        if not members and seal.count:
            text = f"all of its {seal.count} rows are gone, and no purge did it"
            self._report.add(Fault.BATCH_MISSING, seal.position, text)
            return
        key = self._keys.get(seal.key)
        leaves, whole, expected = [], True, 0
        for found in members:
            identity, index, mac, row_mac = found[:4]
            for place in range(expected, min(index, seal.count, expected + MOST_ALIKE)):
                self._empty(seal, place)
                whole = False
            expected = index + 1
            name = rows.as_hex(identity)
            if found[4] is None:
                text = f"it was sealed at place {index} of batch {seal.position}, and is gone"
                self._report.add(Fault.ROW_MISSING, _dashed(name), text)
                whole = False
            elif self._row(found[4:], row_mac, sealed=True) and (
                key is None or self._is_member(seal, key, name, index, mac, row_mac)
            ):
                leaves.append(seals.leaf(name, row_mac))
            else:
                whole = False
        for place in range(expected, min(seal.count, expected + MOST_ALIKE)):
            self._empty(seal, place)
            whole = False
        # When a row was named already, the root that differs says nothing new.
        if whole and (len(members) != seal.count or seals.root(leaves) != seal.root):
            self._report.add(Fault.BATCH_CHANGED, seal.position, "its rows do not make its root")
        self._report.rows += len(members)
        self._progress(len(members))

    def _empty(self, seal: AuditSeal, place: int) -> None:
        text = f"the row at place {place} of {seal.count} is gone, with its membership"
        self._report.add(Fault.PLACE_EMPTY, f"{seal.position}/{place}", text)

    def _members(self, position: int) -> list[tuple[Any, ...]]:
        """Return id, place and MAC of each member of a batch, then the MAC and the columns of its
        row, or as many NULLs.

        As the driver gives them: to make objects of columns takes longer than to verify them.
        """
        connection = connections[self._using]
        quote, is_postgresql = connection.ops.quote_name, connection.vendor == "postgresql"

        def plain(table: str, model: type[Model], name: str) -> str:
            field: Any = model._meta.get_field(name)
            column = f"{table}.{quote(field.column)}"
            if is_postgresql and isinstance(field, UUIDField):
                return f"encode(uuid_send({column}), 'hex')"
            if is_postgresql and isinstance(field, DateTimeField):
                return f"{column} AT TIME ZONE 'UTC'"
            return column

        columns = [plain("m", AuditMember, name) for name in ("event_id", "leaf", "mac")]
        columns += [plain("e", AuditEvent, name) for name in ("mac", *rows.COLUMNS)]
        sql = (
            f"SELECT {', '.join(columns)} FROM {quote(AuditMember._meta.db_table)} m"  # noqa: S608 - ours
            f" LEFT JOIN {quote(AuditEvent._meta.db_table)} e ON e.id = m.event_id"
            " WHERE m.seal = %s ORDER BY m.leaf"
        )
        with connection.cursor() as cursor:
            cursor.execute(sql, [position])
            return list(cursor.fetchall())

    def _is_member(
        self, seal: AuditSeal, key: AuditKey, name: str, index: int, mac: str, row_mac: str
    ) -> bool:
        message = seals.membership(self._log, seal.position, index, name, row_mac)
        if seals.is_mac(key.seal, message, mac):
            return True
        text = f"it was not sealed at place {index} of batch {seal.position}"
        self._report.add(Fault.ROW_MOVED, _dashed(name), text)
        return False

    def _row(self, row: Sequence[Any], mac: str, *, sealed: bool) -> bool:
        """Whether a row, in the order of COLUMNS, is one that was recorded in this log."""
        key = self._keys.get(row[3])
        if key is None:
            self._key(row[3], f"row {_dashed(row[0])}")
            return False
        if not rows.is_authentic(row, mac, key, self._zone):
            fault = Fault.ROW_CHANGED if sealed else Fault.ROW_FORGED
            text = "a column is not what was recorded" if sealed else "it was never recorded so"
            self._report.add(fault, _dashed(row[0]), text)
            return False
        if rows.as_hex(row[1]) != self._log:
            text = f"of log {_dashed(row[1])}"
            self._report.add(Fault.ROW_OF_ANOTHER_LOG, _dashed(row[0]), text)
            return False
        return True

    def rest(self) -> None:
        """Verify the rows that no seal covers."""
        waiting = unsealed(self._using).order_by("at", "id").values_list("mac", *rows.COLUMNS)
        for mac, *row in waiting.iterator(chunk_size=CHUNK):
            self._row(row, mac, sealed=False)
            self._report.rows += 1
            self._report.waiting += 1
            self._progress(1)

    def names(self) -> None:
        """Verify that the names behind the commitments are those that were committed to."""
        for identity in AuditIdentity.objects.using(self._using).iterator(chunk_size=CHUNK):
            if not identity.is_sound():
                self._report.add(Fault.NAME_CHANGED, identity.ref, "the name was changed")

    def against(self, anchored: list[Anchored], sealed: Sequence[AuditSeal]) -> None:
        """Compare the chain with the heads that were kept outside."""
        heads = {seal.position: seal.head for seal in sealed}
        ours = [each for each in anchored if each.log == self._log]
        purged = {(each.position, each.head) for each in ours if each.purged}
        known = dict.fromkeys(each for each in ours if not each.purged)
        self._report.anchored = max((each.position for each in known), default=None)
        if len(ours) < len(anchored):
            text = "the anchor knows another log: this one is not it, or began anew in its place"
            self._report.add(Fault.ROLLED_BACK, 0, text)
        for each in known:
            if each.position not in heads:
                self._report.add(
                    Fault.TRUNCATED, each.position, "the anchor knows this seal, the log does not"
                )
            elif heads[each.position] != each.head:
                text = "it is not the seal that the anchor knows"
                self._report.add(Fault.ROLLED_BACK, each.position, text)
        for position in AuditStub.objects.using(self._using).values_list("seal", flat=True):
            if known and (position, heads.get(position)) not in purged:
                text = "its rows are gone, and the anchor knows of no purge"
                self._report.add(Fault.PURGE_UNKNOWN, position, text)

    def _key(self, identity: str, where: str) -> AuditKey | None:
        key = self._keys.get(identity)
        if key is None:
            self._report.add(Fault.KEY_UNKNOWN, where, f"key {identity!r} is not in AUDIT_KEY")
        return key


def _dashed(identity: Any) -> str:
    """Return a UUID in its usual form, whatever a database has it in; else what it is."""
    with contextlib.suppress(ValueError):
        return str(uuid.UUID(str(identity)))
    return str(identity)
