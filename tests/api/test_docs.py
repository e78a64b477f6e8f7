"""docs/api.md leaves no endpoint, error or parameter out, and names nothing that is not there."""

import json
import re
from pathlib import Path

from credfirewall.api import problems
from credfirewall.api.problems import Problem
from credfirewall.audit.serializers import EXAMPLE, EventQuery
from tests.api.test_matrix import MATRIX

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "api.md").read_text(encoding="utf-8")


def test_every_endpoint_is_documented() -> None:
    found = re.findall(r"^\| `([A-Z]+) (/\S*)` \| `([\w-]+)` \|", TEXT, re.MULTILINE)
    expected = {(method, path, name) for name, (method, path, _, _) in MATRIX.items()}
    assert set(found) == expected


def test_permissions_are_documented() -> None:
    for _, path, permission, _ in MATRIX.values():
        (line,) = re.findall(rf"^\| `[A-Z]+ {re.escape(path)}` .*$", TEXT, re.MULTILINE)
        assert not permission or f"`{permission}`" in line


def test_every_error_is_documented() -> None:
    found = re.findall(r"^\| `(\w+)` \| (\d{3}) \|", TEXT, re.MULTILINE)
    known = [value for value in vars(problems).values() if isinstance(value, Problem)]
    assert set(found) == {(each.code, str(each.status)) for each in known}
    assert len(found) == len(known)


def test_every_parameter_is_documented() -> None:
    table = TEXT.partition("| Parameter |")[2]
    found = re.findall(r"`(\w+)`", " ".join(re.findall(r"^\| (`[^|]+) \|", table, re.MULTILINE)))
    assert set(found) == set(EventQuery().fields)


def test_the_example_is_the_one_of_the_schema() -> None:
    (shown,) = re.findall(r"^```json\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
    assert json.loads(shown) == EXAMPLE
