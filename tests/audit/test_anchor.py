"""The anchor: it is told of all that is sealed or purged, whatever failed in between."""

import json
import logging
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pytest_django import Settings

from credfirewall.audit import anchor, chain, purging
from credfirewall.audit.events import Code, LimitHit
from credfirewall.audit.models import AuditEvent, AuditMember, AuditSeal, AuditStub
from credfirewall.audit.verifying import Fault, verify
from dev import ROOT
from tests.audit.recording import Heard
from tests.audit.seeding import add, ago, seal
from tests.audit.tampering import delete, found
from tests.audit.test_commands import run, run_json

HIT = LimitHit(rate=Code("check"))
AFTER = ago(days=-400)
"""When what is purged here is old."""


@pytest.fixture
def heads(tmp_path: Path, settings: Settings) -> Path:
    file = tmp_path / "heads.jsonl"
    settings.CREDFIREWALL = {**settings.CREDFIREWALL, "AUDIT_ANCHOR": file}
    return file


def positions(file: Path) -> list[int]:
    return [each.position for each in anchor.read(file)]


def purge(made: AuditSeal) -> None:
    list(purging.purge([made], clock=lambda: ago(days=-366)))


def sealed() -> AuditSeal:
    add(HIT)
    (made,) = seal()
    return made


class TestTheFile:
    def test_a_line_that_was_torn_spoils_none(self, tmp_path: Path) -> None:
        file = tmp_path / "heads.jsonl"
        lines = [f'{{"log": "a", "position": {number}, "head": "b"}}' for number in (1, 2)]
        file.write_text(f"{lines[0]}\n" + lines[1][:20])
        anchor.append(file, [lines[1]])
        assert positions(file) == [1, 2]

    def test_one_with_another_right_behind_it(self, tmp_path: Path) -> None:
        """Two writers, and a disk that was full in between."""
        line = '{"log": "a", "position": 1, "head": "b"}'
        (tmp_path / "heads").write_text(f"{line[:25]}{line}\n")
        assert positions(tmp_path / "heads") == [1]

    def test_one_that_was_cut_right_before_its_end(self, tmp_path: Path) -> None:
        file = tmp_path / "heads.jsonl"
        line = '{"log": "a", "position": 1, "head": "b"}'
        file.write_text(line)
        anchor.append(file, [line])
        assert positions(file) == [1, 1]

    def test_what_is_written_in_pieces(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write = os.write
        monkeypatch.setattr(os, "write", lambda to, data: write(to, data[:7]))
        anchor.append(tmp_path / "heads", ['{"log": "a", "position": 1, "head": "b"}'] * 2)
        assert positions(tmp_path / "heads") == [1, 1]

    @pytest.mark.parametrize("number", ["Infinity", "NaN", "1.5", "-1", "true", '"1"', "[" * 9999])
    def test_a_position_that_is_none(self, tmp_path: Path, number: str) -> None:
        file = tmp_path / "heads.jsonl"
        file.write_text(f'{{"log": "a", "position": {number}, "head": "b"}}\n')
        with pytest.raises(ValueError, match="line 1 is no seal head"):
            anchor.read(file)


@pytest.mark.django_db
class TestCatchingUp:
    def test_what_could_not_be_told_is_told_by_the_next(self, heads: Path) -> None:
        heads.mkdir()
        sealed()
        status, facts = run_json("seal_audit")
        assert (status, facts["anchored"]) == (2, False)
        heads.rmdir()
        run("seal_audit")
        assert run_json("seal_audit")[1]["anchored"] is True
        assert positions(heads) == [0, 1]
        sealed()
        run("seal_audit")
        assert positions(heads) == [0, 1, 2]

    def test_heads_between_others(self, heads: Path) -> None:
        made = [sealed() for _ in range(3)]
        heads.write_text("".join(f"{anchor.line(made[number])}\n" for number in (0, 2)))
        status, out, _ = run("seal_audit")
        assert (status, out.endswith("begins with 2 heads.")) == (2, True)
        assert positions(heads) == [1, 3, 0, 2]

    def test_one_that_has_gone_is_told(self, heads: Path) -> None:
        """Somebody who rolls the log back would like a new one in its place."""
        sealed()
        run("seal_audit")
        heads.unlink()
        status, out, _ = run("seal_audit")
        assert (status, "begins with 2 heads" in out) == (2, True)
        assert run("seal_audit")[0] == 0

    def test_a_file_that_is_no_anchor_is_not_written_to(self, heads: Path) -> None:
        heads.write_text("root:x:0:0\n")
        status, out, _ = run("seal_audit")
        assert status == 2
        assert "line 1 is no seal head" in out
        assert heads.read_text() == "root:x:0:0\n"

    def test_without_an_anchor_there_is_nothing_to_tell(self) -> None:
        sealed()
        assert run_json("seal_audit")[1]["anchored"] is None

    def test_what_it_knows_is_not_overwritten_by_another_past(self, heads: Path) -> None:
        sealed()
        delete(AuditSeal, position=1)
        delete(AuditMember)
        seal()
        run("seal_audit")
        assert (Fault.ROLLED_BACK, "1") in found(verify(anchor=anchor.read(heads)))


@pytest.mark.django_db
class TestPurges:
    def test_are_told_ahead(self, heads: Path) -> None:
        made = sealed()
        sealed()
        purge(made)
        assert json.loads(heads.read_text().splitlines()[-1])["purged"] is True
        assert found(verify(now=AFTER, anchor=anchor.read(heads))) == []

    def test_that_cannot_be_told_remove_nothing(self, heads: Path) -> None:
        made = sealed()
        heads.unlink()
        heads.mkdir()
        with pytest.raises(OSError, match="directory"):
            purge(made)
        assert AuditEvent.objects.count() == 1
        assert not AuditStub.objects.exists()

    def test_of_which_it_does_not_know_were_none(self, heads: Path, settings: Settings) -> None:
        """A stub that AUDIT_KEY signed, for a batch of which somebody is ashamed."""
        made = sealed()
        settings.CREDFIREWALL = {**settings.CREDFIREWALL, "AUDIT_ANCHOR": None}
        purge(made)
        assert found(verify(now=AFTER)) == []
        assert found(verify(now=AFTER, anchor=anchor.read(heads))) == [(Fault.PURGE_UNKNOWN, "1")]

    def test_of_before_there_was_an_anchor(self, heads: Path, settings: Settings) -> None:
        made = sealed()
        heads.unlink()
        with_anchor = settings.CREDFIREWALL
        settings.CREDFIREWALL = {**with_anchor, "AUDIT_ANCHOR": None}
        purge(made)
        settings.CREDFIREWALL = with_anchor
        add(HIT)  # so that a head is told of before the file is brought up to date
        run("seal_audit")
        assert found(verify(now=AFTER, anchor=anchor.read(heads))) == []


@pytest.mark.django_db(transaction=True)
def test_a_new_log_is_announced(heads: Path, heard: Heard, caplog: Any) -> None:
    """Who empties the tables begins another, and that is seen outside."""
    delete(AuditSeal)
    chain.forget()
    with caplog.at_level(logging.WARNING, "credfirewall.audit"):
        log = chain.log_id("default")
    assert f"a new log begins: {log}" in caplog.messages
    assert [(each.log, each.position) for each in anchor.read(heads)] == [(log.hex, 0)]


TWO_LOGS = """
import os, pathlib, sys
from tests import settings
folder = pathlib.Path(sys.argv[1])
settings.DATABASES = {
    alias: {"ENGINE": "django.db.backends.sqlite3", "NAME": str(folder / alias)}
    for alias in ("default", "second")
}
settings.CREDFIREWALL = {**settings.CREDFIREWALL, "AUDIT_ANCHOR": str(folder / "heads")}
import django
django.setup()
from django.core.management import call_command
for alias in settings.DATABASES:
    call_command("migrate", database=alias, verbosity=0, skip_checks=True)
from credfirewall.audit import anchor, verify
for alias in settings.DATABASES:
    report = verify(alias, anchor=anchor.read(folder / "heads"))
    print(alias, report.anchored, [each.fault.value for each in report.findings])
"""


def test_two_databases_share_a_file(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", TWO_LOGS, str(tmp_path)],
        cwd=ROOT, capture_output=True, text=True, check=False,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"},
    )  # fmt: skip
    assert done.stdout.splitlines() == ["default 0 []", "second 0 []"], done.stderr
