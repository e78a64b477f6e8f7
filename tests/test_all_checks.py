"""What holds for all checks, whatever a project looks like."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.core.checks import ERROR, WARNING, run_checks
from django.core.checks.registry import registry
from django.core.management import call_command
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pytest_django import Settings

import credfirewall
from credfirewall.checks import TAG
from credfirewall.conf import SETTINGS
from tests.checked import AUDIT_KEY, ids, only, said

PACKAGE = Path(credfirewall.__file__).parent
TESTS = Path(__file__).parent
ID = re.compile(r"credfirewall\.([EW]\d{3})\b")


def test_a_project_that_is_right_hears_nothing() -> None:
    assert ids() == []


def test_every_id_is_used_once_and_tested() -> None:
    used = [
        each
        for path in sorted(PACKAGE.rglob("*checks.py"))
        for each in ID.findall(path.read_text())
    ]
    assert sorted(set(used)) == sorted(used)
    tests = "".join(path.read_text() for path in TESTS.glob("test_*checks.py"))
    assert not {each for each in used if not re.search(rf"\b{each}\b", tests)}


def test_ids_have_no_gaps() -> None:
    used = set(ID.findall("".join(path.read_text() for path in PACKAGE.rglob("*checks.py"))))
    for kind in "EW":
        numbers = sorted(int(each[1:]) for each in used if each[0] == kind)
        assert numbers == list(range(1, len(numbers) + 1))


def test_a_project_that_sets_nothing_gets_at_most_warnings(settings: Settings) -> None:
    del settings.CREDFIREWALL
    settings.AUTH_PASSWORD_VALIDATORS = [
        {"NAME": f"django.contrib.auth.password_validation.{name}"}
        for name in (
            "UserAttributeSimilarityValidator",
            "MinimumLengthValidator",
            "CommonPasswordValidator",
            "NumericPasswordValidator",
        )
    ] + [{"NAME": "credfirewall.validators.BreachedPasswordValidator"}]
    found = run_checks(tags=[TAG])
    assert all(message.level == WARNING for message in found)
    # Django's minimum is 8, and its cache is each process's own.
    without_key = "credfirewall.W018"
    assert {message.id for message in found} == {
        "credfirewall.W006", "credfirewall.W008", without_key,
    }  # fmt: skip


def test_the_checks_run_with_every_command_and_by_their_tag(
    capsys: pytest.CaptureFixture[str], settings: Settings
) -> None:
    settings.CREDFIREWALL = {"SINGLE_PROCESS": True, "AUDIT_KEY": AUDIT_KEY}
    call_command("check", tags=["credfirewall"])
    assert "no issues" in capsys.readouterr().out
    ours = [check for check in registry.get_checks(True) if TAG in check.tags]
    assert all({"security", "database"} & {*check.tags} for check in ours)


def test_weak_hashers_are_a_matter_of_deployment(settings: Settings) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    assert "credfirewall.E015" not in {each.id for each in run_checks(tags=[TAG])}


@pytest.mark.usefixtures("socket_disabled")
def test_no_check_opens_a_socket() -> None:
    memcached = {
        "BACKEND": "django.core.cache.backends.memcached.PyMemcacheCache",
        "LOCATION": "127.0.0.1:1",
    }
    assert ids({"HIBP_URL": "https://breaches.invalid/range/"}) == []
    assert ids(CACHES={"default": memcached}) == ["W010", "W011"]


def test_importing_registers_nothing() -> None:
    code = (
        "from django.conf import settings; settings.configure(); import django; django.setup()\n"
        "from django.core.checks.registry import registry\n"
        "import credfirewall, credfirewall.apps, credfirewall.conf\n"
        "assert not any('credfirewall' in check.tags for check in registry.get_checks(True))\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=PACKAGE.parent)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)
NAMES = st.sampled_from(sorted(SETTINGS)) | st.text(max_size=12)
VALUES = JSON | st.sampled_from(
    [
        ["hibp", "hipb", "corpus", "a.b", "..", "\ud800"],
        "http://[::1",
        "https://a:b@c?d#e",
        b"x",
        {1},
    ]
)


@hypothesis_settings(max_examples=300, deadline=None)
@given(st.dictionaries(NAMES, VALUES, max_size=5) | VALUES)
def test_no_settings_make_a_check_raise(garbage: Any) -> None:
    for message in said(garbage):
        assert message.hint
        str(message).encode()


OTHERS = ["AUTH_PASSWORD_VALIDATORS", "PASSWORD_HASHERS", "CACHES"]


@pytest.mark.parametrize("name", OTHERS)
@hypothesis_settings(max_examples=100, deadline=None)
@given(
    value=JSON
    | st.lists(st.dictionaries(st.sampled_from(["NAME", "OPTIONS"]), JSON, max_size=2), max_size=3)
    | st.dictionaries(
        st.just("default"),
        st.dictionaries(st.sampled_from(["BACKEND", "LOCATION", "OPTIONS"]), JSON, max_size=3),
        max_size=1,
    )
)
def test_no_settings_of_the_project_make_a_check_raise(name: str, value: Any) -> None:
    assert all(message.hint for message in said(**{name: value}))


OPTION_NAMES = st.text(max_size=8) | st.sampled_from(
    ["min_length", "mfa", "words", "SERIALIZER", "serializer", "CONNECTION_POOL_KWARGS", "retry"]
)


@hypothesis_settings(max_examples=200, deadline=None)
@given(
    options=st.dictionaries(OPTION_NAMES | st.integers(), JSON, max_size=3) | JSON,
    location=JSON,
    first=st.booleans(),
)
def test_no_options_make_a_check_raise(options: Any, location: Any, first: bool) -> None:
    name = "LengthValidator" if first else "ContextWordsValidator"
    listed = [{"NAME": f"credfirewall.validators.{name}", "OPTIONS": options}]
    assert all(message.hint for message in said(AUTH_PASSWORD_VALIDATORS=listed))
    path = "django_redis.cache" if first else "django.core.cache.backends.redis"
    entry = {"BACKEND": f"{path}.RedisCache", "LOCATION": location, "OPTIONS": options}
    caches = {"default": entry, "other": dict(entry)}
    assert all(message.hint for message in said(CACHES=caches))


@pytest.mark.parametrize(
    "wrong",
    [
        {"AUDIT_KEY": {"key": "hush-hush"}},
        {"AUDIT_KEY": ["hush-hush", 1]},
        {"DELIVERY_KEYS": [{"id": "a", "key": "hush-hush", "surplus": 1}]},
        {"DELIVERY_KEYS": "hush-hush"},
        {"HIBP_URL": "https://hush-hush:hush-hush@hibp.example/"},
        {"HIBP_URL": "http://hibp.example/hush-hush/"},
    ],
    ids=repr,
)
def test_secrets_stay_secret(wrong: dict[str, Any]) -> None:
    message = only(wrong)
    assert message.level == ERROR
    assert "hush-hush" not in f"{message.msg} {message.hint} {message.obj}"
