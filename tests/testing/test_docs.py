"""What docs/testing.md shows works, and it leaves no fault out."""

import inspect
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from credfirewall.testing import faults, quirks
from credfirewall.testing.faults import Fault
from credfirewall.testing.server import RangeServer

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "testing.md").read_text()
FILES = dict(re.findall(r"^```python\n# (\w+\.py)\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL))


def test_the_examples_pass_in_a_project_of_their_own(tmp_path: Path) -> None:
    assert set(FILES) == {"conftest.py", "test_sign_up.py", "test_change.py", "test_outage.py"}
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\n")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", str(tmp_path)],
        cwd=tmp_path,
        env={
            **os.environ,
            "DATABASE_URL": "sqlite:///:memory:",
            "DJANGO_SETTINGS_MODULE": "tests.settings",
            "PYTHONPATH": str(ROOT),
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "6 passed" in done.stdout


def test_importing_needs_no_django_settings() -> None:
    """A conftest.py is read before Django has them."""
    code = """
import credfirewall.testing.pytest_plugin, credfirewall.testing.server, credfirewall.testing.tls
from django.conf import settings
assert not settings.configured
"""
    environment = {k: v for k, v in os.environ.items() if k != "DJANGO_SETTINGS_MODULE"}
    command = [sys.executable, "-W", "error", "-c", code]
    subprocess.run(command, cwd=ROOT, env=environment, timeout=60, check=True)


def test_pytest_is_not_needed_for_the_rest() -> None:
    code = "import sys, credfirewall.testing.server; sys.exit('pytest' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, timeout=60, check=True)


@pytest.mark.parametrize("module", [faults, quirks])
def test_every_fault_is_named(module: object) -> None:
    named = {
        name
        for name, each in inspect.getmembers(module, inspect.isclass)
        if issubclass(each, Fault) and not name.startswith("_")
    }
    assert named
    assert {name for name in named if f"`{name}" not in TEXT} == set()


def test_every_option_of_the_server_is_named() -> None:
    options = set(inspect.signature(RangeServer).parameters)
    assert {name for name in options if f"`{name}`" not in TEXT} == set()
