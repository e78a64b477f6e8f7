"""The whole suite is shared out to several processes, and says the same as one."""

import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from dev import ROOT
from tests import plugin
from tests.naming import same_everywhere

HERE = str(Path(__file__).parent)
TESTS = """
import os
import sys

import pytest
from django.db import connection


@pytest.mark.parametrize("number", range(8))
@pytest.mark.django_db
def test_database(number, pytestconfig):
    worker = getattr(pytestconfig, "workerinput", {}).get("workerid", "alone")
    name = os.environ["DATABASE_URL"].rpartition("/")[2]
    assert str(connection.settings_dict["NAME"]).rpartition("/")[2] == name
    with open(os.path.join(os.path.dirname(__file__), worker), "w") as file:
        file.write(name)


def test_skipped(pytestconfig):
    from tests.plugin import unavailable
    unavailable(pytestconfig, "Teapot", "it is short and stout")


def test_no_worker_for_who_starts_a_session_of_its_own():
    assert "PYTEST_XDIST_WORKER" not in os.environ


def test_not_chosen():
    pass
"""


def workers(*arguments: str, keyword: str = "", lf: bool = False) -> int:
    options = {"keyword": keyword, "lf": lf}
    config = SimpleNamespace(args=list(arguments), getoption=options.__getitem__)
    return plugin.pytest_xdist_auto_num_workers(cast(pytest.Config, config))


def test_folders_are_shared_out_and_files_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: range(4), raising=False)
    assert workers(HERE) == workers(HERE, HERE) == 4
    assert workers(__file__) == workers(HERE, __file__) == workers(f"{HERE}::test_this") == 0
    assert workers(HERE, keyword="word") == workers(HERE, lf=True) == 0
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: range(96), raising=False)
    assert workers(HERE) == plugin.MOST_WORKERS


@pytest.mark.slow
@pytest.mark.parametrize("processes", [0, 2])
def test_processes_have_a_database_each_and_tell_what_was_not_run(
    tmp_path: Path, processes: int
) -> None:
    (tmp_path / "test_shared.py").write_text(TESTS)
    fixture = "django_db_modify_db_settings_xdist_suffix"
    (tmp_path / "conftest.py").write_text(f"from tests.conftest import {fixture} as {fixture}\n")
    command: list[Any] = [sys.executable, "-m", "pytest", "-c", ROOT / "pyproject.toml"]
    command += [f"--rootdir={ROOT}", "-p", "no:cacheprovider", f"-n{processes}", "-k", "not chosen"]
    done = subprocess.run(
        [*command, tmp_path],
        cwd=ROOT,
        env={**os.environ, "CI": ""},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"9 passed, 1 skipped, 1 deselected", done.stdout)
    assert "\nTeapot: it is short and stout\n" in done.stdout
    names = {
        path.read_text() for path in tmp_path.iterdir() if path.suffix != ".py" and path.is_file()
    }
    assert len(names) == (processes or 1)


def test_a_name_has_no_address() -> None:
    assert same_everywhere({"a": object(), "at": 0x10}) == "{'a': <object object>, 'at': 16}"
