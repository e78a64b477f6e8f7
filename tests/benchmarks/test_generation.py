"""The generation benchmark runs, and keeps what it finds."""

import json
from pathlib import Path

import pytest

from benchmarks.generation import BARS, LENGTHS, PEER, chosen, main, modulo


def test_all_parts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kept = tmp_path / "folder" / "generation.json"
    assert main(["--sizes=smoke", f"--json={kept}"]) == 0
    found = json.loads(kept.read_text())
    assert set(found["figures"]) == {*map(str, LENGTHS), "kinds"}
    assert set(found["figures"]["kinds"]) == {"passphrase", "pin", "pronounceable"}
    assert PEER in found["figures"]["16"]
    assert len(found["targets"]) == len(BARS) == 2
    missed = [target for target in found["targets"] if not target["met"]]
    said = [line for line in capsys.readouterr().out.splitlines() if line.startswith("missed: ")]
    assert len(said) == len(missed)


def test_the_peers_draw_what_is_asked_for() -> None:
    assert len(chosen(16)) == len(modulo(16)) == 16
