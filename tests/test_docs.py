"""The documentation leaves nothing out, and names nothing that is not there."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.management import load_command_class
from django.dispatch import Signal

import credfirewall
from credfirewall import signals, validators
from credfirewall.conf import DEFAULT_RATES, SETTINGS

PACKAGE = Path(credfirewall.__file__).parent
ROOT = PACKAGE.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
TEXT = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)


def rows(name: str) -> dict[str, list[str]]:
    """The rows of a page's tables, by what stands between backquotes in the first cell."""
    found = {}
    for line in (ROOT / "docs" / name).read_text(encoding="utf-8").splitlines():
        if match := re.match(r"\| `([\w.]+)` \|", line):
            assert match[1] not in found, f"{match[1]} is in {name} twice"
            found[match[1]] = [cell.strip() for cell in line.strip("|").split("|")]
    return found


def ids() -> Iterator[str]:
    for path in PACKAGE.rglob("*checks.py"):
        yield from re.findall(r'id="(credfirewall\.[EW]\d{3})"', path.read_text(encoding="utf-8"))


def commands() -> list[str]:
    return [path.stem for path in (PACKAGE / "management/commands").glob("[a-z]*.py")]


def test_every_setting_is_described_and_no_other() -> None:
    assert set(rows("settings.md")) == set(SETTINGS)


@pytest.mark.parametrize("name", SETTINGS)
def test_a_setting_has_its_type_default_and_description(name: str) -> None:
    _, kind, default, description = rows("settings.md")[name]
    value = SETTINGS[name].default
    assert ast.literal_eval(default.strip("`")) == ([*value] if isinstance(value, tuple) else value)
    assert kind
    assert description.endswith(".")


def test_default_rates_are_described() -> None:
    (shown,) = re.findall(r"`(\{\"generate\".*?\})`", rows("settings.md")["RATES"][3])
    assert ast.literal_eval(shown) == DEFAULT_RATES


def test_every_check_is_described_and_no_other() -> None:
    assert set(rows("checks.md")) == set(ids())


def test_a_check_has_its_meaning_and_its_remedy() -> None:
    for cells in rows("checks.md").values():
        _, meaning, remedy = cells
        assert meaning.endswith(".") and remedy.endswith(".")


def test_checks_that_wait_for_deployment_say_so() -> None:
    source = (PACKAGE / "hasher_checks.py").read_text(encoding="utf-8")
    marked = {name for name, cells in rows("checks.md").items() if "*Deployment.*" in cells[1]}
    assert marked == set(re.findall(r"credfirewall\.[EW]\d{3}", source))


def test_every_signal_is_described_and_no_other() -> None:
    defined = {name for name, value in vars(signals).items() if isinstance(value, Signal)}
    assert set(rows("signals.md")) == defined


@pytest.mark.parametrize(
    "name", [name for name in vars(validators) if name.endswith("Validator") and name[0] != "_"]
)
def test_every_validator_is_described(name: str) -> None:
    assert f"`credfirewall.validators.{name}`" in TEXT


@pytest.mark.parametrize("name", commands())
def test_every_command_is_described(name: str) -> None:
    assert f"manage.py {name}`" in TEXT or f"manage.py {name} " in TEXT
    assert load_command_class("credfirewall", name).help


def test_there_are_commands_and_validators_to_describe() -> None:
    assert "screen_password" in commands()
    assert {"BreachedPasswordValidator", "BlocklistValidator"} <= set(vars(validators))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text(encoding="utf-8"))
    assert not [target for target in targets if not (page.parent / target).exists()]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_python_in_the_documentation_can_be_read(page: Path) -> None:
    for block in re.findall(
        r"^```python\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    ):
        compile(block, page.name, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
