"""The screening benchmark runs, and keeps what it finds."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run it as a process of its own: it is a Django project of its own."""
    environment = {name: os.environ[name] for name in os.environ if not name.startswith("DJANGO_")}
    return subprocess.run(
        [sys.executable, "-m", "benchmarks.screening", *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.mark.slow
def test_all_parts(tmp_path: Path) -> None:
    kept = tmp_path / "folder" / "screening.json"
    done = run("--sizes=smoke", f"--json={kept}")
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(kept.read_text())
    assert set(found["figures"]) == {"plain", "compressed", "entry_bytes", "together", "dead"}
    assert {target["name"][0] for target in found["targets"]} == set("123456")
    missed = [target for target in found["targets"] if not target["met"]]
    said = [line for line in done.stdout.splitlines() if line.startswith("missed: ")]
    assert len(said) == len(missed)
    assert found["versions"]["pwned-passwords-django"]
    assert found["machine"]["cores"]


def test_an_unknown_option_is_refused() -> None:
    done = run("--fast")
    assert done.returncode == 2
    assert "--quick" in done.stderr
