"""Checks of the API's settings: E022, E023."""

from typing import Any

import pytest

from tests.checked import AUDIT_KEY, ids, only

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


TOKEN = "Vq8Xw2Lr5TzB7nYd0HfJ3sMc9PgUa4E+/="


@pytest.mark.parametrize(
    ("token", "problem"),
    [
        (TOKEN[:31], "too short"),
        ("ab" * 16, "too simple"),
        (TOKEN + " 1", "character"),
        (TOKEN + "\u00e9", "character"),
        (TOKEN + "=1", "character"),
        ("change-me-" + TOKEN, "placeholder"),
        (AUDIT_KEY, "something else"),
    ],
)
def test_a_token_that_opens_the_metrics_to_others(token: str, problem: str) -> None:
    message = only({"METRICS_TOKEN": token})
    assert message.id == "credfirewall.E023"
    assert problem in message.msg
    assert token not in message.msg + str(message.hint)


@pytest.mark.parametrize(
    "others",
    [
        {"SECRET_KEY": TOKEN},
        {"SECRET_KEY_FALLBACKS": ["old", TOKEN]},
        {"credfirewall": {"AUDIT_KEY": [AUDIT_KEY, TOKEN]}},
    ],
)
def test_a_token_that_is_a_key_elsewhere(others: dict[str, Any]) -> None:
    ours = {"METRICS_TOKEN": TOKEN, **others.pop("credfirewall", {})}
    assert ids(ours, **others) == ["E023"]


def test_a_token_that_is_a_delivery_key() -> None:
    keys = [{"id": "a", "key": TOKEN}]
    assert "E023" in ids({"METRICS_TOKEN": TOKEN, "DELIVERY_KEYS": keys})


@pytest.mark.parametrize("token", [None, TOKEN, TOKEN.rstrip("="), "0123456789abcdef" * 4])
def test_a_token_that_is_right(token: str | None) -> None:
    assert ids({"METRICS_TOKEN": token}) == []
