"""What is shipped, and what must not be in any file of ours."""

import ast
import re
import subprocess
import sys
import tomllib
import zipfile
from contextlib import redirect_stdout
from importlib.metadata import packages_distributions
from io import StringIO
from pathlib import Path

import pytest
from pytest_django import Settings

import credfirewall
from dev import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
# Written so that this file does not find itself.
MACHINE_PATH = re.compile(r"(?<![\w.:/~<{-])/(?:work|root|home|Users)/(?!\.)[\w.-]+")
REGISTRY = re.compile(
    r"pypi[.]org|pythonhosted[.]org|index-url\s*=|--[a-z-]*index-url|--find-link[s]"
)
UNTRACKED = frozenset({"__pycache__", "build", "dist", "var"})


def tracked() -> list[Path]:
    """The files of the checkout that are ours, or would be with the next commit."""
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        done = subprocess.run(listing, cwd=ROOT, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        # A copy without its history.
        relative = (path.relative_to(ROOT) for path in ROOT.rglob("*"))
        names = [
            str(path)
            for path in relative
            if not UNTRACKED.intersection(path.parts) and not path.parts[0].startswith(".")
        ]
    else:
        names = done.stdout.split("\0")
    return [path for name in names if name and (path := ROOT / name).is_file()]


def offending(pattern: re.Pattern[str]) -> list[str]:
    found = []
    for path in tracked():
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        for number, line in enumerate(text.splitlines(), 1):
            if match := pattern.search(line):
                found.append(f"{path.relative_to(ROOT)}:{number}: {match[0]}")
    return found


@pytest.mark.parametrize(
    "line",
    ["/".join(["", "home", "ann", "x"]), "-c " + "/".join(["", "work", "x.txt"])],
)
def test_a_machine_path_would_be_noticed(line: str) -> None:
    assert MACHINE_PATH.search(line)


def test_no_file_names_a_place_on_somebodys_machine() -> None:
    assert offending(MACHINE_PATH) == []


def test_no_file_names_a_package_registry() -> None:
    assert offending(REGISTRY) == []


def test_the_lock_has_a_hash_for_every_package_and_nothing_from_elsewhere() -> None:
    requirements = re.split(r"\n(?=\S)", (ROOT / "requirements.txt").read_text())
    pinned = [entry for entry in requirements if not entry.startswith("#")]
    assert len(pinned) > 30
    for entry in pinned:
        assert re.match(r"[\w.-]+==[\w.+]+ ?[;\\]", entry), entry.splitlines()[0]
        assert "--hash=sha256:" in entry, entry.splitlines()[0]


def test_the_lock_has_a_django_for_every_python() -> None:
    lock = (ROOT / "requirements.txt").read_text()
    versions = re.findall(
        r"^django==(\d+\.\d+)\S* ; python_full_version ([<>=]+ '3.12')", lock, re.MULTILINE
    )
    oldest, newest = sorted(versions)
    assert oldest == ("5.2", "< '3.12'")
    assert float(newest[0]) >= 6


def normalised(requirement: str) -> str:
    return re.split(r"[^\w.-]", requirement, maxsplit=1)[0].lower()


def test_the_lock_holds_every_dependency() -> None:
    locked = set(re.findall(r"^([\w.-]+)==", (ROOT / "requirements.txt").read_text(), re.MULTILINE))
    optional = [name for extra in PROJECT["optional-dependencies"].values() for name in extra]
    assert {normalised(name) for name in (*PROJECT["dependencies"], *optional)} <= locked


def test_what_the_app_imports_is_declared() -> None:
    extra = PROJECT["optional-dependencies"]["metrics"]
    declared = {normalised(name) for name in (*PROJECT["dependencies"], *extra)}
    imported = set()
    for path in (ROOT / "credfirewall").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                imported.add(node.module.partition(".")[0])
    imported -= {*sys.stdlib_module_names, "credfirewall", "pytest"}  # testing.pytest_plugin's own
    packages = packages_distributions()
    assert {packages[name][0].lower().replace("_", "-") for name in imported} - declared == set()


def test_the_example_of_the_readme_prints_what_it_says(settings: Settings) -> None:
    settings.CREDFIREWALL = {}
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    (block,) = (
        each for each in re.findall(r"```python\n(.*?)```", text, re.DOTALL) if "verdict" in each
    )
    said = StringIO()
    with redirect_stdout(said):
        exec(block, {})
    (expected,) = re.findall(r"print\(.*?\)  # (.*?):", block)
    assert said.getvalue() == f"{expected}\n"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    directory = tmp_path_factory.mktemp("dist")
    command = "-m build --no-isolation --wheel --outdir".split()
    done = subprocess.run(
        [sys.executable, *command, directory], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (path,) = directory.iterdir()
    return zipfile.ZipFile(path)


@pytest.mark.slow
def test_the_wheel_holds_the_app_with_its_data_and_nothing_else(wheel: zipfile.ZipFile) -> None:
    shipped = {name for name in wheel.namelist() if ".dist-info/" not in name}
    app = ROOT / "credfirewall"
    ours = {str(path.relative_to(ROOT)) for path in tracked() if path.is_relative_to(app)}
    assert shipped == ours
    assert {Path(name).parts[0] for name in shipped} == {"credfirewall"}
    assert "credfirewall/py.typed" in shipped


@pytest.mark.slow
def test_every_catalogue_is_shipped_compiled(wheel: zipfile.ZipFile) -> None:
    sources = {name for name in wheel.namelist() if name.endswith(".po")}
    assert {name.removesuffix(".po") + ".mo" for name in sources} <= set(wheel.namelist())


@pytest.mark.slow
def test_the_wheel_says_what_it_is(wheel: zipfile.ZipFile) -> None:
    (name,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    metadata = wheel.read(name).decode()
    assert f"\nName: django-credfirewall\nVersion: {credfirewall.__version__}\n" in metadata
    assert "\nLicense-Expression: BSD-3-Clause AND CC-BY-3.0-US\n" in metadata
    assert "\nRequires-Python: >=3.11\n" in metadata
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in wheel.namelist())
