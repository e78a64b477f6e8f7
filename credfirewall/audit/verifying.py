"""Verification: every row is the one that was recorded, every batch is whole, the chain unbroken.

What is wrong is named. What cannot be seen from inside the database (its newest rows removed, or
all of it rolled back to an older state) shows against an anchor only; without one the report says
"not proven against truncation".
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connections, router
from django.db.models import Count, Exists, OuterRef

from credfirewall.audit import chain, purging, reading, rows, seals, triggers
from credfirewall.audit.anchor import Anchored
from credfirewall.audit.findings import Fault, Report
from credfirewall.audit.keys import AuditKey, ring
from credfirewall.audit.models import (
    AuditEvent,
    AuditIdentity,
    AuditMember,
    AuditSeal,
    AuditStub,
    AuditVerification,
)
from credfirewall.audit.signing import Signers, signers

__all__ = ["Fault", "Report", "remember", "verify"]
Progress = Callable[[int], object]
AHEAD = timedelta(hours=1)
"""How far the clock that purged may be ahead of this one."""
MOST_KEPT = 2**31 - 1
"""The highest number that a column of the database holds."""


def verify(
    using: str | None = None,
    *,
    anchor: Iterable[Anchored] | None = None,
    signed_by: Signers | None = None,
    resume: bool = False,
    progress: Progress = lambda rows: None,
    now: datetime | None = None,
) -> Report:
    """Verify the log in database ``using`` and return what was found. Writes nothing.

    ``resume`` reads the rows of those batches only that were sealed after the last sound
    verification; the chain itself is always followed from its beginning. ``progress`` is called
    with each number of rows read. ``anchor`` is read at the end, when it knows all that the log
    had at the beginning. ``signed_by`` defaults to the keys of AUDIT_PUBLIC_KEY. Raises
    django.db.Error, and ValueError for keys that are none.
    """
    alias = using or router.db_for_read(AuditEvent)
    report = Report()
    known = signers() if signed_by is None else signed_by
    check = _Verification(alias, report, known, progress, now or datetime.now(UTC))
    sealed = check.chain()
    report.since = check.sound_until(sealed) if resume else 0
    check.batches(sealed)
    check.outsiders(sealed)
    check.rest()
    check.names()
    if anchor is not None:
        check.against(list(anchor), sealed)
    for name in triggers.foreign(connections[alias]):
        report.add(Fault.TRIGGER_FOREIGN, name, "it is none of ours, and may swallow rows")
    for name in triggers.missing(connections[alias]):
        text = "the trigger is not there, switched off, or not the one that was installed"
        report.add(Fault.TRIGGER_MISSING, name, text)
    return report


def remember(report: Report, using: str, now: datetime | None = None) -> None:
    """Keep what a verification found, for ``resume`` and the dashboard."""
    upto = AuditSeal.objects.using(using).filter(position__lte=report.seal).order_by("-position")
    newest = next((each.item for each in reading.objects(upto) if not each.unreadable), None)
    if newest is None:
        return
    at, key = now or datetime.now(UTC), ring().first
    findings = min(report.total, MOST_KEPT)
    message = seals.verification(
        report.log, newest.position, newest.head, rows.microseconds(at), findings
    )
    AuditVerification.objects.using(using).create(
        at=at,
        seal=newest.position,
        head=newest.head,
        findings=findings,
        key=key.id,
        mac=seals.mac(key.seal, message),
    )


class _Verification:
    """One pass over the log."""

    def __init__(
        self, using: str, report: Report, signed_by: Signers, progress: Progress, now: datetime
    ) -> None:
        self._using, self._report, self._progress, self._now = using, report, progress, now
        self._signed_by = signed_by
        self._keys = ring().by_id
        self._zone = reading.zone(using)
        self._log = ""
        self._stubs: dict[int, AuditStub] = {}

    def chain(self) -> list[AuditSeal]:
        """Follow the chain and return its seals."""
        sealed: list[AuditSeal] = []
        previous: AuditSeal | None = None
        for found in reading.objects(AuditSeal.objects.using(self._using).order_by("position")):
            seal = found.item
            if found.unreadable:
                self._report.add(Fault.SEAL_CHANGED, found.name, found.complaint)
            if "position" in found.unreadable:
                continue
            expected, text = previous.position + 1 if previous else 0, "the seal is gone"
            self._report.add_range(Fault.SEAL_MISSING, expected, seal.position, str, text)
            if not found.unreadable:
                self._log = self._log or seal.log.hex
                self._seal(seal, previous)
            sealed.append(seal)
            previous = seal
        if not sealed:
            self._report.add(Fault.SEAL_MISSING, 0, "there is no seal at all: this is no log")
        self._report.log = self._log
        self._report.seal = sealed[-1].position if sealed else 0
        return sealed

    def _seal(self, seal: AuditSeal, previous: AuditSeal | None) -> None:
        add, expected = self._report.add, previous.position + 1 if previous else 0
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
        if not self._signed_by.is_signed(seal.position, seal.head.encode(), seal.signature):
            add(Fault.SEAL_UNSIGNED, seal.position, "the sealer's signature is missing or wrong")

    def sound_until(self, sealed: Sequence[AuditSeal]) -> int:
        """Return up to which seal the last verification found nothing wrong, 0 if it did."""
        heads = {seal.position: seal.head for seal in sealed}
        kept = AuditVerification.objects.using(self._using).order_by("-id")
        for found in reading.objects(kept[:10]):
            verification = found.item
            if found.unreadable:
                continue
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
        unreadable = set()
        for found in reading.objects(AuditStub.objects.using(self._using).all()):
            if found.unreadable:
                self._report.add(Fault.STUB_CHANGED, found.name, found.complaint)
                unreadable.add(found.item.seal)
            if "seal" not in found.unreadable:
                self._stubs[found.item.seal] = found.item
        known = {seal.position for seal in sealed}
        for position in self._stubs.keys() - known - unreadable:
            self._report.add(Fault.STUB_CHANGED, position, "a stub of a batch that never was")
        for seal in sealed:
            if (stub := self._stubs.get(seal.position)) is not None:
                if seal.position not in unreadable:
                    self._stub(seal, stub, sealed)
            elif seal.position > self._report.since:
                self._batch(seal, sealed)

    def outsiders(self, sealed: Sequence[AuditSeal]) -> None:
        """Find memberships that hide a row: in no batch, in one that was purged, or more than one
        has that is not read."""
        members = AuditMember.objects.using(self._using)
        theirs = AuditSeal.objects.using(self._using).filter(position=OuterRef("seal"))
        astray = members.filter(~Exists(theirs.filter(position__gt=0)))
        for member, seal in reading.values(astray, "event_id", "seal"):
            text = f"it is said to be in batch {reading.shown(seal)}, which does not exist"
            self._report.add(Fault.ROW_MOVED, reading.shown(member), text)
        stubs = AuditStub.objects.using(self._using).values("seal")
        for (member,) in reading.values(members.filter(seal__in=stubs), "event_id"):
            text = "it is in a batch that was purged"
            self._report.add(Fault.PURGED_ROW, reading.shown(member), text)
        unread = members.filter(seal__lte=self._report.since).exclude(seal__in=stubs)
        counts = dict(unread.order_by().values_list("seal").annotate(Count("event_id")))
        for seal in sealed:
            is_read = seal.position > self._report.since or seal.position in self._stubs
            number = counts.get(seal.position, 0)
            if seal.position and not is_read and number != seal.count:
                text = f"it has {number} rows, and {seal.count} were sealed"
                self._report.add(Fault.BATCH_CHANGED, seal.position, text)

    def _stub(self, seal: AuditSeal, stub: AuditStub, sealed: Sequence[AuditSeal]) -> None:
        add, key = self._report.add, self._key(stub.key, f"stub {stub.seal}")
        message = purging.message(seal, stub)
        genuine = key is not None and seals.is_mac(key.stub, message, stub.mac)
        if key and not (genuine and stub.count == seal.count):
            add(Fault.STUB_CHANGED, seal.position, "no purge made this stub")
        elif (stub.at - seal.at).days < max(stub.retention, 1) or stub.at - self._now > AHEAD:
            text = f"it was purged before its {stub.retention} days were over"
            add(Fault.STUB_EARLY, seal.position, text)
        elif not self._is_signed(stub, message, sealed):
            add(Fault.STUB_UNSIGNED, seal.position, "the purge's signature is missing or wrong")

    def _is_signed(self, stub: AuditStub, message: bytes, sealed: Sequence[AuditSeal]) -> bool:
        """Whether a purge bears the signature of who sealed at its time, if that was signed."""
        newest = max((each.position for each in sealed if each.at <= stub.at), default=0)
        return self._signed_by.is_signed(newest, message, stub.signature)

    def _batch(self, seal: AuditSeal, sealed: Sequence[AuditSeal]) -> None:
        mark = self._report.mark()
        self._rows_of(seal)
        if self._report.mark() == mark:
            return
        stubs = AuditStub.objects.using(self._using).filter(seal=seal.position)
        stub = next((found.item for found in reading.objects(stubs) if not found.unreadable), None)
        if stub is not None:  # a purge was faster
            self._report.forget(mark)
            self._stubs[seal.position] = stub
            self._stub(seal, stub, sealed)

    def _rows_of(self, seal: AuditSeal) -> None:
        key = self._keys.get(seal.key)
        leaves, whole, expected, number = list[bytes](), True, 0, 0
        for page in reading.members(self._using, seal.position):
            for found in page:
                name, index, mac, row_mac = found[:4]
                if type(index) is not int:
                    text = f"its place in batch {seal.position} is none: {reading.shown(index)}"
                    self._report.add(Fault.ROW_MOVED, reading.shown(name), text)
                    whole = False
                    continue
                if index > expected:
                    whole = self._empty(seal, expected, index) and whole
                expected = index + 1
                if found[4] is None:
                    text = f"it was sealed at place {index} of batch {seal.position}, and is gone"
                    self._report.add(Fault.ROW_MISSING, reading.shown(name), text)
                    whole = False
                elif self._row(found[4:], row_mac, sealed=True) and (
                    key is None or self._is_member(seal, key, name, index, mac, row_mac)
                ):
                    leaves.append(seals.leaf(name, row_mac))
                else:
                    whole = False
            number += len(page)
            self._progress(len(page))
        self._report.rows += number
        if not number and seal.count:
            text = f"all of its {seal.count} rows are gone, and no purge did it"
            self._report.add(Fault.BATCH_MISSING, seal.position, text)
            return
        whole = self._empty(seal, expected, seal.count) and whole
        # When a row was named already, the root that differs says nothing new.
        if whole and (number != seal.count or seals.root(leaves) != seal.root):
            self._report.add(Fault.BATCH_CHANGED, seal.position, "its rows do not make its root")

    def _empty(self, seal: AuditSeal, begin: int, end: int) -> bool:
        """Name the places from ``begin`` to ``end`` that the batch has. Whether it has none."""
        end = min(end, seal.count)
        self._report.add_range(
            Fault.PLACE_EMPTY,
            begin,
            end,
            lambda place: f"{seal.position}/{place}",
            f"a row of {seal.count} is gone, with its membership",
        )
        return begin >= end

    def _is_member(
        self, seal: AuditSeal, key: AuditKey, name: str, index: int, mac: str, row_mac: str
    ) -> bool:
        try:
            message = seals.membership(self._log, seal.position, index, name, row_mac)
            if seals.is_mac(key.seal, message, mac):
                return True
        except (AttributeError, TypeError, ValueError):  # text that is none
            pass
        text = f"it was not sealed at place {index} of batch {seal.position}"
        self._report.add(Fault.ROW_MOVED, reading.shown(name), text)
        return False

    def _row(self, row: Sequence[Any], mac: str, *, sealed: bool) -> bool:
        """Whether a row, in the order of COLUMNS, is one that was recorded in this log."""
        key = self._keys.get(row[3])
        if key is None:
            self._key(row[3], f"row {reading.shown(row[0])}")
            return False
        if not rows.is_stored_authentic(row, mac, key, self._zone):
            fault = Fault.ROW_CHANGED if sealed else Fault.ROW_FORGED
            text = "a column is not what was recorded" if sealed else "it was never recorded so"
            self._report.add(fault, reading.shown(row[0]), text)
            return False
        if row[1] != self._log:
            text = f"of log {reading.shown(row[1])}"
            self._report.add(Fault.ROW_OF_ANOTHER_LOG, reading.shown(row[0]), text)
            return False
        return True

    def rest(self) -> None:
        """Verify the rows that no seal covers."""
        for mac, *row in reading.waiting(self._using):
            self._row(row, mac, sealed=False)
            self._report.rows += 1
            self._report.waiting += 1
            self._progress(1)

    def names(self) -> None:
        """Verify that the names behind the commitments are those that were committed to."""
        for found in reading.objects(AuditIdentity.objects.using(self._using).all()):
            if found.unreadable or not found.item.is_sound():
                self._report.add(Fault.NAME_CHANGED, found.name, "the name was changed")

    def against(self, anchored: list[Anchored], sealed: Sequence[AuditSeal]) -> None:
        """Compare the chain with the heads that were kept outside."""
        heads = {seal.position: seal.head for seal in sealed}
        ours = [each for each in anchored if each.log == self._log]
        purged = {(each.position, each.head) for each in ours if each.purged}
        known = dict.fromkeys(each for each in ours if not each.purged)
        self._report.anchored = max((each.position for each in known), default=None)
        unknown = {each.log for each in anchored} - {self._log}
        if unknown and unknown - chain.others(self._using):
            text = "the anchor knows another log: this one is not it, or began anew in its place"
            self._report.add(Fault.ROLLED_BACK, 0, text)
        for each in known:
            if each.position not in heads:
                if self._was_sealed_since(each):
                    continue
                self._report.add(
                    Fault.TRUNCATED, each.position, "the anchor knows this seal, the log does not"
                )
            elif heads[each.position] != each.head:
                text = "it is not the seal that the anchor knows"
                self._report.add(Fault.ROLLED_BACK, each.position, text)
        for position in self._stubs:
            if known and (position, heads.get(position)) not in purged:
                text = "its rows are gone, and the anchor knows of no purge"
                self._report.add(Fault.PURGE_UNKNOWN, position, text)

    def _was_sealed_since(self, each: Anchored) -> bool:
        newer = AuditSeal.objects.using(self._using).filter(position=each.position, head=each.head)
        return each.position > self._report.seal and newer.exists()

    def _key(self, identity: str, where: str) -> AuditKey | None:
        key = self._keys.get(identity)
        if key is None:
            self._report.add(
                Fault.KEY_UNKNOWN, where, f"key {reading.shown(identity)} is not in AUDIT_KEY"
            )
        return key
