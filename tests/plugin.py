"""Chooses the database before Django is set up, and keeps account of what could not start."""

import os
import signal
import tempfile
from collections.abc import Generator
from typing import NoReturn

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

missing = pytest.StashKey[dict[str, str]]()


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


@pytest.hookimpl(wrapper=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> Generator[None]:
    """Runs ahead of pytest-django, which loads the settings in this same hook."""
    for name in list(os.environ):
        outside = name.startswith(OUTSIDE) and name != REAL_RANGES
        if outside or name.lower() in PROXIES or name in CERTIFICATES:
            del os.environ[name]
    # So that a session that is told to end, by a supervisor say, cleans up as after Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    early_config.stash[missing] = {}
    files = tempfile.TemporaryDirectory(prefix="credfirewall-tests-")
    early_config.add_cleanup(files.cleanup)
    os.environ["DATABASE_URL"] = f"sqlite:///{files.name}/test.sqlite3"
    if chosen := SERVERS.get(early_config.known_args_namespace.database):
        title, start = chosen
        try:
            server = start()
        except Unavailable as error:
            early_config.stash[missing][title] = str(error)
            if in_ci():
                raise pytest.UsageError(f"could not start: {error}") from error
        else:
            early_config.add_cleanup(server.stop)
            os.environ["DATABASE_URL"] = server.url.rpartition("/")[0] + "/credfirewall"
    yield


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


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A session that has skipped all of its tests has run nothing, and does not say "passed"."""
    server = SERVERS.get(session.config.getoption("--database"))
    if server and server[0] in session.config.stash[missing] and not session.exitstatus:
        session.exitstatus = pytest.ExitCode.NO_TESTS_COLLECTED


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    if config.stash[missing]:
        terminalreporter.section("could not start", yellow=True)
        for part, reason in config.stash[missing].items():
            terminalreporter.line(f"{part}: {reason}")
