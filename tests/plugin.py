"""Chooses the database before Django is set up, and keeps account of what could not start.

The whole suite is shared out to a process a processor (pytest-xdist). The session that starts these
starts the server, too; each of them has a database of its own in it.
"""

import gc
import os
import signal
import tempfile
from collections.abc import Generator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

import pytest

from tests.servers import Unavailable, start_mariadb, start_postgres

# Each would send the tests somewhere else than to the servers that they start.
OUTSIDE = ("CREDFIREWALL_", "DATABASE_URL", "REDIS_URL", "PG", "MYSQL_", "MARIADB_", "DJANGO_")
REAL_RANGES = "CREDFIREWALL_REAL_RANGES"
"""Names a folder of real ranges for a test that makes its own without one."""
PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
CERTIFICATES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR")

SERVERS = {"postgresql": ("PostgreSQL", start_postgres), "mariadb": ("MariaDB", start_mariadb)}
"""What `--database` starts; SQLite needs nothing to be started."""

MOST_WORKERS = 8
"""What the connections of one database server are enough for."""

missing = pytest.StashKey[dict[str, str]]()
deselected = pytest.StashKey[int]()


def in_ci() -> bool:
    """Whether what cannot start is a failure."""
    return os.environ.get("CI", "").lower() not in {"", "0", "false"}


def unavailable(config: pytest.Config, part: str, reason: str) -> NoReturn:
    """Give up a test whose server or browser cannot start: never silently."""
    config.stash[missing][part] = reason
    if in_ci():
        pytest.fail(f"{part} could not start: {reason}", pytrace=False)
    pytest.skip(f"{part} could not start: {reason}")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--database",
        choices=("sqlite", *SERVERS),
        default="sqlite",
        help="what the tests run on; on a server, only those that touch the database",
    )


@pytest.hookimpl(tryfirst=True, optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """One a processor for all tests or a folder of them; those of a file are done sooner alone."""
    folders = all(Path(argument).is_dir() for argument in config.args)
    if not folders or config.getoption("keyword") or config.getoption("lf"):
        return 0
    if hasattr(os, "sched_getaffinity"):
        return min(len(os.sched_getaffinity(0)), MOST_WORKERS)
    return min(os.cpu_count() or 1, MOST_WORKERS)


def clear_environment() -> None:
    """Nothing of it may send the tests elsewhere."""
    for name in list(os.environ):
        outside = name.startswith(OUTSIDE) and name != REAL_RANGES
        if outside or name.lower() in PROXIES or name in CERTIFICATES:
            del os.environ[name]


def choose_database(config: pytest.Config) -> str:
    """The URL of what the session has chosen, its server started."""
    files = tempfile.TemporaryDirectory(prefix="credfirewall-tests-")
    config.add_cleanup(files.cleanup)
    if chosen := SERVERS.get(config.known_args_namespace.database):
        title, start = chosen
        try:
            server = start()
        except Unavailable as error:
            config.stash[missing][title] = str(error)
            if in_ci():
                raise pytest.UsageError(f"could not start: {error}") from error
        else:
            config.add_cleanup(server.stop)
            return server.url.rpartition("/")[0] + "/credfirewall"
    return f"sqlite:///{files.name}/test.sqlite3"


@pytest.hookimpl(wrapper=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> Generator[None]:
    """Runs ahead of pytest-django, which loads the settings in this same hook."""
    # So that a session that is told to end, by a supervisor say, cleans up as after Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    early_config.stash[missing] = {}
    early_config.stash[deselected] = 0
    # It goes, because a session that a test starts is not one that shares the tests with others.
    if worker := os.environ.pop("PYTEST_XDIST_WORKER", ""):
        os.environ["DATABASE_URL"] += f"_{worker}"
    else:
        clear_environment()
        os.environ["DATABASE_URL"] = choose_database(early_config)
    yield


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a process that is to share the tests what could not start."""
    node.workerinput["missing"] = node.config.stash[missing]


def pytest_configure(config: pytest.Config) -> None:
    config.stash[missing].update(getattr(config, "workerinput", {}).get("missing", {}))


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object) -> None:
    """Take over what a process that shared the tests has to tell beside its reports."""
    told = getattr(node, "workeroutput", {})
    node.config.stash[missing].update(told.get("missing", {}))
    # Each has selected for itself, all the same.
    reporter = node.config.pluginmanager.getplugin("terminalreporter")
    reporter.stats["deselected"] = [SimpleNamespace()] * told.get("deselected", 0)


def pytest_deselected(items: list[pytest.Item]) -> None:
    if items:
        items[0].config.stash[deselected] += len(items)


def touches_database(item: pytest.Item) -> bool:
    """Whether another database may give another answer."""
    from django.test import TransactionTestCase

    fixtures = {"db", "transactional_db", "live_server", "admin_user", "admin_client"}
    cls = getattr(item, "cls", None)
    return (
        item.get_closest_marker("django_db") is not None
        or not fixtures.isdisjoint(getattr(item, "fixturenames", ()))
        or (isinstance(cls, type) and issubclass(cls, TransactionTestCase))
    )


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark what touches the database; on a database server, leave out everything else."""
    for item in items:
        if "browser" in getattr(item, "fixturenames", ()):
            item.add_marker("browser")
        elif touches_database(item):
            item.add_marker("database")
    if server := SERVERS.get(config.getoption("--database")):
        chosen = [item for item in items if item.get_closest_marker("database")]
        config.hook.pytest_deselected(items=[item for item in items if item not in chosen])
        items[:] = chosen
        if reason := config.stash[missing].get(server[0]):
            for item in items:
                item.add_marker(pytest.mark.skip(reason=f"{server[0]} could not start: {reason}"))


def pytest_collection_finish() -> None:
    """Hundreds of tests collect garbage: what is here by now is none, and need not be gone over."""
    gc.collect()
    gc.freeze()


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A session that has skipped all of its tests has run nothing, and does not say "passed"."""
    config = session.config
    server = SERVERS.get(config.getoption("--database"))
    if server and server[0] in config.stash[missing] and not session.exitstatus:
        session.exitstatus = pytest.ExitCode.NO_TESTS_COLLECTED
    if hasattr(config, "workeroutput"):
        told = {"missing": config.stash[missing], "deselected": config.stash[deselected]}
        config.workeroutput.update(told)


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    if config.stash[missing]:
        terminalreporter.section("could not start", yellow=True)
        for part, reason in config.stash[missing].items():
            terminalreporter.line(f"{part}: {reason}")
