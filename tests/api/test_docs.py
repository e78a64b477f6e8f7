"""docs/api.md leaves no endpoint, error or parameter out, and names nothing that is not there."""

import json
import re
from pathlib import Path
from typing import Any

from credfirewall.api import problems
from credfirewall.api.problems import Problem
from credfirewall.api.scopes import SCOPES
from credfirewall.audit.serializers import EXAMPLE, EventQuery
from credfirewall.passwords.serializers import CHECKED_EXAMPLE, GENERATED_EXAMPLE, SpecQuery
from credfirewall.urls import urlpatterns
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


def rows(head: str) -> dict[str, set[str]]:
    """A table of names in two columns: by what is in the first, what is in the second."""
    (table,) = re.findall(
        rf"^\| {re.escape(head)} \|\n\|[-|]+\|\n((?:\|.*\n)+)", TEXT, re.MULTILINE
    )
    cells = (line.strip("|").split("|") for line in table.splitlines())
    return {first: set(re.findall(r"`([^`]+)`", second)) for first, second in cells}


def views() -> dict[str, Any]:
    found: dict[str, Any] = {}
    for pattern in urlpatterns:
        callback: Any = pattern.callback
        found[str(pattern.name)] = callback.view_class
    return found


def test_every_scope_is_documented_with_what_it_opens() -> None:
    expected: dict[str, set[str]] = {name: set() for name in SCOPES}
    for name, view in views().items():
        if view.key_scope:
            expected[view.key_scope].add(name)
    found = rows("Scope | What it opens")
    assert {name.strip(" `"): opens for name, opens in found.items()} == expected


def test_the_rate_of_every_endpoint_is_documented() -> None:
    found = {
        name: rate
        for names, rates in rows("Endpoint | Rate").items()
        for name in re.findall(r"`([^`]+)`", names)
        for rate in rates
    }
    assert found == {name: view.scope for name, view in views().items()}
