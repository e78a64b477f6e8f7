"""The parts of dev.py that can be wrong without anyone noticing for a while."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import polib
import pytest
import requests

import dev


def dev_py(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "dev.py", *arguments],
        cwd=dev.ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("content", [None, "", "{", "\x00", "another machine"])
def test_a_stamp_that_says_something_else_is_none(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / dev.STAMP).write_text(content)
    assert dev.stamped(tmp_path)[:1] != dev.wanted(tmp_path)[:1]


class Setup:
    """Counts what `prepare` does to an environment, without doing it."""

    def __init__(self, venv: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.venv = venv
        self.done: list[str] = []
        self.lock = venv.parent / "requirements.txt"
        self.lock.write_text("django==5.2\n")
        monkeypatch.setattr(dev, "LOCK", self.lock)
        monkeypatch.setattr(dev, "make", self.make)
        monkeypatch.setattr(dev, "install", lambda venv: self.done.append("install"))

    def make(self, venv: Path) -> None:
        self.done.append("make")
        python = dev.python_of(venv)
        python.parent.mkdir(parents=True, exist_ok=True)
        python.unlink(missing_ok=True)
        python.symlink_to(sys.executable)

    def prepare(self) -> list[str]:
        self.done = []
        dev.prepare(self.venv)
        return self.done


@pytest.fixture
def setup(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Setup:
    return Setup(tmp_path / ".venv", monkeypatch)


def test_the_second_run_skips_what_is_there(setup: Setup) -> None:
    assert setup.prepare() == ["make", "install"]
    assert setup.prepare() == []


def test_a_new_lock_is_installed_into_the_environment_that_is_there(setup: Setup) -> None:
    setup.prepare()
    setup.lock.write_text("django==6.1\n")
    assert setup.prepare() == ["install"]


def test_another_python_makes_the_environment_anew(
    setup: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    setup.prepare()
    monkeypatch.setattr(dev, "VERSION", "3.99")
    assert setup.prepare() == ["make", "install"]


def test_an_environment_that_was_moved_is_made_anew(setup: Setup) -> None:
    setup.prepare()
    setup.venv = setup.venv.rename(setup.venv.with_name("moved"))
    assert setup.prepare() == ["make", "install"]


def test_an_environment_whose_python_went_away_is_made_anew(setup: Setup) -> None:
    setup.prepare()
    dev.python_of(setup.venv).unlink()
    assert setup.prepare() == ["make", "install"]


def test_an_installation_that_failed_is_tried_again(
    setup: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(venv: Path) -> None:
        raise dev.DevError("no network")

    with monkeypatch.context() as patch:
        patch.setattr(dev, "install", fail)
        with pytest.raises(dev.DevError):
            setup.prepare()
    assert setup.prepare() == ["install"]


def test_somebody_elses_directory_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(dev.DevError, match="not a virtual environment"):
        dev.make(tmp_path)
    assert (tmp_path / "thesis.txt").exists()


@pytest.mark.parametrize(
    "trap",
    [
        "DJANGO_SETTINGS_MODULE", "MYPYPATH", "PIP_CONSTRAINT", "PIP_NO_DEPS", "PIP_TARGET",
        "PYTEST_ADDOPTS", "PYTEST_DISABLE_PLUGIN_AUTOLOAD", "PYTHONHOME", "PYTHONPATH",
        "PYTHONSAFEPATH", "PYTHONWARNINGS", "UV_INDEX_URL", "VIRTUAL_ENV",
    ],
)  # fmt: skip
def test_the_environment_loses_its_traps(trap: str) -> None:
    assert trap not in dev.clean({trap: "1"})


@pytest.mark.parametrize(
    "kept",
    ["CI", "DATABASE_URL", "HOME", "HTTPS_PROXY", "PATH", "PIP_CERT", "PIP_INDEX_URL", "REDIS_URL"],
)
def test_the_environment_keeps_what_is_meant_for_us(kept: str) -> None:
    assert dev.clean({kept: "x"})[kept] == "x"


def test_pip_is_told_to_install_into_the_environment() -> None:
    cleaned = dev.clean({"PIP_USER": "1", "PIP_REQUIRE_VIRTUALENV": "1"})
    assert cleaned["PIP_USER"] == cleaned["PIP_REQUIRE_VIRTUALENV"] == "0"


def test_a_taken_port_is_named_with_another_to_try() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(dev.DevError, match=rf"Port {port} .* --port \d+"):
            dev.check_port(port)
    dev.check_port(port)


@pytest.mark.parametrize("port", [-1, 65536])
def test_a_number_that_is_no_port_is_refused(port: int) -> None:
    with pytest.raises(dev.DevError, match="is not a port"):
        dev.check_port(port)


def test_the_port_is_looked_at_before_anything_is_installed(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = dev_py("--venv", tmp_path / "venv", "demo", "--port", port)
    assert done.returncode == 1
    assert done.stderr.startswith(f"dev.py: Port {port} cannot be used")
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "venv").exists()


@pytest.mark.parametrize(
    ("given", "passed"), [({}, {}), ({"DJANGO_DEBUG": "0"}, {"DJANGO_DEBUG": "0"})]
)
def test_the_demo_can_be_had_without_debugging(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, str], passed: dict[str, str]
) -> None:
    ran: list[tuple[tuple[object, ...], dict[str, str]]] = []
    monkeypatch.setattr(dev, "prepare", lambda venv: Path(sys.executable))
    monkeypatch.setattr(dev, "check_port", lambda port: None)
    monkeypatch.setattr(
        dev, "run", lambda *command, **environment: ran.append((command, environment))
    )
    monkeypatch.delenv("DJANGO_DEBUG", raising=False)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    dev.demo(Path("unused"), [])
    ((command, environment),) = ran
    assert environment == passed
    # Without it a site that is not debugged has no style sheet.
    assert "--insecure" in str(command[-1]).split()


def test_a_benchmark_that_is_not_there_is_refused(tmp_path: Path) -> None:
    done = dev_py("bench", "no-such", CREDFIREWALL_VENV=str(tmp_path / "venv"))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("dev.py: No benchmark no-such.")


@pytest.mark.parametrize("arguments", [(), ("--help",)])
def test_help_names_every_task(arguments: tuple[str, ...]) -> None:
    done = dev_py(*arguments)
    assert done.returncode == 0
    assert all(f"python3 dev.py {task}" in done.stdout for task in dev.TASKS)


def test_an_older_python_gets_one_clear_line() -> None:
    pretend = "import sys; sys.version_info = (3, 9, 2); sys.version = '3.9.2 (main)'; import dev"
    done = subprocess.run(
        [sys.executable, "-c", pretend], cwd=dev.ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "dev.py needs Python 3.11 or newer, and this is 3.9.2.\n"


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_the_child_too_and_shows_no_traceback(
    tmp_path: Path, number: signal.Signals, status: int
) -> None:
    child = tmp_path / "child.py"
    child.write_text(
        "import os, sys, time\n"
        "try:\n"
        "    print(os.getpid(), flush=True)\n"
        "    time.sleep(60)\n"
        "except KeyboardInterrupt:\n"
        "    sys.exit('cleaned up')\n"
    )
    task = (
        "import sys, dev\n"
        f"dev.TASKS['lint'] = lambda venv, arguments: dev.run(sys.executable, {str(child)!r})\n"
        "sys.exit(dev.main(['lint']))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", task],
        cwd=dev.ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout
    started = int(process.stdout.readline())
    # A terminal sends Ctrl-C to all in the foreground; a supervisor sends SIGTERM to the one.
    send = os.killpg if number is signal.SIGINT else os.kill
    began = time.monotonic()
    send(process.pid, number)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == status
    assert "Traceback" not in errors
    assert time.monotonic() - began < 4
    with pytest.raises(ProcessLookupError):
        os.kill(started, 0)


@pytest.fixture
def statuses(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """What the commands that a task runs end with, in turn."""
    ends: list[int] = []
    monkeypatch.setattr(dev, "prepare", lambda venv: Path(sys.executable))
    monkeypatch.setattr(dev, "BROWSERS", ("sh",))
    monkeypatch.setattr(dev, "MARIADB", ("sh",))
    monkeypatch.setattr(dev, "quietly", lambda *command: (True, ""))
    monkeypatch.setattr(dev, "run", lambda *command, **environment: ends.pop(0))
    return ends


@pytest.mark.parametrize(
    ("ends", "status", "said"),
    [
        ([0, 0, 0], 0, "SQLite passed, PostgreSQL passed, MariaDB passed"),
        ([0, 5, 5], 0, "SQLite passed, PostgreSQL ran nothing, MariaDB ran nothing"),
        ([1, 0, 0], 1, "SQLite FAILED, PostgreSQL passed, MariaDB passed"),
        ([0, 1, 0], 1, "SQLite passed, PostgreSQL FAILED, MariaDB passed"),
        ([0, 0, 1], 1, "SQLite passed, PostgreSQL passed, MariaDB FAILED"),
        ([5, 5, 5], 5, "SQLite ran nothing, PostgreSQL ran nothing, MariaDB ran nothing"),
        ([0, 4, 5], 4, "SQLite passed, PostgreSQL ended with status 4, MariaDB ran nothing"),
    ],
)
def test_the_tests_end_with_one_line_about_all_databases(
    statuses: list[int],
    capsys: pytest.CaptureFixture[str],
    ends: list[int],
    status: int,
    said: str,
) -> None:
    statuses[:] = ends
    assert dev.test(Path("unused"), []) == status
    assert capsys.readouterr().out.splitlines()[-1].replace(" in 0 s", "") == f"==> Tests: {said}"


def test_mariadb_is_installed_where_it_is_missing(
    statuses: list[int], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[tuple[str, ...]] = []

    def refuse(*packages: str) -> bool:
        asked.append(packages)
        return False

    monkeypatch.setattr(dev, "apt_install", refuse)
    statuses[:] = [0, 0, 0]
    dev.test(Path("unused"), [])
    assert asked == []
    monkeypatch.setattr(dev, "MARIADB", ("sh", "no-such-server"))
    statuses[:] = [0, 0, 5]
    assert dev.test(Path("unused"), []) == 0
    assert asked == [("mariadb-server-core", "mariadb-client-core")]
    assert "==> MariaDB cannot start. On Debian" in capsys.readouterr().out


def test_a_server_is_found_where_no_path_leads(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "serverd").touch(0o755)
    monkeypatch.setenv("PATH", os.defpath)
    assert dev.which("serverd") is None
    monkeypatch.setattr(dev, "SERVERS", (str(tmp_path),))
    assert dev.which("serverd") == str(tmp_path / "serverd")


def test_lint_takes_every_step_and_names_what_failed(
    statuses: list[int], capsys: pytest.CaptureFixture[str]
) -> None:
    statuses[:] = [0, 1, 0, 0, 0, 1]
    assert dev.lint(Path("unused"), []) == 1
    assert capsys.readouterr().out.splitlines()[-1] == "==> Lint: failed: ruff check, deployment"
    statuses[:] = [0] * 6
    assert dev.lint(Path("unused"), []) == 0


@pytest.fixture
def app(tmp_path: Path) -> Path:
    """An app with one message, translated into German by another's hand."""
    (tmp_path / "shop.py").write_text(MESSAGES)
    for language in ("de", "en"):
        folder = tmp_path / "locale" / language / "LC_MESSAGES"
        folder.mkdir(parents=True)
        catalogue = CATALOGUE.format(language=language)
        (folder / "django.po").write_text(catalogue if language == "de" else HEADER)
    return tmp_path


MESSAGES = """\
from django.utils.translation import gettext, ngettext

gettext("Good morning")
ngettext("%(n)d guest", "%(n)d guests", 2)
"""
HEADER = """\
msgid ""
msgstr ""
"POT-Creation-Date: 2026-01-01 00:00+0000\\n"
"Last-Translator: Ann <ann@example.com>\\n"
"Language: en\\n"
"MIME-Version: 1.0\\n"
"Content-Type: text/plain; charset=UTF-8\\n"
"Content-Transfer-Encoding: 8bit\\n"
"Plural-Forms: nplurals=2; plural=(n != 1);\\n"
"""
CATALOGUE = (
    HEADER.replace("Language: en", "Language: {language}")
    + """
msgid "Good morning"
msgstr "Guten Morgen"

msgid "No longer there"
msgstr "Nicht mehr da"
"""
)


def read(app: Path, language: str) -> polib.POFile:
    return polib.pofile(str(app / "locale" / language / "LC_MESSAGES" / "django.po"))


def test_messages_are_collected_and_compiled(app: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if not shutil.which("xgettext"):
        pytest.skip("GNU gettext is not installed")
    assert dev.renew_catalogues(app) == 1
    assert "de: 1 of 2 messages to translate" in capsys.readouterr().out
    german, english = read(app, "de"), read(app, "en")
    assert [entry.msgid for entry in german] == ["Good morning", "%(n)d guest"]
    assert german[0].msgstr == "Guten Morgen"
    assert english[0].msgstr == "Good morning"
    assert english[1].msgstr_plural == {0: "%(n)d guest", 1: "%(n)d guests"}
    assert not {"POT-Creation-Date", "Last-Translator"} & {*german.metadata, *english.metadata}

    german[1].msgstr_plural = {0: "%(n)d Gast", 1: "%(n)d Gäste"}
    german.save()
    assert dev.renew_catalogues(app) == 0
    assert "to translate" not in capsys.readouterr().out
    compiled = polib.mofile(str(app / "locale" / "de" / "LC_MESSAGES" / "django.mo"))
    assert {entry.msgid for entry in compiled} == {"Good morning", "%(n)d guest"}
    before = {path: path.read_bytes() for path in app.rglob("django.[mp]o")}
    assert dev.renew_catalogues(app) == 0
    assert {path: path.read_bytes() for path in app.rglob("django.[mp]o")} == before


def test_without_gettext_what_is_there_is_compiled(
    app: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(dev, "apt_install", lambda *packages: False)
    monkeypatch.setenv("PATH", str(app))
    assert dev.renew_catalogues(app) == 1
    assert "GNU gettext is not installed" in capsys.readouterr().out
    assert [entry.msgid for entry in read(app, "de")] == ["Good morning", "No longer there"]
    assert (app / "locale" / "de" / "LC_MESSAGES" / "django.mo").exists()


@pytest.mark.slow
def test_the_catalogues_hold_what_the_task_collects(tmp_path: Path) -> None:
    if not shutil.which("xgettext"):
        pytest.skip("GNU gettext is not installed")
    ours = dev.ROOT / "credfirewall"
    copy = tmp_path / "credfirewall"
    shutil.copytree(ours, copy, ignore=shutil.ignore_patterns("__pycache__", "*.mo"))
    assert dev.renew_catalogues(copy) == 0
    for path in ours.rglob("django.[mp]o"):
        again = copy / path.relative_to(ours)
        assert again.read_bytes() == path.read_bytes(), path.relative_to(ours)


@pytest.mark.slow
def test_the_demo_serves_its_pages_until_ctrl_c(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    task = (
        "import sys, dev\n"
        "dev.prepare = lambda venv: sys.executable\n"
        f"sys.exit(dev.main(['demo', '--port', '{port}']))"
    )
    log = tmp_path / "log"
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-c", task],
            cwd=dev.ROOT,
            env={
                **os.environ,
                "DATABASE_URL": f"sqlite:///{tmp_path}/demo.sqlite3",
                "CREDFIREWALL_HIBP_URL": "http://127.0.0.1:9/range/",
                "SECRET_KEY": "for one run of the demo, and long enough to be taken for a key",
            },
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        page = ""
        while process.poll() is None and not page:
            with contextlib.suppress(requests.ConnectionError):
                page = requests.get(f"http://127.0.0.1:{port}/accounts/signup/", timeout=10).text
            time.sleep(0.1)
        assert "password" in page, log.read_text()
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(10) == 130
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    said = log.read_text()
    assert f"http://127.0.0.1:{port}/" in said
    assert "Demo accounts" in said
    assert said.endswith("Stopped.\n")
    assert "Traceback" not in said
