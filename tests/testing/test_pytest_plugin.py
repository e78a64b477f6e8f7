"""The fixture, as a host project's tests use it."""

from credfirewall.screening import Status, screen
from credfirewall.testing.memory import BreachedPasswords

pytest_plugins = ["credfirewall.testing.pytest_plugin"]


def test_a_password_is_breached_when_the_test_says_so(
    breached_passwords: BreachedPasswords,
) -> None:
    assert screen("hunter2").status is Status.CLEAN
    breached_passwords.add("hunter2", count=3)
    verdict = screen("hunter2")
    assert (verdict.status, verdict.count, verdict.source) == (Status.BREACHED, 3, "memory")


def test_nothing_is_left_from_the_test_before(breached_passwords: BreachedPasswords) -> None:
    assert screen("hunter2").status is Status.CLEAN


def test_an_outage(breached_passwords: BreachedPasswords) -> None:
    breached_passwords.add("hunter2")
    breached_passwords.unavailable()
    assert screen("hunter2").status is Status.UNKNOWN
    breached_passwords.available()
    assert screen("hunter2").status is Status.BREACHED
