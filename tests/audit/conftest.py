"""Listening to the log."""

from collections.abc import Iterator

import pytest

from tests.audit.recording import Heard, hearing


@pytest.fixture
def heard() -> Iterator[Heard]:
    with hearing() as heard:
        yield heard
