"""Settings: the contract of names and defaults, when they are read, and the grammar of rates."""

from types import MappingProxyType
from typing import Any

import pytest
from django.test import override_settings
from django_ratelimit.core import _split_rate
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import Settings

from credfirewall.conf import DEFAULT_RATES, SETTINGS, Conf, Rate, conf, configured

CONTRACT: dict[str, Any] = {
    "SOURCES": ["blocklist", "bundled", "hibp"],
    "HIBP_URL": "https://api.pwnedpasswords.com/range/",
    "HIBP_DEADLINE": 2.0,
    "HIBP_PADDING": True,
    "CACHE": "default",
    "CACHE_TTL": 86400,
    "CACHE_STALE": 604800,
    "MIN_COUNT": 1,
    "ON_UNKNOWN": "allow",
    "PROFILE": "nist",
    "MFA_ASSERTED": False,
    "SINGLE_PROCESS": False,
    "CORPUS_PATH": None,
    "CONTEXT_WORDS": [],
    "GENERATE_ENFORCE_POLICY": True,
    "LOGIN_MODE": "off",
    "DELIVERY_KEYS": None,
    "DELIVERY_KEY_PROVIDER": None,
    "DELIVERY_TTL": 600,
    "DELIVERY_MAX_TTL": 3600,
    "DELIVERY_BASE_URL": None,
    "DELIVERY_MAX_ATTEMPTS": 5,
    "RATES": {},
    "RATES_ON_FAILURE": {},
    "TRUSTED_PROXIES": 0,
    "REQUIRE_HTTPS": None,
    "AUDIT_KEY": None,
    "AUDIT_IP": "truncated",
    "AUDIT_RETENTION_DAYS": 365,
    "AUDIT_ON_FAILURE": "log",
    "AUDIT_ANCHOR": None,
    "AUDIT_PUBLIC_KEY": None,
    "API_AUTHENTICATION": None,
    "API_PERMISSIONS": None,
    "METRICS_TOKEN": None,
}


@pytest.fixture(autouse=True)
def _nothing_set(settings: Settings) -> None:
    settings.CREDFIREWALL = {}


# Names and defaults


def test_the_keys_are_those_of_the_contract() -> None:
    assert list(SETTINGS) == list(CONTRACT)


@pytest.mark.parametrize("name", CONTRACT)
def test_default(name: str) -> None:
    value = getattr(conf, name)
    assert (list(value) if isinstance(value, tuple) else value) == CONTRACT[name]
    assert type(value) is type(CONTRACT[name]) or isinstance(value, tuple)


@pytest.mark.parametrize("name", CONTRACT)
def test_default_is_a_value_that_the_checks_accept(name: str) -> None:
    assert SETTINGS[name].problem(getattr(conf, name)) is None


@pytest.mark.parametrize("name", CONTRACT)
def test_nobody_can_change_a_default_by_accident(name: str) -> None:
    assert not isinstance(SETTINGS[name].default, list | set | bytearray)


def test_a_key_of_the_class_is_its_definition() -> None:
    assert Conf.HIBP_DEADLINE is SETTINGS["HIBP_DEADLINE"]
    assert Conf.HIBP_DEADLINE.name == "HIBP_DEADLINE"


def test_a_name_that_is_no_key() -> None:
    with pytest.raises(AttributeError):
        conf.HIBP_DEADLIEN  # type: ignore[attr-defined]  # noqa: B018


# When they are read


def test_values_are_read_each_time(settings: Settings) -> None:
    with override_settings(CREDFIREWALL={"HIBP_DEADLINE": 7.5}):
        assert conf.HIBP_DEADLINE == 7.5
        assert conf.MIN_COUNT == 1
        with override_settings(CREDFIREWALL={"MIN_COUNT": 9}):
            assert conf.HIBP_DEADLINE == 2.0
            assert conf.MIN_COUNT == 9
    assert conf.HIBP_DEADLINE == 2.0
    settings.CREDFIREWALL["HIBP_DEADLINE"] = 3.0
    assert conf.HIBP_DEADLINE == 3.0


def test_a_value_that_is_set_by_no_tool_of_django_is_read_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert conf.MIN_COUNT == 1
    monkeypatch.setattr("django.conf.settings.CREDFIREWALL", {"MIN_COUNT": 2})
    assert conf.MIN_COUNT == 2
    monkeypatch.undo()
    assert conf.MIN_COUNT == 1
    monkeypatch.delattr("django.conf.settings.CREDFIREWALL")
    assert conf.MIN_COUNT == 1


def test_none_is_a_value_and_not_the_default(settings: Settings) -> None:
    settings.CREDFIREWALL = {"CACHE_TTL": None}
    assert conf.CACHE_TTL is None


def test_without_the_setting_there_are_defaults(settings: Settings) -> None:
    del settings.CREDFIREWALL
    assert configured() == {}
    assert conf.ON_UNKNOWN == "allow"


def test_any_mapping_will_do(settings: Settings) -> None:
    settings.CREDFIREWALL = MappingProxyType({"MIN_COUNT": 3})
    assert conf.MIN_COUNT == 3


@pytest.mark.parametrize("value", [None, [], "MIN_COUNT", 1, {"MIN_COUNT"}])
def test_what_is_no_dict_counts_as_none(value: Any, settings: Settings) -> None:
    settings.CREDFIREWALL = value
    assert configured() == {}
    assert conf.MIN_COUNT == 1


# Rates


@pytest.mark.parametrize(
    ("text", "limit", "seconds"),
    [
        ("60/m", 60, 60),
        ("5/10m", 5, 600),
        ("1/s", 1, 1),
        ("10/30s", 10, 30),
        ("7/h", 7, 3600),
        ("7/2h", 7, 7200),
        ("1/d", 1, 86_400),
        ("999999999/99999d", 999_999_999, 99_999 * 86_400),
    ],
)
def test_rate(text: str, limit: int, seconds: int) -> None:
    assert Rate.parse(text) == Rate(limit, seconds)
    assert _split_rate(text) == (limit, seconds), "django-ratelimit reads the same"


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("5/x", id="unknown unit"),
        pytest.param("5/mfoo", id="something after the unit"),
        pytest.param("5/minute", id="unit written out"),
        pytest.param("5/M", id="unit in upper case"),
        pytest.param("5", id="no unit"),
        pytest.param("5/", id="empty unit"),
        pytest.param("5/60", id="a number for a unit"),
        pytest.param("/m", id="no limit"),
        pytest.param("0/m", id="nothing allowed"),
        pytest.param("5/0m", id="no time"),
        pytest.param("05/m", id="leading zero"),
        pytest.param("-5/m", id="negative"),
        pytest.param("5.5/m", id="fraction"),
        pytest.param(" 5/m", id="blank before"),
        pytest.param("5/m ", id="blank after"),
        pytest.param("5/m\n", id="line break after"),
        pytest.param("5 / m", id="blanks between"),
        pytest.param("5/m/s", id="two units"),
        pytest.param("\u0665/m", id="digit that is not ASCII"),
        pytest.param("1000000000/m", id="limit of ten digits"),
        pytest.param("5/100000s", id="time of six digits"),
        pytest.param("", id="nothing"),
    ],
)
def test_not_a_rate(text: str) -> None:
    with pytest.raises(ValueError, match="not a rate"):
        Rate.parse(text)


@pytest.mark.parametrize("text", ["5/x", "5/mfoo"])
def test_what_django_ratelimit_would_take_for_something_else(text: str) -> None:
    """The reason for a grammar of our own: to it, "5/x" is five a second."""
    assert _split_rate(text)
    assert SETTINGS["RATES"].problem({"check": text})


@given(st.text(max_size=8))
def test_every_text_is_a_rate_or_a_value_error(text: str) -> None:
    try:
        rate = Rate.parse(text)
    except ValueError:
        return
    assert rate.limit > 0 and rate.seconds > 0


@pytest.mark.parametrize(
    ("name", "limit", "seconds"),
    [("generate", 60, 60), ("check", 60, 60), ("redeem", 10, 60), ("hibp", 6000, 60)],
)
def test_default_rate(name: str, limit: int, seconds: int) -> None:
    assert conf.rate(name) == Rate(limit, seconds)


def test_there_are_no_other_rates() -> None:
    assert list(DEFAULT_RATES) == [
        *("generate", "check", "policy", "redeem", "range", "audit", "docs", "metrics", "health"),
        *("auth_failure", "hibp"),
    ]
    with pytest.raises(KeyError):
        conf.rate("chek")


@pytest.mark.parametrize("wrong", [{"check": "often"}, {"check": 5}, {"check": None}, ["5/m"], 7])
def test_a_mistyped_rate_is_its_default_and_said_once(
    settings: Settings,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    wrong: object,
) -> None:
    monkeypatch.setattr("credfirewall.conf._said", set())
    settings.CREDFIREWALL = {"RATES": wrong}
    assert [conf.usable_rate("check") for _ in range(3)] == [Rate(60, 60)] * 3
    (line,) = caplog.records
    assert "RATES has no usable 'check'" in line.getMessage()
    with pytest.raises((AttributeError, TypeError, ValueError)):
        conf.rate("check")


@pytest.mark.parametrize("wrong", [{"check": "close"}, {"check": ["open"]}, ["check"], 7])
def test_nobody_misspells_what_is_closed_into_an_open_door(
    settings: Settings, wrong: object
) -> None:
    settings.CREDFIREWALL = {"RATES_ON_FAILURE": wrong}
    assert conf.closed_without_cache("check") and not conf.closed_without_cache("generate")


def test_rates_that_are_left_out_keep_their_default(settings: Settings) -> None:
    settings.CREDFIREWALL = {"RATES": {"check": "5/10m"}}
    assert conf.rate("check") == Rate(5, 600)
    assert conf.rate("redeem") == Rate(10, 60)
