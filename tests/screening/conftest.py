"""A range server as HIBP, both ways to ask, and nothing left over from one test to the next."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pytest_django import Settings

from credfirewall.screening import cache as screening_cache
from credfirewall.screening import transport
from credfirewall.screening.sources import chain
from credfirewall.screening.sources import hibp as _hibp  # noqa: F401 - loaded, and then timed
from credfirewall.testing.server import RangeServer
from credfirewall.testing.tls import TlsContexts, tls_contexts
from tests.screening.asking import LEISURE, AScreen, Check, Screen

Configure = Callable[..., None]


@pytest.fixture(autouse=True)
def _fresh_sources() -> Iterator[None]:
    """Sources know their breaker, clients their connections and the proxies of the environment."""
    yield
    chain.forget()
    transport.client.close()


@pytest.fixture(params=[Screen(), AScreen()], ids=["screen", "ascreen"])
def check(request: pytest.FixtureRequest) -> Check:
    """Each test that asks for this runs twice."""
    chosen: Check = request.param
    return chosen


@pytest.fixture
def configure(settings: Settings) -> Configure:
    """Set keys of CREDFIREWALL, over what is there."""

    def set_keys(**keys: Any) -> None:
        settings.CREDFIREWALL = {**getattr(settings, "CREDFIREWALL", {}), **keys}

    set_keys(SOURCES=["hibp"], HIBP_DEADLINE=LEISURE)
    return set_keys


@pytest.fixture
def hibp(configure: Configure) -> Iterator[RangeServer]:
    """HIBP as the settings know it, where "hunter2" was seen 17 times."""
    with RangeServer({"hunter2": 17}) as server:
        configure(HIBP_URL=server.url)
        yield server


@pytest.fixture
def patient(configure: Configure, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait longer for a cache that is well: a busy machine is no slow cache."""
    configure(HIBP_DEADLINE=30)
    monkeypatch.setattr(screening_cache, "PATIENCE", 3.0)
    monkeypatch.setattr(screening_cache, "FIRST_PATIENCE", 3.0)


@pytest.fixture(scope="session")
def tls() -> Iterator[TlsContexts]:
    with tls_contexts() as contexts:
        yield contexts
