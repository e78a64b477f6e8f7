"""With keys of a sealer's own, who has the web processes' key forges no seal and no purge."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from pytest_django import Settings

from credfirewall.audit import purging, sealing, seals
from credfirewall.audit.events import Code, LimitHit
from credfirewall.audit.keys import ring
from credfirewall.audit.models import AuditEvent, AuditSeal, AuditStub
from credfirewall.audit.signing import Signers
from credfirewall.audit.verifying import Fault, verify
from credfirewall.exceptions import AuditRefused
from tests.audit.seeding import add, ago
from tests.audit.tampering import found, set_column

HIT = LimitHit(rate=Code("check"))


def pem(key: Any) -> str:
    text: bytes = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return text.decode()


def later(days: float) -> datetime:
    return ago(days=-days)


SEALER, NEXT = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()


@pytest.fixture
def known(settings: Settings) -> Callable[[Any], None]:
    def set_keys(value: Any) -> None:
        settings.CREDFIREWALL = {**settings.CREDFIREWALL, "AUDIT_PUBLIC_KEY": value}

    return set_keys


def sealed(key: Ed25519PrivateKey | None, at: datetime | None = None) -> AuditSeal:
    moment = at or ago()
    add(HIT, moment)
    (made,) = sealing.seal(signing_key=key, clock=lambda: moment)
    return made


@pytest.mark.django_db
class TestSeals:
    def test_only_the_sealer_seals(self, known: Callable[[Any], None]) -> None:
        sealed(SEALER)
        sealed(None)
        known(pem(SEALER))
        assert found(verify()) == [(Fault.SEAL_UNSIGNED, "2")]
        with pytest.raises(AuditRefused, match="give --signing-key"):
            sealed(None)
        with pytest.raises(AuditRefused, match="not the key that signs seal 3"):
            sealed(NEXT)

    @pytest.mark.parametrize("signature", ["", "x", "00" * 64])
    def test_a_signature_that_is_none(self, known: Callable[[Any], None], signature: str) -> None:
        sealed(SEALER)
        set_column(AuditSeal, 1, "signature", signature)
        known(pem(SEALER))
        assert found(verify()) == [(Fault.SEAL_UNSIGNED, "1")]

    def test_a_key_is_introduced_to_a_log_that_is_there(self, known: Callable[[Any], None]) -> None:
        sealed(None)
        known([{"from": 2, "key": pem(SEALER)}])
        sealed(SEALER)
        assert found(verify()) == []
        set_column(AuditSeal, 2, "signature", "")
        assert found(verify()) == [(Fault.SEAL_UNSIGNED, "2")]

    def test_a_key_is_changed(self, known: Callable[[Any], None]) -> None:
        known([{"from": 1, "key": pem(SEALER)}, {"from": 2, "key": pem(NEXT)}])
        sealed(SEALER)
        with pytest.raises(AuditRefused, match="seal 2"):
            sealed(SEALER)
        seal_of_both = AuditEvent.objects.count()
        assert seal_of_both == 2
        list(sealing.seal(signing_key=NEXT))
        assert found(verify()) == []

    def test_the_old_key_signs_nothing_new(self, known: Callable[[Any], None]) -> None:
        sealed(SEALER)
        sealed(SEALER)
        known([{"from": 1, "key": pem(SEALER)}, {"from": 2, "key": pem(NEXT)}])
        assert found(verify()) == [(Fault.SEAL_UNSIGNED, "2")]


@pytest.mark.django_db
class TestPurges:
    def forged(self, made: AuditSeal, at: datetime, days: int = 365) -> None:
        """Remove a batch as its purge would, with AUDIT_KEY and nothing else."""
        key = ring().first
        stub = AuditStub(seal=made.position, count=made.count, at=at, retention=days, key=key.id)
        stub.mac = seals.mac(key.stub, purging.message(made, stub))
        stub.save(force_insert=True)
        purging._remove(made, "default")

    def test_are_signed(self, known: Callable[[Any], None]) -> None:
        known(pem(SEALER))
        made = sealed(SEALER, later(500))
        sealed(SEALER)
        for key in (None, NEXT):
            with pytest.raises(AuditRefused, match="signing-key"):
                list(purging.purge([made], signing_key=key, clock=lambda: later(900)))
        assert AuditEvent.objects.count() == 2
        assert list(purging.purge([made], signing_key=SEALER, clock=lambda: later(900))) == [1]
        assert found(verify(now=later(901))) == []
        set_column(AuditStub, 1, "signature", "00" * 64)
        assert found(verify(now=later(901))) == [(Fault.STUB_UNSIGNED, "1")]

    def test_without_a_signature_are_found(self, known: Callable[[Any], None]) -> None:
        known(pem(SEALER))
        made = sealed(SEALER, later(500))
        self.forged(made, later(900))
        assert found(verify(now=later(901))) == [(Fault.STUB_UNSIGNED, "1")]

    def test_from_before_there_was_a_key(self, known: Callable[[Any], None]) -> None:
        old, older = sealed(None, later(0)), sealed(None, later(20))
        self.forged(old, later(400))
        known([{"from": 3, "key": pem(SEALER)}])
        sealed(SEALER, later(500))
        assert found(verify(now=later(901))) == []
        self.forged(older, later(501))
        assert found(verify(now=later(901))) == [(Fault.STUB_UNSIGNED, "2")]

    @pytest.mark.parametrize("column", ["at", "retention", "count", "seal"])
    def test_are_what_the_sealer_said(self, known: Callable[[Any], None], column: str) -> None:
        known(pem(SEALER))
        made = sealed(SEALER, later(100))
        sealed(SEALER)
        list(purging.purge([made], signing_key=SEALER, clock=lambda: later(900)))
        stub = AuditStub.objects.get()
        values = {"at": stub.at - timedelta(days=1), "retention": 30, "count": 2, "seal": 2}
        set_column(AuditStub, 1, column, values[column])
        faults = {fault for fault, _ in found(verify(now=later(901)))}
        assert Fault.STUB_CHANGED in faults

    def test_with_a_key_that_was_replaced_are_found(self, known: Callable[[Any], None]) -> None:
        known([{"from": 1, "key": pem(SEALER)}, {"from": 2, "key": pem(NEXT)}])
        sealed(SEALER)
        made = sealed(NEXT)
        with pytest.raises(AuditRefused, match="not the key that signs seal 2"):
            list(purging.purge([made], signing_key=SEALER, clock=lambda: later(900)))
        self.forged(made, later(900))
        stub = AuditStub.objects.get()
        by_old = SEALER.sign(purging.message(made, stub)).hex()
        set_column(AuditStub, 2, "signature", by_old)
        assert found(verify(now=later(901))) == [(Fault.STUB_UNSIGNED, "2")]

    @pytest.mark.parametrize(("at", "days"), [(900, 365), (0, 0), (0.5, 0)])
    def test_that_are_not_old_whatever_they_say(self, at: float, days: int) -> None:
        made = sealed(None)
        self.forged(made, later(at), days)
        assert found(verify()) == [(Fault.STUB_EARLY, "1")]

    def test_too_early_are_found(self) -> None:
        """AUDIT_KEY makes no batch old."""
        made = sealed(None)
        self.forged(made, later(364))
        assert found(verify(now=later(901))) == [(Fault.STUB_EARLY, "1")]

    def test_too_early_are_refused(self) -> None:
        made = sealed(None)
        with pytest.raises(AuditRefused, match="batch 1 is not old enough"):
            list(purging.purge([made], clock=lambda: later(364)))
        assert found(verify(now=later(901))) == []


class TestSettings:
    def test_none(self) -> None:
        assert Signers.of(None).at(1) is None

    def test_one(self) -> None:
        known = Signers.of(pem(SEALER))
        assert known.at(1) is not None
        assert known.at(0) is None
        assert known.at(7) == SEALER.public_key()

    def test_several(self) -> None:
        known = Signers.of([{"from": 3, "key": pem(SEALER)}, {"from": 9, "key": pem(NEXT)}])
        assert [known.at(position) for position in (2, 3, 8, 9)] == [
            None,
            SEALER.public_key(),
            SEALER.public_key(),
            NEXT.public_key(),
        ]

    @pytest.mark.parametrize(
        ("value", "said"),
        [
            ("nonsense", "Key 1 of AUDIT_PUBLIC_KEY is no Ed25519 public key"),
            (pem(ec.generate_private_key(ec.SECP256R1())), "no Ed25519 public key"),
            ([], "empty list"),
            ([{"key": pem(SEALER)}], "Key 1 of AUDIT_PUBLIC_KEY is not"),
            ([{"from": 1, "key": pem(SEALER), "to": 2}], "Key 1 of AUDIT_PUBLIC_KEY is not"),
            ([{"from": 0, "key": pem(SEALER)}], "not a position from 1 on"),
            ([{"from": True, "key": pem(SEALER)}], "not a position from 1 on"),
            ([{"from": "1", "key": pem(SEALER)}], "not a position from 1 on"),
            ([{"from": 1, "key": None}], "no Ed25519 public key"),
            (
                [{"from": 2, "key": pem(SEALER)}, {"from": 2, "key": pem(NEXT)}],
                "not in the order",
            ),
        ],
    )
    def test_mistakes(self, value: Any, said: str) -> None:
        with pytest.raises(ValueError, match=said):
            Signers.of(value)
