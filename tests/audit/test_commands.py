"""seal_audit, verify_audit and purge_audit, as an administrator or cron calls them."""

import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization as pem
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection, transaction
from pytest_django import Settings

from credfirewall.audit import chain, origin, record
from credfirewall.audit.events import Code, LimitHit
from credfirewall.audit.models import (
    AuditEvent,
    AuditMember,
    AuditSeal,
    AuditStub,
    AuditVerification,
)
from credfirewall.management.commands import verify_audit
from dev import ROOT
from tests.audit.recording import Heard, events, missing, no_table
from tests.audit.seeding import add, ago, begin, seal
from tests.audit.tampering import delete, set_column

EVENT = LimitHit(rate=Code("check"))
NAMES = ["seal_audit", "verify_audit", "purge_audit"]
each = pytest.mark.parametrize("name", NAMES)


def run(name: str, *arguments: str, **options: Any) -> tuple[int, str, str]:
    """Call the command: its exit status, what it printed, and its complaint."""
    out, err = io.StringIO(), io.StringIO()
    status: Any = 0
    try:
        call_command(name, *arguments, stdout=out, stderr=err, **options)
    except SystemExit as end:
        status = end.code
    assert "Traceback" not in err.getvalue()
    return status, out.getvalue().strip(), err.getvalue().strip()


def run_json(name: str, *arguments: str) -> tuple[int, Any]:
    status, out, err = run(name, "--json", *arguments)
    assert err == ""
    assert len(out.splitlines()) == 1
    return status, json.loads(out)


def verified(*arguments: str) -> tuple[int, Any]:
    """Verify, but for the triggers, which tests do not have."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("credfirewall.audit.triggers.missing", lambda _connection: [])
        return run_json("verify_audit", *arguments)


def key_file(folder: Path, key: Any = None, mode: int = 0o600) -> Path:
    file = folder / "sealer.pem"
    kinds = (pem.Encoding.PEM, pem.PrivateFormat.PKCS8, pem.NoEncryption())
    file.write_bytes((key or ed25519.Ed25519PrivateKey.generate()).private_bytes(*kinds))
    file.chmod(mode)
    return file


def public(key: Any) -> str:
    kinds = (pem.Encoding.PEM, pem.PublicFormat.SubjectPublicKeyInfo)
    text: str = key.public_key().public_bytes(*kinds).decode()
    return text


@pytest.fixture
def anchor(tmp_path: Path, settings: Settings) -> Path:
    file = tmp_path / "heads.jsonl"
    settings.CREDFIREWALL = {**settings.CREDFIREWALL, "AUDIT_ANCHOR": str(file)}
    return file


@pytest.fixture(autouse=True)
def _the_log_is_the_database_s() -> Iterator[None]:
    yield
    chain.forget()


def old_log() -> None:
    """A log with two batches that may go, and a younger one."""
    begin(ago(days=600))
    for days in (500, 450, 2):
        add(EVENT, ago(days=days))
        seal(ago(days=days))


class TestHelp:
    @each
    def test_shows_examples_and_what_the_exit_status_means(
        self, name: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert run(name, "--help")[0] == 0
        text = capsys.readouterr().out
        for said in ("examples:", f"  manage.py {name}", "exit status: 0", "--json", "--database"):
            assert said in text

    @each
    @pytest.mark.parametrize(
        "arguments", [["--database", "nowhere"], ["--nonsense"], ["surplus"]], ids=str
    )
    def test_a_wrong_argument_is_status_3_and_no_traceback(
        self, name: str, arguments: list[str]
    ) -> None:
        command = [sys.executable, "manage.py", name, *arguments]
        environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"}
        done = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60
        )
        assert (done.returncode, done.stdout) == (3, "")
        assert "usage:" in done.stderr and "Traceback" not in done.stderr

    @each
    def test_so_it_is_for_who_calls_it_in_a_program(self, name: str) -> None:
        with pytest.raises(CommandError):
            run(name, "--nonsense")
        status, _, complaint = run(name, database="nowhere")
        assert status == 3
        assert "nowhere" in complaint


@pytest.mark.django_db
class TestSealing:
    def test_what_waits(self, anchor: Path) -> None:
        for _ in range(3):
            record(EVENT)
        status, out, _ = run("seal_audit")
        assert (status, out) == (0, "3 rows sealed in 1 batch.")
        made = AuditSeal.objects.get(position=1)
        heads = [json.loads(line)["head"] for line in anchor.read_text().splitlines()]
        assert heads == [made.head, AuditSeal.objects.get(position=0).head]

    def test_nothing(self) -> None:
        assert run("seal_audit") == (0, "Nothing to seal.", "")
        assert run_json("seal_audit") == (
            0,
            {"rows": 0, "seals": [], "head": None, "anchored": None},
        )

    def test_what_could_not_be_sealed_now(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def busy(*_: Any) -> None:
            raise OperationalError("database is locked")

        record(EVENT)
        monkeypatch.setattr("credfirewall.audit.sealing._add_members", busy)
        status, out, _ = run("seal_audit")
        assert status == 2 and out.startswith("1 row could not be sealed")
        assert AuditSeal.objects.count() == 1

    def test_as_json(self) -> None:
        record(EVENT)
        status, facts = run_json("seal_audit")
        head = AuditSeal.objects.get(position=1).head
        assert (status, facts) == (0, {"rows": 1, "seals": [1], "head": head, "anchored": None})

    def test_with_a_key_of_the_sealer_s_own(self, tmp_path: Path, settings: Settings) -> None:
        key = ed25519.Ed25519PrivateKey.generate()
        settings.CREDFIREWALL = {**settings.CREDFIREWALL, "AUDIT_PUBLIC_KEY": public(key)}
        record(EVENT)
        assert run("seal_audit", "--signing-key", str(key_file(tmp_path, key)))[0] == 0
        assert AuditSeal.objects.get(position=1).signature
        assert verified()[0] == 0

    def test_is_refused_without_it_where_seals_are_signed(self, settings: Settings) -> None:
        key = ed25519.Ed25519PrivateKey.generate()
        settings.CREDFIREWALL = {**settings.CREDFIREWALL, "AUDIT_PUBLIC_KEY": public(key)}
        record(EVENT)
        status, facts = run_json("seal_audit")
        assert (status, facts["error"]) == (1, "audit_refused")
        assert AuditSeal.objects.count() == 1

    def test_is_refused_with_a_key_that_does_not_fit(
        self, tmp_path: Path, settings: Settings
    ) -> None:
        """What it sealed would be found unsigned for ever."""
        other = ed25519.Ed25519PrivateKey.generate()
        settings.CREDFIREWALL = {**settings.CREDFIREWALL, "AUDIT_PUBLIC_KEY": public(other)}
        record(EVENT)
        status, facts = run_json("seal_audit", "--signing-key", str(key_file(tmp_path)))
        assert (status, facts["error"]) == (1, "audit_refused")
        assert "AUDIT_PUBLIC_KEY" in facts["message"]
        assert AuditSeal.objects.count() == 1


@pytest.mark.django_db
class TestSigningKeys:
    def refused(self, path: object) -> str:
        record(EVENT)
        status, out, complaint = run("seal_audit", "--signing-key", str(path))
        assert (status, out) == (3, "")
        assert run_json("seal_audit", "--signing-key", str(path))[1]["error"] == "input"
        assert AuditSeal.objects.count() == 1
        return complaint

    def test_a_file_that_is_not_there(self, tmp_path: Path) -> None:
        assert "No such file" in self.refused(tmp_path / "none.pem")

    def test_a_folder(self, tmp_path: Path) -> None:
        tmp_path.chmod(0o700)
        assert "directory" in self.refused(tmp_path)

    @pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o620])
    def test_one_that_others_may_read_or_write(self, tmp_path: Path, mode: int) -> None:
        assert "chmod 600" in self.refused(key_file(tmp_path, mode=mode))

    def test_a_key_of_another_kind(self, tmp_path: Path) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        assert "Ed25519" in self.refused(key_file(tmp_path, key))

    @pytest.mark.parametrize("content", [b"", b"\0\xff", b"-----BEGIN PRIVATE KEY-----\nx\n"])
    def test_no_key(self, tmp_path: Path, content: bytes) -> None:
        file = key_file(tmp_path)
        file.write_bytes(content)
        assert "Ed25519" in self.refused(file)

    def test_an_encrypted_one(self, tmp_path: Path) -> None:
        file = key_file(tmp_path)
        kinds = (pem.Encoding.PEM, pem.PrivateFormat.PKCS8, pem.BestAvailableEncryption(b"x"))
        file.write_bytes(ed25519.Ed25519PrivateKey.generate().private_bytes(*kinds))
        assert "unencrypted" in self.refused(file)

    def test_the_public_half_alone(self, tmp_path: Path) -> None:
        file = key_file(tmp_path)
        file.write_text(public(ed25519.Ed25519PrivateKey.generate()))
        assert "Ed25519" in self.refused(file)


@pytest.mark.django_db
class TestVerifying:
    def test_a_log_that_is_as_it_was(self, anchor: Path) -> None:
        for _ in range(3):
            record(EVENT)
        run("seal_audit")
        record(EVENT)
        status, facts = verified()
        assert status == 0
        assert facts.pop("log")
        assert facts == {
            "sound": True, "seal": 1, "since": 0, "rows": 4, "waiting": 1, "anchored": 1,
            "proven_against_truncation": True, "found": 0, "counts": {}, "findings": [],
        }  # fmt: skip

    def test_it_is_remembered_and_recorded(self) -> None:
        record(EVENT)
        run("seal_audit")
        verified()
        assert AuditVerification.objects.get().seal == 1
        row = AuditEvent.objects.get(event="audit_verified")
        assert (row.actor_type, row.actor_id) == ("command", "verify_audit")
        assert row.details == '{"findings":0,"rows":1,"seals":1}'

    def test_resuming_reads_what_is_new(self) -> None:
        record(EVENT)
        run("seal_audit")
        verified()
        run("seal_audit")
        _, facts = verified("--resume")
        assert (facts["since"], facts["rows"]) == (1, 1)

    def test_without_an_anchor_it_says_what_is_not_proven(self) -> None:
        status, out, _ = run("verify_audit")
        assert status == (1 if connection.vendor in ("sqlite", "postgresql", "mysql") else 0)
        assert "Not proven against truncation" in out
        assert verified()[1]["proven_against_truncation"] is False

    def test_what_is_wrong_is_named_and_status_1(self) -> None:
        row = record(EVENT)
        run("seal_audit")
        with connection.cursor() as cursor:
            cursor.execute(f"UPDATE {AuditEvent._meta.db_table} SET outcome = 'success'")
        status, facts = verified()
        assert (status, facts["sound"]) == (1, False)
        (finding,) = facts["findings"]
        assert (finding["fault"], finding["where"]) == ("row_changed", str(row.pk))
        status, out, _ = run("verify_audit")
        assert status == 1 and f"row_changed {row.pk}" in out

    def test_there_is_an_end_to_what_is_shown(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(verify_audit, "SHOWN", 2)
        names = ["a", "b", "c", "d"]
        monkeypatch.setattr("credfirewall.audit.triggers.missing", lambda _connection: names)
        _, out, _ = run("verify_audit")
        assert out.count("trigger_missing") == 2 and "and 2 more" in out
        assert len(run_json("verify_audit")[1]["findings"]) == 4

    @pytest.mark.parametrize(
        ("content", "said"),
        [(None, "No such file"), (b"nonsense\n", "line 1"), (b"\xff\xfe", ""), (b"[]\n", "line 1")],
    )
    def test_an_anchor_that_cannot_be_read(
        self, tmp_path: Path, content: bytes | None, said: str
    ) -> None:
        file = tmp_path / "heads.jsonl"
        if content is not None:
            file.write_bytes(content)
        status, out, complaint = run("verify_audit", "--anchor", str(file))
        assert (status, out) == (3, "")
        assert said in complaint
        status, facts = run_json("verify_audit", "--anchor", str(file))
        assert (status, facts["error"]) == (3, "input")
        assert not AuditVerification.objects.exists()

    @pytest.mark.parametrize("text", ["nonsense", "-----BEGIN PUBLIC KEY-----\nx", "/nowhere"])
    def test_a_public_key_that_is_none(self, settings: Settings, text: str) -> None:
        settings.CREDFIREWALL = {**settings.CREDFIREWALL, "AUDIT_PUBLIC_KEY": text}
        status, facts = run_json("verify_audit")
        assert (status, facts["error"]) == (3, "input")

    def test_a_log_that_has_just_begun_is_proven(self, anchor: Path) -> None:
        run("seal_audit")
        assert verified()[1]["proven_against_truncation"] is True

    def test_several_anchors(self, tmp_path: Path, anchor: Path) -> None:
        record(EVENT)
        run("seal_audit")
        (tmp_path / "other").write_text(anchor.read_text())
        _, facts = verified("--anchor", str(anchor), "--anchor", str(tmp_path / "other"))
        assert (facts["sound"], facts["anchored"]) == (True, 1)


@pytest.mark.django_db
class TestPurging:
    def test_old_batches_go_and_the_log_verifies(self) -> None:
        old_log()
        add(EVENT)
        seal()
        assert run("purge_audit", "--dry-run")[:2] == (
            0,
            "Old enough to go: 2 rows in 2 batches.",
        )
        assert len(events()) == 4
        status, facts = run_json("purge_audit")
        assert (status, facts) == (0, {"rows": 2, "seals": 2, "purged": True})
        assert events() == ["limit_hit", "limit_hit", "audit_purged"]
        row = AuditEvent.objects.get(event="audit_purged")
        assert (row.actor_id, row.details) == (
            "purge_audit",
            '{"findings":0,"rows":2,"seals":2}',
        )
        assert AuditStub.objects.count() == 2
        assert verified()[0] == 0

    def test_nothing_is_old(self) -> None:
        record(EVENT)
        seal()
        assert run("purge_audit")[:2] == (0, "Old enough to go: 0 rows in 0 batches.")
        assert run_json("purge_audit") == (0, {"rows": 0, "seals": 0, "purged": False})
        assert events() == ["limit_hit"]

    def test_findings_do_not_stop_it_for_ever(self) -> None:
        old_log()
        row = AuditEvent.objects.order_by("-at")[0]
        set_column(AuditEvent, row.pk, "source", "x")
        status, facts = run_json("purge_audit")
        assert (status, facts["error"]) == (1, "audit_refused")
        assert "1 finding" in facts["message"]
        assert len(events()) == 3
        assert run_json("purge_audit", "--despite-findings")[1]["rows"] == 2
        purged = AuditEvent.objects.get(event="audit_purged")
        assert json.loads(purged.details)["findings"] == 1

    def test_what_the_anchor_says_counts(self, anchor: Path) -> None:
        old_log()
        run("seal_audit")
        delete(AuditEvent, pk=AuditMember.objects.get(seal=3).pk)
        delete(AuditMember, seal=3)
        delete(AuditSeal, position=3)
        add(EVENT, ago(days=3))
        seal(ago(days=3))
        assert run_json("purge_audit")[1]["error"] == "audit_refused"

    def test_is_refused_when_the_clock_is_behind(self) -> None:
        record(EVENT)
        seal(datetime.now(UTC) + timedelta(days=1))
        status, facts = run_json("purge_audit")
        assert (status, facts["error"]) == (1, "audit_refused")
        assert "clock" in facts["message"]

    def test_is_refused_where_the_profile_asks_for_more(self, settings: Settings) -> None:
        ours = {"PROFILE": "pci", "AUDIT_RETENTION_DAYS": 90}
        settings.CREDFIREWALL = {**settings.CREDFIREWALL, **ours}
        record(EVENT)
        seal()
        status, _, complaint = run("purge_audit")
        assert status == 1 and "PCI" in complaint


@pytest.mark.django_db(transaction=True)
class TestADatabaseThatFails:
    @each
    def test_is_status_3(self, name: str) -> None:
        with missing(AuditSeal._meta.db_table):
            status, out, complaint = run(name)
            assert (status, out) == (3, "") and complaint
            status, facts = run_json(name)
            assert (status, facts["error"]) == (3, "database")

    def test_a_purge_that_cannot_be_recorded_is_none(self, heard: Heard) -> None:
        old_log()
        add(EVENT)
        seal()
        with no_table():
            status, facts = run_json("purge_audit")
        assert (status, facts["error"]) == (3, "database")  # it is verified before
        assert len(events()) == 4

    def test_what_waits_as_a_command_ends_is_written(self) -> None:
        def perform(*_: Any) -> int:
            with pytest.raises(KeyError), transaction.atomic():
                record(EVENT)
                raise KeyError
            return 0

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(verify_audit.Command, "perform", perform)
            assert run("verify_audit")[0] == 0
        assert events() == ["limit_hit"]
        assert AuditEvent.objects.get().actor_id == "verify_audit"
        assert origin.current() is None

    @each
    def test_ctrl_c_leaves_no_traceback(self, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
        def perform(*_: Any) -> int:
            raise KeyboardInterrupt

        module = __import__(f"credfirewall.management.commands.{name}", fromlist=["Command"])
        monkeypatch.setattr(module.Command, "perform", perform)
        status, facts = run_json(name)
        assert (status, facts["error"]) == (3, "interrupted")
