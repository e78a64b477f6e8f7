"""What can be said of one row at once: is it as it was recorded, and which seal is it in.

The whole log, the order of its rows and those that are gone are for ``verify_audit``.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC

from django.utils.translation import gettext as _

from credfirewall.audit import chain, rows, seals
from credfirewall.audit.keys import ring
from credfirewall.audit.models import (
    AuditEvent,
    AuditIdentity,
    AuditMember,
    AuditSeal,
    AuditVerification,
)


@dataclass(frozen=True, slots=True)
class Finding:
    """A sentence, and whether it is good news; None where it is neither."""

    text: str
    sound: bool | None


def findings(row: AuditEvent, using: str) -> list[Finding]:
    """Verify ``row``, its names and its place, in words."""
    return [*_row(row, using), *_names(row, using), *_place(row, using)]


def is_genuine(seal: AuditSeal) -> bool:
    """Whether somebody with the key made ``seal`` as it is."""
    key = ring().by_id.get(seal.key)
    made = key is not None and seals.is_mac(key.seal, seal.head.encode(), seal.mac)
    return made and seal.head == chain.head_of(seal)


def was_verified(verification: AuditVerification, log: str) -> bool:
    """Whether somebody with the key recorded ``verification`` as it is."""
    key = ring().by_id.get(verification.key)
    at = rows.microseconds(verification.at)
    message = seals.verification(
        log, verification.seal, verification.head, at, verification.findings
    )
    return key is not None and seals.is_mac(key.seal, message, verification.mac)


def _row(row: AuditEvent, using: str) -> Iterator[Finding]:
    key = ring().by_id.get(row.key)
    columns = tuple(getattr(row, name) for name in rows.COLUMNS)
    if key is None:
        text = _("This row cannot be verified: its key %(key)s is not in AUDIT_KEY.")
        yield Finding(text % {"key": row.key}, None)
    elif not rows.is_authentic(columns, row.mac, key):
        yield Finding(
            _("This row is not as it was recorded: somebody changed or forged it."), False
        )
    elif row.log != chain.log_id(using):
        yield Finding(_("This row was recorded, but in another log."), False)
    else:
        yield Finding(_("This row is as it was recorded."), True)


def _names(row: AuditEvent, using: str) -> Iterator[Finding]:
    refs = {ref for ref in (row.actor, row.subject) if ref}
    known = {each.ref: each for each in AuditIdentity.objects.using(using).filter(ref__in=refs)}
    if any(not identity.is_sound() for identity in known.values()):
        yield Finding(_("A name is not the one that was recorded."), False)
    if refs - known.keys():
        yield Finding(_("A name was erased. The row stays as it was recorded."), None)


def _place(row: AuditEvent, using: str) -> Iterator[Finding]:
    member = AuditMember.objects.using(using).filter(pk=row.pk).first()
    if member is None:
        yield Finding(_("No seal covers this row yet: it waits for the next one."), None)
        return
    seal = AuditSeal.objects.using(using).filter(pk=member.seal).first()
    if seal is None:
        text = _("The seal %(seal)d that covers this row is gone.")
        yield Finding(text % {"seal": member.seal}, False)
        return
    place = {
        "seal": seal.position,
        "time": f"{seal.at.astimezone(UTC):%Y-%m-%d %H:%M:%S}",
        "place": member.leaf + 1,
        "count": seal.count,
    }
    message = seals.membership(seal.log.hex, seal.position, member.leaf, row.pk.hex, row.mac)
    key = ring().by_id.get(seal.key)
    if key is None:
        text = _("Seal %(seal)d cannot be verified: its key %(key)s is not in AUDIT_KEY.")
        yield Finding(text % {"seal": seal.position, "key": seal.key}, None)
    elif not seals.is_mac(key.seal, message, member.mac):
        yield Finding(_("This row is not the one that was sealed in seal %(seal)d.") % place, False)
    elif not is_genuine(seal):
        yield Finding(_("Seal %(seal)d is not the one that was made.") % place, False)
    else:
        text = _("Seal %(seal)d of %(time)s UTC covers it, as row %(place)d of %(count)d.")
        yield Finding(text % place, True)
