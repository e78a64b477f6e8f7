"""Making, rotating, revoking and recognising API keys.

A key is text such as cfw_0123456789abcdef_..., with 16 digits that are public and 64 that are 256
random bits. Of these SHA-256 is enough: there is nothing to guess.
"""

import hashlib
import re
import secrets
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hmac import compare_digest
from typing import Any

from django.contrib.auth import get_user_model
from django.db import DatabaseError, router, transaction
from django.db.models import Q
from django.db.models.signals import post_delete, post_save
from django.views.decorators.debug import sensitive_variables

from credfirewall.api import scopes
from credfirewall.api.log import log
from credfirewall.api.models import ApiKey
from credfirewall.api.recent import recent
from credfirewall.exceptions import KeyNotUsable

PREFIX = "cfw"
LONGEST_OVERLAP = timedelta(days=30)
USUAL_OVERLAP = timedelta(days=1)
USUAL_LIFE = timedelta(days=365)
USED_EVERY = timedelta(minutes=1)
"""How often at most it is written down that a key was used."""
_KEY = re.compile(PREFIX + r"_([0-9a-f]{16})_([0-9a-f]{64})", re.ASCII)
_NO_DIGEST = "0" * 64
_BUT_ITS_NAME = {each.name for each in ApiKey._meta.fields} - {"name"}


@dataclass(frozen=True, slots=True)
class Issued:
    """A key with its text, which nobody can show again."""

    key: ApiKey
    text: str = field(repr=False)


def create(
    owner: Any,
    name: str,
    names: Iterable[str] = (),
    expires_at: datetime | None = None,
    *,
    actor: Any = None,
    using: str | None = None,
) -> Issued:
    """Make a key for ``owner`` with the scopes ``names``.

    Raises ScopeUnknown, AuditUnavailable, and ValidationError for a ``name`` that is too long,
    empty or not text of one line.
    """
    allowed = scopes.chosen(names)
    key = ApiKey(owner=owner, name=name, scopes=" ".join(allowed), expires_at=expires_at)
    return issue(key, actor=actor, using=using)


@sensitive_variables("secret", "text")
def issue(key: ApiKey, *, actor: Any = None, using: str | None = None) -> Issued:
    """Save a new ``key``, as ``create`` does with one that a form has filled in."""
    key.clean_fields(exclude=_BUT_ITS_NAME)
    alias = using or router.db_for_write(ApiKey)
    secret = secrets.token_hex(32)
    key.public_id, key.digest = secrets.token_hex(8), _digest(secret)
    with transaction.atomic(using=alias):
        key.save(using=alias, force_insert=True)
        log().key_created(key, key.scope_names, actor)
    return Issued(key, _text(key, secret))


@sensitive_variables("secret", "text")
def rotate(key: ApiKey, overlap: timedelta = USUAL_OVERLAP, *, actor: Any = None) -> Issued:
    """Give ``key`` a new secret; the one before is valid for ``overlap`` more, and none older.

    Raises KeyNotUsable for one that is revoked or has expired, and for a longer overlap than
    LONGEST_OVERLAP.
    """
    if not timedelta(0) <= overlap <= LONGEST_OVERLAP:
        raise KeyNotUsable(f"an overlap is from 0 to {LONGEST_OVERLAP.days} days")
    alias, now = router.db_for_write(ApiKey, instance=key), datetime.now(UTC)
    secret = secrets.token_hex(32)
    with transaction.atomic(using=alias):
        current = ApiKey.objects.using(alias).select_for_update().get(pk=key.pk)
        if current.state(now) in {"revoked", "expired"}:
            raise KeyNotUsable(f"it is {current.state(now)}: make a new one")
        current.former_digest = current.digest if overlap else ""
        current.former_until = now + overlap if overlap else None
        current.digest = _digest(secret)
        current.save(using=alias, update_fields=["digest", "former_digest", "former_until"])
        log().key_rotated(current, int(overlap.total_seconds()), actor)
    return Issued(current, _text(current, secret))


def revoke(key: ApiKey, *, actor: Any = None) -> bool:
    """Take ``key`` back, at once and for ever. Return False if it was taken back already."""
    alias = router.db_for_write(ApiKey, instance=key)
    with transaction.atomic(using=alias):
        unrevoked = ApiKey.objects.using(alias).filter(pk=key.pk, revoked_at=None)
        # The digests go, too: no backup of the table revives it.
        blank = {"digest": "", "former_digest": "", "former_until": None}
        if not unrevoked.update(revoked_at=datetime.now(UTC), **blank):
            return False
        recent.forget()
        log().key_revoked(key, actor)
    return True


def connect() -> None:
    """Notice what is deleted, and what changes of keys and accounts."""
    post_delete.connect(_deleted, sender=ApiKey, dispatch_uid="credfirewall.api.keys")
    for model in (ApiKey, get_user_model()):
        for signal in (post_save, post_delete):
            signal.connect(recent.forget, sender=model, dispatch_uid="credfirewall.api.recent")


def _deleted(instance: ApiKey, **_signal: Any) -> None:
    """Record what was deleted, with its owner perhaps, as revoked."""
    if instance.revoked_at is None:
        log().key_revoked(instance, None)


@sensitive_variables()
def find(text: str, now: datetime | None = None) -> ApiKey | None:
    """Return the key that ``text`` is, if it is one that is valid, and note that it was used."""
    now = now or datetime.now(UTC)
    match = _KEY.fullmatch(text)
    if match is None:
        return None
    key = recent.read(match[1], _read)
    if not _is_secret_of(key, match[2], now) or key is None or key.state(now) != "active":
        return None
    _note_use(key, now)
    return key


def _read(public_id: str) -> ApiKey | None:
    # Not from a replica, which may not know yet that a key was revoked.
    found = ApiKey.objects.using(router.db_for_write(ApiKey)).select_related("owner")
    return found.filter(public_id=public_id).first()


@sensitive_variables()
def _is_secret_of(key: ApiKey | None, secret: str, now: datetime) -> bool:
    digest = _digest(secret)
    valid, former = _NO_DIGEST, _NO_DIGEST
    if key is not None:
        valid = key.digest
        if key.former_until is not None and now < key.former_until:
            former = key.former_digest
    return compare_digest(digest, valid) | compare_digest(digest, former)


def _note_use(key: ApiKey, now: datetime) -> None:
    if key.used_at is not None and now - key.used_at < USED_EVERY:
        return
    alias = router.db_for_write(ApiKey, instance=key)
    is_due = Q(used_at=None) | Q(used_at__lte=now - USED_EVERY)
    with suppress(DatabaseError), transaction.atomic(using=alias):  # a replica cannot be written
        ApiKey.objects.using(alias).filter(is_due, pk=key.pk).update(used_at=now)
        recent.forget()


def _digest(secret: str) -> str:
    return hashlib.sha256(bytes.fromhex(secret)).hexdigest()


def _text(key: ApiKey, secret: str) -> str:
    return f"{PREFIX}_{key.public_id}_{secret}"
