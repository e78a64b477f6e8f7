"""Erasure: the personal text about somebody goes, and the log still verifies."""

from typing import Any

from django.db import router, transaction

from credfirewall.audit.events import AuditErased, Party
from credfirewall.audit.models import AuditIdentity
from credfirewall.audit.services import acting_party, forget_identities, record


def erase(who: Any, *, actor: Any = None, using: str | None = None) -> int:
    """Erase the names under which a user, or a ``Party``, is known to the log; return how many.

    The rows keep the type and the number of the account, which say nothing once it is deleted,
    and a commitment that without its salt proves nothing about a name. Processes that run keep
    no copy of the text beyond what they need to write it once.

    Raises ValueError for who has no number, as a user who was deleted: ``Party("user", "5")`` has.
    """
    party = Party.of(who)
    if not party.id:
        raise ValueError("erase() needs the number of an account")
    alias = using or router.db_for_write(AuditIdentity)
    with transaction.atomic(using=alias):
        texts, _ = (
            AuditIdentity.objects.using(alias).filter(type=party.type, party_id=party.id).delete()
        )
        nameless = Party(party.type, party.id)
        by = acting_party(actor)
        if (by.type, by.id) == (party.type, party.id):
            by = nameless  # who erases themselves is not to be named by that
        record(AuditErased(texts=texts), actor=by, subject=nameless, using=alias)
    forget_identities()
    return texts
