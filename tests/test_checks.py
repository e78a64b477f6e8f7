"""The checks of the dict CREDFIREWALL."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.checks import ERROR, WARNING
from django.core.management import call_command
from django.db import OperationalError
from pytest_django import Settings

from credfirewall import checks
from credfirewall.conf import SETTINGS
from credfirewall.screening.verdict import Answer
from tests.checked import ids, only
from tests.naming import same_everywhere


class Fitting:
    name = "fitting"
    authoritative = True

    def lookup(self, candidate: object) -> Answer:
        return Answer(found=False)


class NeedsArguments(Fitting):
    def __init__(self, path: str) -> None:
        """Cannot be made by the chain."""


class NameFails(Fitting):
    @property
    def name(self) -> str:  # type: ignore[override]  # wrong on purpose
        raise ValueError("hush-hush")


class NeedsTable(Fitting):
    def __init__(self) -> None:
        raise OperationalError("no such table: hush-hush")


class NoAuthority:
    name = "no authority"

    def lookup(self, candidate: object) -> Answer:
        return Answer(found=False)


class NoLookup:
    name = "no lookup"
    authoritative = True
    lookup = None


def make_fitting() -> Fitting:
    return Fitting()


def here(thing: Callable[..., Any]) -> str:
    return f"{thing.__module__}.{thing.__qualname__}"


# The dict


@pytest.mark.parametrize("value", [None, [], "hibp", 1, object(), {"hibp"}], ids=same_everywhere)
def test_what_is_no_dict(value: object) -> None:
    message = only(CREDFIREWALL=value)
    assert (message.id, message.level) == ("credfirewall.E001", ERROR)
    assert type(value).__name__ in message.msg


@pytest.mark.parametrize(
    ("key", "suggested"),
    [
        ("HIBP_DEADLIEN", "HIBP_DEADLINE"),
        ("hibp_url", "HIBP_URL"),
        ("ON_UNKOWN", "ON_UNKNOWN"),
        ("SOURCE", "SOURCES"),
        ("QUITE_DIFFERENT", None),
        (7, None),
        ("\ud800" * 1000, None),
    ],
)
def test_unknown_key(key: object, suggested: str | None) -> None:
    message = only({key: 1})
    assert (message.id, message.level) == ("credfirewall.E002", ERROR)
    assert repr(key)[:80] in message.msg
    assert len(message.msg) < 150
    assert (f'"{suggested}"' in str(message.hint)) == bool(suggested)


WRONG: dict[str, list[Any]] = {
    "SOURCES": ["hibp", 1, [1], [""], None],
    "HIBP_URL": ["", None, b"https://hibp.example/", 1],
    "HIBP_PADDING": [1, "yes", None],
    "CACHE": ["", None, 1, ["default"]],
    "CACHE_TTL": [-1, 1.5, "60", True, None],
    "CACHE_STALE": [-1, "60"],
    "MIN_COUNT": [0, -1, 2.0, True],
    "ON_UNKNOWN": ["Allow", "", None, True, ["allow"]],
    "PROFILE": ["NIST", "hipaa", None],
    "MFA_ASSERTED": [1, "no", None],
    "SINGLE_PROCESS": [1, None],
    "CORPUS_PATH": ["", 1, ["x"]],
    "CONTEXT_WORDS": ["acme", [""], [1], None],
    "GENERATE_ENFORCE_POLICY": [1, "no", None],
    "LOGIN_MODE": ["on", True, None],
    "DELIVERY_KEYS": [[{}], [{"id": "a"}], [{"id": "a", "key": ""}], {"id": "a", "key": "b"}, "k"],
    "DELIVERY_KEY_PROVIDER": ["", 1],
    "DELIVERY_TTL": [59, "600", None],
    "DELIVERY_MAX_TTL": [59, 10**9],
    "DELIVERY_BASE_URL": ["", 1],
    "DELIVERY_MAX_ATTEMPTS": [0, 101],
    "RATES": ["5/m", {"check": "5/x"}, {"check": 5}, {"chek": "5/m"}, {"check": "5/mfoo"}, None],
    "RATES_ON_FAILURE": [{"check": "shut"}, {"chek": "open"}, {"hibp": "open"}, "open", None],
    "TRUSTED_PROXIES": [-1, True, "1"],
    "REQUIRE_HTTPS": [1, "yes"],
    "AUDIT_KEY": ["", [1], 1, b"x"],
    "AUDIT_IP": ["partly", None],
    "AUDIT_RETENTION_DAYS": [0, 1.5],
    "AUDIT_ON_FAILURE": ["ignore", None],
    "AUDIT_ANCHOR": ["", 1],
    "AUDIT_PUBLIC_KEY": ["", 1, b"x"],
    "API_AUTHENTICATION": ["a.B", [1], {"x": "a.B"}],
    "API_PERMISSIONS": ["a.B", {"policy": "a.B"}, [None]],
    "METRICS_TOKEN": ["", 1, b"x", ["x"]],
}


@pytest.mark.parametrize(
    ("key", "value"), [(key, value) for key, values in WRONG.items() for value in values]
)
def test_wrong_value(key: str, value: object) -> None:
    message = only({key: value})
    assert (message.id, message.level) == ("credfirewall.E003", ERROR)
    assert f'"{key}"' in message.msg
    default = SETTINGS[key].default
    shown = [*default] if isinstance(default, tuple) else default
    assert str(message.hint).endswith(f": {shown!r}.")


def test_every_key_has_wrong_values_here() -> None:
    assert set(WRONG) | {"HIBP_DEADLINE"} == set(SETTINGS)


FINE: dict[str, Any] = {
    "SOURCES": ("hibp", "bundled"),
    "CACHE_TTL": 0,
    "CORPUS_PATH": Path("corpus.bin"),
    "CONTEXT_WORDS": ("acme",),
    "DELIVERY_KEYS": ({"id": "2026", "key": b"x" * 32}, {"id": "2025", "key": "y" * 43}),
    "DELIVERY_MAX_TTL": 86_400,
    "RATES": {"check": "5/10m"},
    "AUDIT_KEY": ["qWx7Lr2Tz9Bn4Yd6Hf1Js8Mc3Pg5Ua0Ek", "Zr5Kt8Wn2Qb6Vd9Hx3Lf7Mc1Ps4Gj0Ya"],
    "API_PERMISSIONS": {"audit-events": ["rest_framework.permissions.AllowAny"]},
}


@pytest.fixture
def _complete(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every setting has an effect."""
    monkeypatch.setattr(checks, "WITHOUT_EFFECT", ())


@pytest.mark.usefixtures("_complete")
@pytest.mark.parametrize("key", FINE)
def test_value_that_is_fine(key: str) -> None:
    assert ids({key: FINE[key]}) == []


def test_settings_without_effect() -> None:
    message = only({"LOGIN_MODE": "block", "CORPUS_PATH": "x", "DELIVERY_MAX_ATTEMPTS": 3})
    assert (message.id, message.level) == ("credfirewall.W015", WARNING)
    assert '"CORPUS_PATH", "LOGIN_MODE", "DELIVERY_MAX_ATTEMPTS"' in message.msg
    assert "no effect in this version" in message.msg
    assert ids({"LOGIN_MODE": "off", "CORPUS_PATH": None, "DELIVERY_MAX_ATTEMPTS": 5}) == []


def test_every_setting_without_effect_exists() -> None:
    assert all(any(key.startswith(each) for key in SETTINGS) for each in checks.WITHOUT_EFFECT)


def test_keys_without_effect_stay_secret() -> None:
    message = only({"DELIVERY_KEYS": [{"id": "a", "key": "hush-hush"}]})
    assert message.id == "credfirewall.W015"
    assert "hush-hush" not in f"{message.msg} {message.hint}"


# HIBP_URL and HIBP_DEADLINE


@pytest.mark.parametrize(
    "url",
    [
        "https://api.pwnedpasswords.com/range/",
        "https://hibp.example/range",
        "https://hibp.example./range",
        f"https://h/{'x' * 300}/",
        f"https://hibp.{'a' * 63}/",
        "HTTPS://hibp.example:8443",
        "https://10.0.0.7/range/",
        "https://[2001:db8::7]:8443/",
        "http://localhost:8000/range/",
        "http://LOCALHOST/",
        "http://127.0.0.1:43817/range/",
        "http://127.9.9.9/",
        "http://[::1]:8000/range/",
    ],
)
def test_hibp_url_that_is_fine(url: str) -> None:
    assert ids({"HIBP_URL": url}) == []


@pytest.mark.parametrize(
    "url",
    [
        pytest.param("api.pwnedpasswords.com/range/", id="no scheme"),
        pytest.param("ftp://hibp.example/", id="another scheme"),
        pytest.param("https://", id="no host"),
        pytest.param("https:///range/", id="no host before the path"),
        pytest.param("https://a..b/", id="empty label"),
        pytest.param(f"https://{'a' * 64}.example/", id="long first label"),
        pytest.param(f"https://hibp.{'a' * 64}/", id="long last label"),
        pytest.param("https://hibp.example:99999/", id="port out of range"),
        pytest.param("https://hibp.example:0/", id="port 0"),
        pytest.param("https://hibp.example:x/", id="port not a number"),
        pytest.param("https://[::1/", id="bracket not closed"),
        pytest.param("https://user@hibp.example/", id="user name"),
        pytest.param("https://user:pw@hibp.example/", id="password"),
        pytest.param("https://hibp.example/range/?key=1", id="query"),
        pytest.param("https://hibp.example/range/?", id="empty query"),
        pytest.param("https://hibp.example/range/#x", id="fragment"),
        pytest.param("https://hibp.example/range/#", id="empty fragment"),
        pytest.param(" https://hibp.example/", id="blank"),
        pytest.param("https://hibp.example/\nrange/", id="line break"),
        pytest.param("https://hibp.example\\range", id="backslash"),
        pytest.param("https://hibp.exämple/", id="not ASCII"),
    ],
)
def test_malformed_hibp_url(url: str) -> None:
    message = only({"HIBP_URL": url})
    assert (message.id, message.level) == ("credfirewall.E004", ERROR)
    assert SETTINGS["HIBP_URL"].default in str(message.hint)


@pytest.mark.parametrize(
    "url",
    [
        "http://api.pwnedpasswords.com/range/",
        "http://10.0.0.7/range/",
        "http://localhost.example/",
        "http://127.0.0.1.example/",
        "http://128.0.0.1/",
        "http://0.0.0.0/",
        "http://[::2]/",
        "http://[::ffff:10.0.0.7]/",
    ],
)
def test_hibp_url_that_anyone_may_read(url: str) -> None:
    message = only({"HIBP_URL": url})
    assert (message.id, message.level) == ("credfirewall.E005", ERROR)


@pytest.mark.parametrize("value", [0, 0.01, 31, -1, float("nan"), float("inf"), "2", None, True])
def test_deadline_out_of_range(value: object) -> None:
    message = only({"HIBP_DEADLINE": value})
    assert (message.id, message.level) == ("credfirewall.E006", ERROR)
    assert "from 0.05 to 30" in message.msg


@pytest.mark.parametrize("value", [0.05, 1, 2.0, 30])
def test_deadline_in_range(value: float) -> None:
    assert ids({"HIBP_DEADLINE": value}) == []


# The proxy of the environment


SOCKS = "socks5h://user:hush-hush@proxy.example:1080"


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment that names no proxy."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    return monkeypatch


@pytest.mark.parametrize("name", ["ALL_PROXY", "all_proxy", "HTTPS_PROXY", "https_proxy"])
@pytest.mark.parametrize(
    "proxy", [SOCKS, SOCKS.upper(), "socks4a://h:1", "socks5://h", "socks://h"]
)
@pytest.mark.parametrize("debug", [False, True])
def test_socks_proxy(name: str, proxy: str, debug: bool, environment: pytest.MonkeyPatch) -> None:
    environment.setenv(name, proxy)
    message = only(DEBUG=debug)
    assert (message.id, message.level) == ("credfirewall.W017", WARNING)
    assert "SOCKS proxies are not supported: screening would answer unknown" in message.msg
    assert "hush-hush" not in f"{message.msg} {message.hint} {message.obj}".lower()


@pytest.mark.parametrize(
    ("variables", "credfirewall"),
    [
        ({"ALL_PROXY": "http://proxy.example:3128"}, {}),
        ({"ALL_PROXY": "proxy.example:3128"}, {}),
        ({"ALL_PROXY": SOCKS, "HTTPS_PROXY": "http://proxy.example:3128"}, {}),
        ({"ALL_PROXY": SOCKS, "NO_PROXY": "pwnedpasswords.com"}, {}),
        ({"HTTP_PROXY": SOCKS}, {}),
        ({"HTTPS_PROXY": SOCKS}, {"HIBP_URL": "http://127.0.0.1:8000/"}),
        ({"ALL_PROXY": SOCKS}, {"SOURCES": ["bundled"]}),
    ],
)
def test_proxy_that_is_no_matter(
    variables: dict[str, str], credfirewall: dict[str, Any], environment: pytest.MonkeyPatch
) -> None:
    """Another kind, one that another comes before, or one that nothing is asked through."""
    for name, value in variables.items():
        environment.setenv(name, value)
    assert ids(credfirewall) == []


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"HIBP_URL": "https://[::1/"}, ["E004"]),
        ({"HIBP_URL": 1}, ["E003"]),
        ({"SOURCES": 1}, ["E003"]),
    ],
)
def test_proxy_of_settings_that_are_wrong(
    wrong: dict[str, Any], told: list[str], environment: pytest.MonkeyPatch
) -> None:
    environment.setenv("ALL_PROXY", SOCKS)
    assert ids(wrong) == told


# SOURCES


@pytest.mark.parametrize(
    "sources", [["hibp"], ["bundled", "blocklist"], ["hibp", here(Fitting)]], ids=repr
)
def test_sources_that_are_fine(sources: list[str]) -> None:
    """A chain of lists alone, with no authoritative source, is a project's own choice."""
    assert ids({"SOURCES": sources}) == []


@pytest.mark.parametrize(
    ("sources", "code", "told"),
    [
        ([], "E007", '"hibp"'),
        (["hibp", "corpus"], "E008", "Remove it"),
        (["hipb"], "E009", 'Did you mean "hibp"?'),
        (["Blocklist"], "E009", 'Did you mean "blocklist"?'),
        (["quite-different"], "E009", "blocklist, bundled, hibp"),
        (["nowhere.Source"], "E010", "path of a class"),
        ([f"{__name__}.Missing"], "E010", "path of a class"),
        (["..."], "E010", "path of a class"),
        (["a.b\0c"], "E010", "path of a class"),
        ([here(make_fitting)], "E011", "without arguments"),
        ([here(NoAuthority)], "E011", "without arguments"),
        ([here(NoLookup)], "E011", "without arguments"),
        ([here(NeedsArguments)], "W016", "without arguments"),
        ([here(NeedsTable)], "W016", "in lookup()"),
        (["hibp", "hibp"], "W001", "Keep the first"),
        ([here(Fitting), here(Fitting)], "W001", "Keep the first"),
    ],
)
def test_wrong_sources(sources: list[str], code: str, told: str) -> None:
    message = only({"SOURCES": sources})
    assert message.id == f"credfirewall.{code}"
    assert message.level == (WARNING if code.startswith("W") else ERROR)
    assert told in str(message.hint)


@pytest.mark.parametrize(
    ("thing", "reason"),
    [
        (make_fitting, "is not a class"),
        (NoAuthority, "lacks name, authoritative or lookup()"),
        (NoLookup, "lacks name, authoritative or lookup()"),
        (NameFails, "lacks name, authoritative or lookup()"),
    ],
)
def test_what_keeps_a_class_from_being_a_source(thing: Callable[..., Any], reason: str) -> None:
    assert f"it {reason}." in only({"SOURCES": [here(thing)]}).msg


@pytest.mark.parametrize(
    ("source", "error"), [(NeedsArguments, "TypeError"), (NeedsTable, "OperationalError")]
)
def test_source_that_cannot_be_made_yet(
    source: type, error: str, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its table may be what the first migrate makes: no error stops that."""
    message = only({"SOURCES": [here(source)]})
    assert (message.id, message.level) == ("credfirewall.W016", WARNING)
    assert f"raises {error}" in message.msg
    assert "hush-hush" not in f"{message.msg} {message.hint}"
    settings.CREDFIREWALL = {"SOURCES": [here(source)], "SINGLE_PROCESS": True}
    call_command("check", tags=["credfirewall"])
    assert "credfirewall.W016" in capsys.readouterr().err


@pytest.mark.parametrize("path", ["..", "json.", "json.a b", "json.a\0b", "json.1"])
def test_what_is_no_dotted_path_is_not_imported(path: str) -> None:
    assert "not a dotted path" in only({"SOURCES": [path]}).msg


@pytest.mark.parametrize("error", ["ValueError", "SystemExit"])
def test_source_whose_module_fails(
    error: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / f"fails_with_{error}.py").write_text(f"raise {error}('hush-hush')")
    monkeypatch.syspath_prepend(tmp_path)
    message = only({"SOURCES": [f"fails_with_{error}.Source"]})
    assert message.id == "credfirewall.E010"
    assert error in message.msg
    assert "hush-hush" not in message.msg


def test_every_wrong_source_is_named() -> None:
    assert ids({"SOURCES": ["corpus", "hipb", "a.b", "hibp", "hibp"]}) == [
        "E008",
        "E009",
        "E010",
        "W001",
    ]


# Deliveries


@pytest.mark.usefixtures("_complete")
def test_usual_lifetime_above_the_longest() -> None:
    message = only({"DELIVERY_TTL": 3601})
    assert (message.id, message.level) == ("credfirewall.E012", ERROR)
    assert ids({"DELIVERY_TTL": 3600}) == []
    assert ids({"DELIVERY_TTL": 7200, "DELIVERY_MAX_TTL": 7200}) == []


@pytest.mark.usefixtures("_complete")
def test_longest_lifetime_of_more_than_a_day() -> None:
    message = only({"DELIVERY_MAX_TTL": 86_401})
    assert (message.id, message.level) == ("credfirewall.W002", WARNING)
