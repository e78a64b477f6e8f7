"""docs/api.md leaves no endpoint, error or parameter out, and names nothing that is not there."""

import json
import re
from pathlib import Path

from credfirewall.api import problems
from credfirewall.api.problems import Problem
from credfirewall.audit.serializers import EXAMPLE, EventQuery
from credfirewall.passwords.serializers import CHECKED_EXAMPLE, GENERATED_EXAMPLE, SpecQuery
from tests.api.test_matrix import LINES

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "api.md").read_text(encoding="utf-8")


def test_every_endpoint_is_documented() -> None:
    found = re.findall(r"^\| `([A-Z]+) (/\S*)` \| `([\w-]+)` \|", TEXT, re.MULTILINE)
    assert set(found) == {(line.method, line.path, line.endpoint) for line in LINES}


def test_permissions_are_documented() -> None:
    for line in LINES:
        start = re.escape(f"| `{line.method} {line.path}` ")
        (row,) = re.findall(rf"^{start}.*$", TEXT, re.MULTILINE)
        assert not line.needed or f"`{line.needed}`" in row


def test_every_error_is_documented() -> None:
    found = re.findall(r"^\| `(\w+)` \| (\d{3}) \|", TEXT, re.MULTILINE)
    known = [value for value in vars(problems).values() if isinstance(value, Problem)]
    assert set(found) == {(each.code, str(each.status)) for each in known}
    assert len(found) == len(known)


def test_every_parameter_is_documented() -> None:
    table = TEXT.partition("| Parameter |")[2]
    found = re.findall(r"`(\w+)`", " ".join(re.findall(r"^\| (`[^|]+) \|", table, re.MULTILINE)))
    assert set(found) == set(EventQuery().fields)


def test_every_option_of_generation_is_documented() -> None:
    table = TEXT.partition("| Option |")[2].partition("\n\n")[0]
    found = re.findall(r"`(\w+)`", " ".join(re.findall(r"^\| (`[^|]+) \|", table, re.MULTILINE)))
    assert set(found) == set(SpecQuery().fields)


def test_the_examples_are_those_of_the_schema() -> None:
    shown = re.findall(r"^```json\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
    assert [json.loads(each) for each in shown] == [GENERATED_EXAMPLE, CHECKED_EXAMPLE, EXAMPLE]
