"""The command api_key: output for people and programs, and what its exit status says."""

import io
import json
import re
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.core.management.base import CommandError

from credfirewall.api import keys
from credfirewall.api.keys import Issued, find
from credfirewall.api.models import ApiKey
from credfirewall.api.scopes import SCOPES
from credfirewall.audit.models import AuditEvent
from credfirewall.management.commands.api_key import Command
from tests.api.conftest import new_user

pytestmark = pytest.mark.django_db
FULL = Path("/dev/full")
KEY = re.compile(r"cfw_[0-9a-f]{16}_[0-9a-f]{64}\n")


@pytest.fixture
def ada() -> User:
    return new_user("ada")


@pytest.fixture
def issued(ada: User) -> Issued:
    return keys.create(ada, "backup", ["audit:read"])


def run(*arguments: str) -> tuple[int, str, str]:
    out, err = io.StringIO(), io.StringIO()
    try:
        call_command("api_key", *arguments, stdout=out, stderr=err)
    except SystemExit as left:
        return int(str(left.code)), out.getvalue(), err.getvalue()
    return 0, out.getvalue(), err.getvalue()


def run_in_vain(*arguments: str) -> tuple[int, str]:
    """Run with an output that is full."""
    err = io.StringIO()
    out = FULL.open("w")
    with pytest.raises(SystemExit) as left:
        call_command("api_key", *arguments, stdout=out, stderr=err)
    with suppress(OSError):  # which it raises once more
        out.close()
    return int(str(left.value.code)), err.getvalue()


def test_a_new_key_is_all_that_is_printed(ada: User) -> None:
    status, out, err = run("create", "backup", "--owner", "ada", "--scope", "audit:read")
    assert (status, err) == (0, "")
    assert KEY.fullmatch(out)
    key = find(out.strip())
    assert key is not None
    assert (key.owner, key.name, key.scope_names) == (ada, "backup", ("audit:read",))
    assert key.expires_at is not None
    left = key.expires_at - datetime.now(UTC)
    assert timedelta(days=364) < left <= timedelta(days=365)


@pytest.mark.usefixtures("ada")
def test_a_key_can_be_for_ever() -> None:
    run("create", "backup", "--owner", "ada", "--days", "0")
    assert ApiKey.objects.get().expires_at is None


@pytest.mark.usefixtures("ada")
def test_a_new_key_as_json() -> None:
    scopes = ("--scope", "schema:read", "--scope", "audit:read")
    status, out, _ = run("create", "x", "--owner", "ada", *scopes, "--days", "30", "--json")
    told = json.loads(out)
    key = find(told.pop("key"))
    assert status == 0 and key is not None
    assert told.pop("expires_at").endswith("+00:00")
    assert told == {
        "id": key.public_id,
        "name": "x",
        "owner": "ada",
        "scopes": [name for name in SCOPES if name in {"audit:read", "schema:read"}],
        "state": "active",
        "used_at": None,
    }


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (("create", "x", "--owner", "eve"), 3, "there is no account 'eve'"),
        (("create", "x", "--owner", "ada", "--scope", "audit:write"), 1, "no scope 'audit:write'"),
        (("create", "", "--owner", "ada"), 3, "the name: This field cannot be blank."),
        (("create", "x" * 65, "--owner", "ada"), 3, "the name: .*64"),
        (
            ("create", "two\nlines", "--owner", "ada"),
            3,
            "the name: It has to be visible text of one line.",
        ),
        (("rotate", "0" * 16), 3, "no key with this public id"),
        (("revoke", "cfw_0_secret"), 3, "no key with this public id"),
    ],
)
@pytest.mark.usefixtures("ada")
def test_mistakes_are_named(arguments: tuple[str, ...], status: int, said: str) -> None:
    found, out, err = run(*arguments)
    assert (found, out) == (status, "")
    assert re.search(said, err)
    assert "secret" not in err
    found, out, err = run(*arguments, "--json")
    assert (found, err) == (status, "")
    assert set(json.loads(out)) == {"error", "message"}
    assert not ApiKey.objects.exists()


@pytest.mark.parametrize("days", ["-1", "3651", "1.5", "x", "", "9" * 5000, chr(0x663)])
def test_numbers_have_bounds(days: str) -> None:
    with pytest.raises(CommandError, match="0 to 3650 days"):
        run("create", "x", "--owner", "ada", "--days", days)


def test_rotating_prints_the_new_key(issued: Issued) -> None:
    status, out, _ = run("rotate", issued.key.public_id)
    assert status == 0 and KEY.fullmatch(out)
    assert find(out.strip()) == find(issued.text) == issued.key
    status, again, _ = run("rotate", issued.key.public_id, "--overlap", "0")
    assert find(out.strip()) is None
    assert find(again.strip()) == issued.key


@pytest.mark.skipif(not FULL.exists(), reason="a device that takes nothing")
@pytest.mark.parametrize("form", [[], ["--json"]])
def test_a_new_key_that_nobody_got_is_revoked(ada: User, form: list[str]) -> None:
    status, err = run_in_vain("create", "backup", "--owner", "ada", *form)
    key = ApiKey.objects.get()
    assert status == 3 and key.state() == "revoked"
    assert f"the key {key.public_id} is lost. It was revoked." in err and "cfw_" not in err
    assert AuditEvent.objects.filter(event="api_key_revoked").count() == 1


@pytest.mark.skipif(not FULL.exists(), reason="a device that takes nothing")
def test_a_rotated_key_that_nobody_got_is_named(issued: Issued) -> None:
    status, err = run_in_vain("rotate", issued.key.public_id)
    assert status == 3 and find(issued.text) == issued.key
    assert f"{issued.key.public_id} is lost. Rotate it again" in err and "cfw_" not in err


def test_revoking(issued: Issued) -> None:
    assert run("revoke", issued.key.public_id) == (0, "It opens nothing any more.\n", "")
    assert find(issued.text) is None
    assert run("revoke", issued.key.public_id)[0] == 1
    status, out, err = run("rotate", issued.key.public_id)
    assert (status, out) == (1, "") and "revoked" in err
    (row,) = AuditEvent.objects.filter(event="api_key_revoked")
    assert (row.actor_type, row.actor_id) == ("command", "api_key")


def test_the_list(issued: Issued) -> None:
    revoked = keys.create(issued.key.owner, "old")
    keys.revoke(revoked.key)
    find(issued.text)
    status, out, _ = run("list")
    first, second = out.splitlines()
    assert status == 0
    assert first.startswith(
        f"{issued.key.public_id}  active  ada  backup  audit:read  until revoked"
    )
    assert "used never" not in first and "used never" in second and "  revoked  " in second
    secret = issued.text.split("_")[2]
    told: Any = json.loads(run("list", "--json")[1])
    assert [each["state"] for each in told["keys"]] == ["active", "revoked"]
    assert secret not in out + json.dumps(told)


def test_an_empty_list() -> None:
    assert run("list") == (0, "There are no keys.\n", "")
    assert json.loads(run("list", "--json")[1]) == {"keys": []}


@pytest.mark.parametrize(
    "arguments",
    [[], ["nothing"], ["create"], ["create", "x", "--owner", "ada", "--days", "99999"], ["revoke"]],
    ids=" ".join,
)
def test_what_is_misspelt_is_a_failure(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    command: Any = Command()
    command._called_from_command_line = True  # as it is from a shell
    parser = command.create_parser("manage.py", "api_key")
    with pytest.raises(SystemExit) as left:
        parser.parse_args(arguments)
    assert left.value.code == 3
    assert "usage: " in capsys.readouterr().err
