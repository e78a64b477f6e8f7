"""The audit benchmark runs, and keeps what it finds."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_all_parts(tmp_path: Path) -> None:
    kept = tmp_path / "folder" / "audit.json"
    environment = {name: os.environ[name] for name in os.environ if not name.startswith("DJANGO_")}
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.audit", "--sizes=smoke", f"--json={kept}"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(kept.read_text())
    assert {"record, durable", "throughput", "verify", "pages, sqlite"} <= set(found["figures"])
    assert {target["name"][0] for target in found["targets"]} == set("1234")
    missed = [target for target in found["targets"] if not target["met"]]
    said = [line for line in done.stdout.splitlines() if line.startswith("missed: ")]
    assert len(said) == len(missed)
    assert found["versions"]["psycopg"]
