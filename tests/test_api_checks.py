"""Checks of the API's settings: E022."""

from typing import Any

import pytest

from tests.checked import ids, only

ALLOW = "rest_framework.permissions.AllowAny"


@pytest.mark.parametrize("name", ["API_AUTHENTICATION", "API_PERMISSIONS"])
@pytest.mark.parametrize("path", ["nowhere.Class", "credfirewall.api.views.chosen", "AllowAny"])
def test_what_cannot_be_imported(name: str, path: str) -> None:
    message = only({name: [path]})
    assert message.id == "credfirewall.E022"
    assert repr(path) in message.msg


def test_an_endpoint_that_does_not_exist() -> None:
    message = only({"API_PERMISSIONS": {"audit-event": [ALLOW]}})
    assert message.id == "credfirewall.E022"
    assert message.hint == 'Did you mean "audit-events"?'


@pytest.mark.parametrize("value", [None, [], [ALLOW], {"audit-events": [ALLOW]}])
def test_what_is_right(value: Any) -> None:
    assert ids({"API_PERMISSIONS": value}) == []
