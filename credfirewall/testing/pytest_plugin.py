"""For pytest: ``pytest_plugins = ["credfirewall.testing.pytest_plugin"]`` in conftest.py."""

from collections.abc import Iterator

import pytest

from credfirewall.testing.memory import BreachedPasswords, breached


@pytest.fixture
def breached_passwords() -> Iterator[BreachedPasswords]:
    """Answer from memory for this test: clean, but for ``breached_passwords.add("hunter2")``."""
    with breached() as passwords:
        yield passwords
