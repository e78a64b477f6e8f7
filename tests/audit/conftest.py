"""Listening to the log."""

from collections.abc import Iterator

import pytest
from django.test import Client

from tests.audit.recording import Heard, hearing


@pytest.fixture
def heard() -> Iterator[Heard]:
    with hearing() as heard:
        yield heard


@pytest.fixture
def client() -> Client:
    """Asks this machine by name, so that the API does not want HTTPS."""
    return Client(headers={"Host": "localhost"})
