"""Each clause, in a project that meets it and in one that does not."""

import logging
import re
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from logging.handlers import HTTPHandler, SysLogHandler
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.contrib.auth import get_user_model
from django.contrib.auth.hashers import BasePasswordHasher
from django.core.exceptions import ValidationError
from django.db import OperationalError, connection
from django.utils.log import AdminEmailHandler
from pytest_django import Settings

import credfirewall
from credfirewall import clauses, conformance
from credfirewall.api.models import ApiKey
from credfirewall.clauses import api, issuing
from credfirewall.clauses.policy import HISTORY_APP, HISTORY_RULE
from credfirewall.conformance import AREAS, Force, Row, State, met
from credfirewall.passwords.profiles import PROFILES
from credfirewall.screening.digest import Candidate
from credfirewall.screening.verdict import Answer
from tests.checked import CACHE
from tests.conforming import APPS, OURS, PCI, RIGHT, Collector, Project

DJANGOS = "django.contrib.auth"
VALIDATORS = RIGHT["AUTH_PASSWORD_VALIDATORS"]
HOSTS = {
    "policy-forced-change",
    "policy-pages",
    "generation-temporary",
    "generation-reset",
    "audit-sign-ins",
    *(f"delivery-{key}" for key in (
        "once", "hashed", "encrypted", "keys", "not-in-urls", "not-cached", "purged", "notified",
        "tells-nothing",
    )),
}  # fmt: skip
"""Rows that are for the project to see to, whatever it is."""
NEVER_MET = {
    "nist": {"policy-no-expiry", "site-session-end"},
    "asvs": {"policy-no-expiry", "site-session-end"},
    "pci": {"policy-history", "policy-rotation"},
}
"""Those where something may be seen to be wrong, but nothing to be right."""
BUILT_IN = {
    "screening-sha1",
    "policy-normal-form",
    "audit-no-secrets",
    "audit-encoded",
    "api-problems",
    "api-rate-limit-fields",
    "api-generic-errors",
}

pytestmark = pytest.mark.django_db


def listed(*names: str, **options: Any) -> dict[str, Any]:
    return {"AUTH_PASSWORD_VALIDATORS": [{"NAME": each, "OPTIONS": options} for each in names]}


def beside(*names: str) -> dict[str, Any]:
    return {"AUTH_PASSWORD_VALIDATORS": [*VALIDATORS, *({"NAME": each} for each in names)]}


def ours(**changes: Any) -> dict[str, Any]:
    return {"credfirewall": changes}


def without(setting: str, *names: str) -> dict[str, Any]:
    left = [each for each in getattr(django_settings, setting) if not each.endswith(names)]
    return {setting: left}


class Reasonable:
    """A rule of a host's whose name does not say what it asks for."""

    def validate(self, password: str, user: Any = None) -> None:
        if not self.takes(password):
            raise ValidationError("No.", code="no")

    def get_help_text(self) -> str:
        return ""

    def takes(self, password: str) -> bool:
        raise NotImplementedError


class Mixed(Reasonable):
    def takes(self, password: str) -> bool:
        return any(map(str.isdecimal, password))


class Plain(Reasonable):
    def takes(self, password: str) -> bool:
        return password.isascii()


class Minuscule(Reasonable):
    def takes(self, password: str) -> bool:
        return any("a" <= each <= "z" for each in password)


class Capitals(Reasonable):
    def takes(self, password: str) -> bool:
        return any(map(str.isupper, password))


class Digits(Reasonable):
    def takes(self, password: str) -> bool:
        return any(map(str.isdecimal, password))


class PasswordLength(Reasonable):
    """Keeps its limit to itself, and it is too low."""

    def takes(self, password: str) -> bool:
        return len(password) >= 4


class LengthAdvice(Reasonable):
    min_length = 15

    def takes(self, password: str) -> bool:
        return True


class LengthOfEleven(Reasonable):
    def takes(self, password: str) -> bool:
        return len(password) >= 11


class Brief(Reasonable):
    def takes(self, password: str) -> bool:
        return len(password) < 50


class Raises(Reasonable):
    def takes(self, password: str) -> bool:
        raise RuntimeError("secret words")


class OwnCorpus:
    """A source of a host's."""

    name, authoritative = "own", True

    def lookup(self, candidate: Candidate) -> Answer:
        raise NotImplementedError


class OwnList(OwnCorpus):
    authoritative = False


class UppercaseValidator(Reasonable):
    """Asks for nothing, whatever its name says."""

    def takes(self, password: str) -> bool:
        return True


def here(cls: type) -> str:
    return f"{__name__}.{cls.__name__}"


class OwnHasher(BasePasswordHasher):
    """Nobody knows what it does."""

    algorithm = "own"

    def encode(self, password: str, salt: str) -> str:
        raise NotImplementedError


class NoExpiryOfDates(Reasonable):
    """Has nothing to do with what its name says."""

    def takes(self, password: str) -> bool:
        return True


SLOW_CACHE = {**CACHE, "OPTIONS": {**CACHE["OPTIONS"], "SOCKET_TIMEOUT": 5}}
NO_CACHE = {"BACKEND": "django.core.cache.backends.dummy.DummyCache"}
LOCAL_CACHE = {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}
HASHERS = f"{DJANGOS}.hashers"
Changes = dict[str, Any]
DEFENDER: Changes = {
    "INSTALLED_APPS": [*APPS[:-1], "defender"],
    "MIDDLEWARE": ["defender.middleware.FailedLoginMiddleware"],
}
CORS: Changes = {"INSTALLED_APPS": [*APPS, "corsheaders"]}
BACKENDS = RIGHT["AUTHENTICATION_BACKENDS"]
AUDIT_FIRST = [*reversed(django_settings.MIDDLEWARE)]
ASKING = ("on-set", "explains", "common", "breached", "degrades-safely", "egress", "minimal")
"""Rows on screening for which it matters whom it asks."""

UNMET: list[tuple[str, Changes]] = [
    ("screening-on-set", listed(f"{OURS}.LengthValidator")),
    ("screening-on-set", listed(f"{OURS}.BreachedPaswordValidator")),
    ("screening-explains", listed(f"{OURS}.BlocklistValidator")),
    ("screening-common", {**ours(SOURCES=["blocklist"]), **listed()}),
    ("screening-common", {**ours(SOURCES=["bundled"]), **listed(f"{OURS}.LengthValidator",
                                                               min_length=200)}),
    ("screening-breached", ours(SOURCES=["blocklist", "bundled"])),
    ("screening-breached", ours(SOURCES=["corpus"])),
    ("screening-breached", listed(f"{OURS}.BlocklistValidator")),
    ("screening-breached", ours(SOURCES=[f"{__name__}.OwnList"])),
    ("screening-common", ours(SOURCES=[f"{__name__}.OwnList"])),
    ("screening-context-words", ours(CONTEXT_WORDS=[])),
    ("screening-context-words", listed(f"{OURS}.LengthValidator")),
    ("screening-degrades-safely", ours(HIBP_DEADLINE=60)),
    ("screening-degrades-safely", {"CACHES": {"default": SLOW_CACHE}}),
    ("screening-egress", ours(HIBP_URL="http://mirror.example/range/")),
    ("screening-minimal", ours(HIBP_PADDING=False)),
    ("policy-minimum", listed(f"{DJANGOS}.password_validation.MinimumLengthValidator")),
    ("policy-minimum", listed(f"{OURS}.LengthValidator", min_length=14)),
    ("policy-maximum", beside(here(Brief))),
    ("policy-whole", {"PASSWORD_HASHERS": [f"{HASHERS}.BCryptPasswordHasher"]}),
    ("policy-unicode", beside(here(Plain))),
    ("policy-no-composition", beside(here(Mixed))),
    ("policy-no-composition", beside(f"{OURS}.LetterAndDigitValidator")),
    ("policy-no-expiry", {"MIDDLEWARE": PCI["MIDDLEWARE"]}),
    ("policy-hashers", {"PASSWORD_HASHERS": [f"{HASHERS}.MD5PasswordHasher"]}),
    ("policy-hashers", {"PASSWORD_HASHERS": ["nowhere.Hasher"]}),
    ("generation-valid", ours(GENERATE_ENFORCE_POLICY=False)),
    ("audit-inventory", without("MIDDLEWARE", "AuditMiddleware")),
    ("audit-tamper-evident", ours(AUDIT_KEY=None)),
    ("audit-tamper-evident", ours(AUDIT_KEY="short")),
    ("audit-tamper-evident", ours(AUDIT_ANCHOR=None)),
    ("api-authorised", ours(API_PERMISSIONS=["nowhere.Permission"])),
    ("api-limited", ours(RATES={"check": "often"})),
    ("api-limited", {"CACHES": {"default": LOCAL_CACHE}}),
    ("api-limited", {"CACHES": {"other": CACHE}}),
    ("api-client-address", {"SECURE_PROXY_SSL_HEADER": ("HTTP_X_FORWARDED_PROTO", "https")}),
    ("api-client-address", {"USE_X_FORWARDED_HOST": True}),
    ("api-guarded", without("MIDDLEWARE", "CsrfViewMiddleware")),
    ("api-guarded", {"INSTALLED_APPS": [*APPS, "corsheaders"], "CORS_ALLOW_ALL_ORIGINS": True}),
    ("site-lockout", {"INSTALLED_APPS": APPS[:-1]}),
    ("site-lockout", {"AXES_FAILURE_LIMIT": 101}),
    ("site-lockout", {"AXES_LOCKOUT_PARAMETERS": ["ip_address"]}),
    ("site-lockout", {"AXES_LOCKOUT_PARAMETERS": [["username", "ip_address"]]}),
    ("site-lockout", {"AXES_ENABLED": False}),
    ("site-lockout", {"AXES_LOCK_OUT_AT_FAILURE": False}),
    ("site-lockout", {"AUTHENTICATION_BACKENDS": [f"{DJANGOS}.backends.ModelBackend"]}),
    ("site-lockout", {"INSTALLED_APPS": [*APPS[:-1], "defender"]}),
    ("site-tls", {"SECURE_SSL_REDIRECT": False}),
    ("site-hsts", {"SECURE_HSTS_SECONDS": 31_535_999}),
    ("site-hsts", {"SECURE_HSTS_INCLUDE_SUBDOMAINS": False}),
    ("site-cookies", {"SESSION_COOKIE_SECURE": False}),
    ("site-cookies", {"SESSION_COOKIE_HTTPONLY": False}),
    ("site-cookies", {"CSRF_COOKIE_SECURE": False}),
    ("site-cookies", {"SESSION_COOKIE_SAMESITE": "None"}),
    ("site-session-end", {"SESSION_COOKIE_AGE": 30 * 86_400 + 1}),
    ("site-sessions-after-change", without("MIDDLEWARE", ".AuthenticationMiddleware")),
    ("site-debug", {"DEBUG": True}),
    # Settings that are wrong.
    ("site-settings", ours(HIBP_ULR="https://mirror.example/range/")),
    ("site-settings", ours(ON_UNKNOWN="reject ")),
    ("site-settings", ours(PROFILE="PCI")),
    ("site-settings", ours(SOURCES=[])),
    ("site-settings", ours(HIBP_URL="http://mirror.example/range/")),
    ("site-settings", listed(f"{OURS}.LengthValidator")),
    ("site-settings", listed(f"{OURS}.BreachedPasswordValidator", minimum=3)),
    ("site-settings", {"CACHES": {"other": CACHE}}),
    *((f"screening-{row}", ours(SOURCES=wrong))
      for row in ASKING for wrong in ([], ["hipb"], "hibp", 5)),
    *((f"screening-{row}", listed()) for row in ("on-set", "explains", "common", "breached")),
    ("screening-degrades-safely", ours(ON_UNKNOWN="reject ")),
    ("screening-context-words", ours(CONTEXT_WORDS="Excelsior")),
    ("screening-minimal", ours(HIBP_PADDING="yes")),
    ("screening-egress", ours(HIBP_URL=None)),
    ("site-tls", ours(REQUIRE_HTTPS=0)),
    ("policy-minimum", {**ours(MFA_ASSERTED="False"),
                        **listed(f"{OURS}.LengthValidator", min_length=8)}),
    ("generation-valid", ours(GENERATE_ENFORCE_POLICY=0)),
    ("audit-tamper-evident", ours(AUDIT_KEY=12_345)),
    ("audit-tamper-evident", ours(AUDIT_ANCHOR=5)),
    ("audit-survives", ours(AUDIT_ON_FAILURE="rise")),
    ("api-authorised", ours(API_PERMISSIONS=5)),
    ("api-limited", ours(RATES_ON_FAILURE={"check": "opened"})),
    ("api-client-address", ours(TRUSTED_PROXIES="1")),
    # What looks as if it were met.
    ("screening-breached", ours(MIN_COUNT=2)),
    ("screening-context-words", ours(CONTEXT_WORDS=["ab"])),
    ("policy-minimum", listed(here(PasswordLength))),
    ("policy-minimum", listed(here(LengthAdvice))),
    ("policy-minimum", {"AUTH_PASSWORD_VALIDATORS": [
        {"NAME": f"{OURS}.LengthValidator", "OPTIONS": {"min_length": 8}},
        {"NAME": here(PasswordLength)},
    ]}),
    ("policy-whole", {"PASSWORD_HASHERS": ["nowhere.Hasher"]}),
    ("policy-no-composition", beside(here(Minuscule))),
    ("policy-no-composition", beside(here(Capitals))),
    ("generation-valid", listed()),
    ("audit-inventory", {"MIDDLEWARE": AUDIT_FIRST}),
    ("audit-inventory", without("MIDDLEWARE", ".AuthenticationMiddleware")),
    ("audit-tamper-evident", ours(AUDIT_KEY=[])),
    ("audit-survives", ours(AUDIT_ON_FAILURE="raise")),
    ("api-limited", {"RATELIMIT_ENABLE": False}),
    ("api-limited", {"RATELIMIT_USE_CACHE": "nowhere"}),
    *(("api-limited", {"RATELIMIT_USE_CACHE": "x", "CACHES": {"default": CACHE, "x": wrong}})
      for wrong in (NO_CACHE, LOCAL_CACHE, {"BACKEND": "nowhere.Cache"})),
    *(("api-limited", ours(RATES={rate: "999999999/s"}))
      for rate in ("generate", "check", "redeem", "auth_failure")),
    *(("api-limited", ours(RATES_ON_FAILURE={rate: "open"})) for rate in ("check", "redeem")),
    ("api-guarded", {**CORS, "CORS_ALLOWED_ORIGIN_REGEXES": [r".*"]}),
    ("api-guarded", {**CORS, "CORS_ORIGIN_REGEX_WHITELIST": [re.compile(r"https://")]}),
    ("site-lockout", {"AUTHENTICATION_BACKENDS": BACKENDS[::-1]}),
    ("site-lockout", {"AXES_HANDLER": "axes.handlers.dummy.AxesDummyHandler"}),
    ("site-lockout", {"AXES_ONLY_ADMIN_SITE": True}),
    ("site-lockout", {"AXES_COOLOFF_TIME": timedelta(seconds=299)}),
    ("site-lockout", {"AXES_COOLOFF_TIME": 0.0001}),
    ("site-lockout", {**DEFENDER, "DEFENDER_LOGIN_FAILURE_LIMIT_USERNAME": 101}),
    ("site-lockout", {**DEFENDER, "DEFENDER_LOCK_OUT_BY_IP_AND_USERNAME": True}),
    ("site-lockout", {**DEFENDER, "DEFENDER_LOCKOUT_COOLOFF_TIME": [5, 600]}),
    ("site-lockout", {**DEFENDER, "DEFENDER_LOCKOUT_COOLOFF_TIME": 5}),
    ("site-lockout", {**DEFENDER, "DEFENDER_ATTEMPT_COOLOFF_TIME": 5}),
    ("site-tls", without("MIDDLEWARE", "SecurityMiddleware")),
    ("site-tls", ours(REQUIRE_HTTPS=False)),
    ("site-hsts", without("MIDDLEWARE", "SecurityMiddleware")),
    ("site-cookies", {"SESSION_COOKIE_NAME": "sessionid"}),
    ("site-cookies", {"SESSION_COOKIE_DOMAIN": "example.org"}),
    ("site-cookies", {"SESSION_COOKIE_PATH": "/here/"}),
    ("site-cookies", {"CSRF_COOKIE_NAME": "csrftoken"}),
    ("site-cookies", {"CSRF_COOKIE_SAMESITE": "None"}),
]  # fmt: skip

UNMET_BY_PCI: list[tuple[str, Changes]] = [
    ("policy-composition", listed(f"{OURS}.LengthValidator")),
    ("policy-composition", listed(f"{OURS}.LetterAndDigitValidator")),
    ("policy-history", beside(f"{OURS}.LetterAndDigitValidator")),
    ("policy-composition", beside(here(Capitals))),
    ("policy-composition", beside(here(Digits))),
    ("policy-composition", listed(here(LengthOfEleven), here(Digits), here(Minuscule))),
    ("policy-rotation", {"MIDDLEWARE": django_settings.MIDDLEWARE}),
    ("policy-rotation", {"MIDDLEWARE": django_settings.MIDDLEWARE, **ours(MFA_ASSERTED="no")}),
    ("audit-retention", ours(AUDIT_RETENTION_DAYS="30")),
    ("site-settings", ours(PROFILE="PCI")),
    ("audit-retention", ours(AUDIT_RETENTION_DAYS=364)),
    ("site-lockout-pci", {"AXES_FAILURE_LIMIT": 11}),
    ("site-lockout-pci", {"AXES_COOLOFF_TIME": 0.4}),
    ("site-lockout-pci", {"AXES_COOLOFF_TIME": timedelta(minutes=29)}),
    ("site-session-idle", {"SESSION_COOKIE_AGE": 901}),
]

Make = Callable[[str], Project]


@pytest.fixture
def project(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Make:
    return lambda profile: Project(settings, monkeypatch, profile)


def names(each: object) -> str:
    return each if isinstance(each, str) else ""


@pytest.mark.parametrize("profile", PROFILES)
def test_a_project_that_is_right_meets_all_that_can_be_seen(project: Make, profile: str) -> None:
    right = project(profile)
    found = {each.row.key: each.finding for each in conformance.results(right.profile)}
    unmet = {key: each for key, each in found.items() if each.state is State.NOT_MET}
    assert not unmet
    theirs = {key for key, each in found.items() if each.state is State.HOST}
    assert theirs == HOSTS | NEVER_MET[profile]
    assert all(each.fix for each in found.values() if each.state is State.HOST)
    assert all(each.evidence for each in found.values() if each.state is State.MET)


@pytest.mark.parametrize(("key", "changes"), UNMET, ids=names)
def test_a_clause_that_is_not_met(project: Make, key: str, changes: Changes) -> None:
    wrong = project("nist")
    wrong.set(**changes)
    found = wrong.finding(key)
    assert found.state is State.NOT_MET
    assert str(found.evidence) and str(found.fix)
    assert not found.failed or "nowhere." in str(changes)


@pytest.mark.parametrize(("key", "changes"), UNMET_BY_PCI, ids=names)
def test_a_clause_of_pci_that_is_not_met(project: Make, key: str, changes: Changes) -> None:
    wrong = project("pci")
    wrong.set(**changes)
    found = wrong.finding(key)
    assert found.state is State.NOT_MET
    assert str(found.evidence) and str(found.fix)
    assert not found.failed or "nowhere." in str(changes)


def test_each_row_has_such_a_test() -> None:
    """But for what is built in, and what nothing here can tell."""
    tested = {key for key, _ in (*UNMET, *UNMET_BY_PCI)}
    tested |= {"audit-elsewhere", "generation-random", "api-keys"}
    tested |= set().union(*NEVER_MET.values())
    own = {key for key, row in conformance.registered().items() if row.area in AREAS}
    assert own == tested | HOSTS | BUILT_IN


# What the tables above cannot hold


def test_a_log_that_is_kept_nowhere_else(project: Make) -> None:
    wrong = project("nist")
    wrong.log_to(logging.NullHandler())
    assert wrong.finding("audit-elsewhere").state is State.NOT_MET


def test_a_fence_with_a_hole(project: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = project("nist")
    monkeypatch.setattr("credfirewall.audit.triggers.missing", lambda _connection: ["no_update"])
    found = wrong.finding("audit-tamper-evident")
    assert found.state is State.NOT_MET and "no_update" in str(found.evidence)


def test_entropy_that_is_too_low(project: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(issuing, "LEAST_BITS", 130)
    assert project("nist").finding("generation-random").state is State.NOT_MET


def test_a_user_model_without_a_session_hash(
    project: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(get_user_model(), "get_session_auth_hash", None)
    assert project("nist").finding("site-sessions-after-change").state is State.NOT_MET


# Other ways to meet a clause


@pytest.mark.parametrize(
    ("key", "changes"),
    [
        ("screening-common", ours(SOURCES=["hibp"])),
        ("screening-common", ours(SOURCES=["bundled"])),
        ("screening-common", {**listed(f"{OURS}.BlocklistValidator"), **ours(SOURCES=["hibp"])}),
        ("screening-common", ours(SOURCES=["bundled", "hibp"], MIN_COUNT=2)),
        ("screening-on-set", ours(SOURCES=["bundled", "hibp"], MIN_COUNT=2)),
        ("screening-on-set", ours(SOURCES=["hibp"])),
        ("screening-context-words", {
            **ours(CONTEXT_WORDS=[]),
            **listed(f"{OURS}.ContextWordsValidator", words=["Excelsior"]),
        }),
        ("screening-minimal", ours(SOURCES=["blocklist"], HIBP_PADDING=False)),
        ("screening-egress", ours(HIBP_URL="http://127.0.0.1:8000/range/")),
        ("policy-hashers", {"PASSWORD_HASHERS": [f"{HASHERS}.PBKDF2PasswordHasher",
                                                 f"{HASHERS}.PBKDF2SHA1PasswordHasher"]}),
        ("policy-minimum", {**ours(MFA_ASSERTED=True),
                            **listed(f"{OURS}.LengthValidator", min_length=8)}),
        ("api-limited", ours(RATES={"check": "6000/m"}, RATES_ON_FAILURE={"check": "closed"})),
        ("api-limited", ours(RATES={"check": "144000/d"})),
        ("api-guarded", {"INSTALLED_APPS": [*APPS, "corsheaders"]}),
        ("api-guarded", {"CORS_ALLOW_ALL_ORIGINS": True}),
        ("site-lockout", {"INSTALLED_APPS": [*APPS[:-1], "axes.apps.AppConfig"]}),
        ("site-lockout", {"AXES_COOLOFF_TIME": None, "AXES_FAILURE_LIMIT": 100}),
        ("site-lockout", {"AXES_COOLOFF_TIME": timedelta(minutes=5)}),
        ("site-lockout", DEFENDER),
        ("site-lockout", {**DEFENDER, "DEFENDER_COOLOFF_TIME": 0}),
        ("site-lockout", {**DEFENDER, "DEFENDER_LOCKOUT_COOLOFF_TIME": [300, 600]}),
        ("site-cookies", {"CSRF_USE_SESSIONS": True, "CSRF_COOKIE_NAME": "csrftoken"}),
        ("site-cookies", {"SESSION_COOKIE_NAME": "__Secure-id",
                          "SESSION_COOKIE_DOMAIN": "example.org"}),
        ("site-cookies", {"SESSION_COOKIE_SAMESITE": "Strict"}),
    ],
    ids=names,
)  # fmt: skip
def test_another_way_to_meet_it(project: Make, key: str, changes: Changes) -> None:
    right = project("nist")
    right.set(**changes)
    assert right.finding(key).state is State.MET


@pytest.mark.parametrize(
    ("key", "changes"),
    [
        ("policy-rotation", {"MIDDLEWARE": [], **ours(MFA_ASSERTED=True)}),
        ("policy-composition", beside(here(Digits), here(Minuscule), here(Capitals))),
        ("site-lockout-pci", {"AXES_COOLOFF_TIME": timedelta(minutes=30)}),
        ("site-lockout-pci", {"AXES_COOLOFF_TIME": None}),
        ("site-session-idle", {"SESSION_SAVE_EVERY_REQUEST": False}),
    ],
    ids=names,
)  # fmt: skip
def test_another_way_to_meet_one_of_pci(project: Make, key: str, changes: Changes) -> None:
    right = project("pci")
    right.set(**changes)
    assert right.finding(key).state is State.MET


@pytest.mark.parametrize(
    ("app", "options", "state"),
    [
        (HISTORY_APP, {}, State.MET),
        (HISTORY_APP, {"last_passwords": 0}, State.MET),
        (HISTORY_APP, {"last_passwords": 4}, State.MET),
        (HISTORY_APP, {"last_passwords": 3}, State.NOT_MET),
        ("nothing", {}, State.NOT_MET),
    ],
)
def test_the_validator_that_says_how_many_passwords_it_knows(
    project: Make, monkeypatch: pytest.MonkeyPatch, app: str, options: Changes, state: State
) -> None:
    name, _dot, cls = HISTORY_RULE.rpartition(".")
    module = ModuleType(name)
    setattr(module, cls, LengthAdvice)
    for each in (name.partition(".")[0], HISTORY_APP, name):
        monkeypatch.setitem(sys.modules, each, module)
    site = project("pci")
    site.set(INSTALLED_APPS=[*APPS, app], AUTH_PASSWORD_VALIDATORS=[
        {"NAME": HISTORY_RULE, "OPTIONS": options},
    ])  # fmt: skip
    assert site.finding("policy-history").state is state


def test_defender_locks_for_five_minutes_unless_told_otherwise(project: Make) -> None:
    site = project("pci")
    site.set(
        INSTALLED_APPS=[*APPS[:-1], "defender"],
        MIDDLEWARE=["defender.middleware.FailedLoginMiddleware"],
    )
    assert site.finding("site-lockout-pci").state is State.NOT_MET
    site.set(DEFENDER_COOLOFF_TIME=1800)
    assert site.finding("site-lockout-pci").state is State.MET
    site.set(DEFENDER_LOGIN_FAILURE_LIMIT=11)
    assert site.finding("site-lockout-pci").state is State.NOT_MET
    site.set(DEFENDER_LOGIN_FAILURE_LIMIT=3, DEFENDER_DISABLE_USERNAME_LOCKOUT=True)
    assert site.finding("site-lockout-pci").state is State.NOT_MET


@pytest.mark.parametrize(
    ("key", "changes"),
    [
        ("policy-no-composition", {
            **beside(f"{__name__}.UppercaseValidator"),
            "SILENCED_SYSTEM_CHECKS": ["credfirewall.W004"],
        }),
        ("audit-inventory", {
            **without("MIDDLEWARE", "AuditMiddleware"),
            "SILENCED_SYSTEM_CHECKS": ["credfirewall.W019"],
        }),
        ("api-authorised", ours(API_PERMISSIONS=["rest_framework.permissions.IsAdminUser"])),
        ("screening-common", ours(SOURCES=["hibp"], MIN_COUNT=2)),
        ("screening-common", ours(SOURCES=[f"{__name__}.OwnCorpus"])),
        ("screening-breached", ours(SOURCES=[f"{__name__}.OwnCorpus"])),
        ("screening-on-set", ours(SOURCES=["hibp"], MIN_COUNT=2)),
        ("screening-on-set", ours(SOURCES=["blocklist"])),
        ("screening-minimal", ours(SOURCES=["hibp", f"{__name__}.OwnCorpus"])),
        ("screening-degrades-safely", {"DEBUG": True}),
        ("api-limited", {"DEBUG": True}),
        ("policy-whole", {"PASSWORD_HASHERS": [here(OwnHasher)]}),
        ("policy-hashers", {"PASSWORD_HASHERS": [f"{HASHERS}.PBKDF2PasswordHasher",
                                                 f"{HASHERS}.MD5PasswordHasher"]}),
        ("api-client-address", ours(TRUSTED_PROXIES=1)),
        ("api-guarded", {"CSRF_TRUSTED_ORIGINS": ["https://*.example.org"]}),
        ("api-guarded", {**CORS, "CORS_ALLOWED_ORIGIN_REGEXES": [r"^https://\w+\.example\.org$"]}),
        ("site-tls", {"SECURE_REDIRECT_EXEMPT": ["^health$"]}),
        ("site-lockout", {"AXES_LOCKOUT_PARAMETERS": lambda *_: ["username"]}),
        ("site-lockout", {"AXES_LOCKOUT_PARAMETERS": "accounts.parameters"}),
        ("site-lockout", {"AXES_HANDLER": "axes.handlers.cache.AxesCacheHandler"}),
        ("site-lockout", {"AXES_WHITELIST_CALLABLE": "accounts.is_exempt"}),
        ("site-lockout", {**DEFENDER, "DEFENDER_GET_USERNAME_FROM_REQUEST_PATH": "accounts.name"}),
        ("screening-egress", ours(SOURCES=["hibp", f"{__name__}.OwnCorpus"])),
        ("site-tls", {"SECURE_SSL_REDIRECT": False,
                      "SILENCED_SYSTEM_CHECKS": ["security.W008"]}),
        ("site-hsts", {"SECURE_HSTS_SECONDS": 0, "SILENCED_SYSTEM_CHECKS": ["security.W004"]}),
        ("site-session-end", {"SESSION_SAVE_EVERY_REQUEST": True}),
        ("site-lockout", {"AXES_FAILURE_LIMIT": lambda *_: 3}),
        ("site-lockout", {"AXES_COOLOFF_TIME": "accounts.cool_off"}),
    ],
    ids=names,
)  # fmt: skip
def test_what_the_project_answers_for(project: Make, key: str, changes: Changes) -> None:
    site = project("nist")
    site.set(**changes)
    found = site.finding(key)
    assert found.state is State.HOST and str(found.fix)


@pytest.mark.parametrize(
    ("key", "changes"),
    [
        ("policy-rotation", {"MIDDLEWARE": [], "INSTALLED_APPS": [*APPS, "password_expire"]}),
        ("policy-rotation", {"MIDDLEWARE": [], **beside(here(NoExpiryOfDates))}),
        ("policy-history", {**beside(f"{OURS}.LetterAndDigitValidator"),
                            "INSTALLED_APPS": [*APPS, "django_password_history"]}),
    ],
    ids=names,
)  # fmt: skip
def test_a_name_proves_nothing(project: Make, key: str, changes: Changes) -> None:
    site = project("pci")
    site.set(**changes)
    assert site.finding(key).state is State.HOST


@pytest.mark.parametrize("value", ["", ["PROFILE"], None])
def test_settings_that_are_no_dict(project: Make, settings: Settings, value: object) -> None:
    site = project("nist")
    settings.CREDFIREWALL = value
    assert site.finding("site-settings").state is State.NOT_MET


# Where events go


@pytest.mark.parametrize(
    ("handler", "state"),
    [
        (Collector("logs.example", 6514), State.MET),
        (SysLogHandler(("192.0.2.1", 514)), State.MET),
        (HTTPHandler("logs.example:8080", "/"), State.MET),
        (Collector("localhost", 6514), State.HOST),
        (Collector("/run/collector", None), State.HOST),
        (SysLogHandler(), State.HOST),
        (HTTPHandler("127.0.0.1:8080", "/"), State.HOST),
        (logging.StreamHandler(), State.HOST),
        (AdminEmailHandler(), State.HOST),
        (logging.NullHandler(), State.NOT_MET),
    ],
    ids=names,
)
def test_where_events_go(project: Make, handler: logging.Handler, state: State) -> None:
    site = project("nist")
    site.log_to(handler)
    assert site.finding("audit-elsewhere").state is state


@pytest.mark.parametrize(
    ("change", "state"),
    [
        (lambda logger, handler: handler.setLevel(logging.ERROR), State.NOT_MET),
        (lambda logger, handler: logger.setLevel(logging.CRITICAL), State.NOT_MET),
        (lambda logger, handler: setattr(logger, "disabled", True), State.NOT_MET),
        (lambda logger, handler: handler.addFilter(lambda record: False), State.HOST),
        (lambda logger, handler: logger.addFilter(lambda record: False), State.HOST),
    ],
    ids=["handler", "logger", "disabled", "filtered", "filtered before"],
)
def test_events_that_are_kept_back(
    project: Make, monkeypatch: pytest.MonkeyPatch, change: Callable[..., None], state: State
) -> None:
    site, handler = project("nist"), Collector("logs.example", 6514)
    site.log_to(handler)
    logger = logging.getLogger("credfirewall.audit")
    monkeypatch.setattr(logger, "filters", [])
    monkeypatch.setattr(logger, "disabled", False)
    change(logger, handler)
    assert site.finding("audit-elsewhere").state is state


# What a database holds


def test_a_log_that_cannot_be_read(project: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    def down(_connection: object) -> list[str]:
        raise OperationalError("down")

    site = project("nist")
    monkeypatch.setattr("credfirewall.audit.triggers.missing", down)
    found = site.finding("audit-tamper-evident")
    assert found.state is State.NOT_MET and found.failed


def test_a_log_that_has_no_table(project: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    site = project("nist")
    monkeypatch.setattr(connection.introspection, "table_names", list)
    assert site.finding("audit-tamper-evident").state is State.NOT_MET


def test_a_database_whose_fence_is_not_known(
    project: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = project("nist")
    monkeypatch.setattr("credfirewall.audit.triggers.statements", lambda _vendor: [])
    assert site.finding("audit-tamper-evident").state is State.HOST


@pytest.mark.parametrize(
    ("age", "used", "ends", "state"),
    [
        (0, None, 30, State.MET),
        (200, 89, 30, State.MET),
        (89, None, 30, State.MET),
        (0, None, None, State.NOT_MET),
        (200, 91, 30, State.NOT_MET),
        (91, None, 30, State.NOT_MET),
        (200, None, -1, State.MET),  # it has ended
    ],
)
def test_api_keys(
    project: Make, age: int, used: int | None, ends: int | None, state: State
) -> None:
    site, now = project("nist"), datetime(2026, 3, 1, tzinfo=UTC)
    owner = get_user_model().objects.create_user("ada")
    key = ApiKey.objects.create(owner=owner, name="x", public_id="0" * 16)
    days = {"used_at": None if used is None else -used, "expires_at": ends, "created_at": -age}
    values = {
        name: None if each is None else now + timedelta(days=each) for name, each in days.items()
    }
    row = ApiKey.objects.filter(pk=key.pk)
    row.update(**values)
    found = api.keys(now)
    assert found.state is state and str(found.evidence).startswith("0" if ends == -1 else "1")
    row.update(revoked_at=now)
    assert api.keys(now).state is State.MET
    assert site.finding("api-keys").state is State.MET


# The registry


def test_probes_that_fail_are_not_met_and_tell_nothing(
    project: Make, caplog: pytest.LogCaptureFixture
) -> None:
    site = project("nist")
    site.set(**beside(here(Raises)))
    found = site.finding("policy-unicode")
    assert found.state is State.NOT_MET
    assert found.evidence == "RuntimeError"
    assert "policy-unicode" in caplog.text


def test_one_profile_for_another(project: Make) -> None:
    """As if the settings named it: the live validators follow."""
    site = project("nist")
    state = {each.row.key: each.finding.state for each in conformance.results("pci")}
    assert state["policy-composition"] is State.NOT_MET
    assert "policy-no-composition" not in state
    assert site.finding("policy-no-composition").state is State.MET


def test_the_profile_asvs_asks_more_of_scrypt(project: Make) -> None:
    site = project("nist")
    site.set(PASSWORD_HASHERS=[f"{HASHERS}.ScryptPasswordHasher"])
    for profile, state in (("nist", State.MET), ("asvs", State.NOT_MET)):
        site.profile = profile  # the settings still name the other one
        assert site.finding("policy-hashers").state is state


@pytest.fixture
def _registry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conformance, "_rows", dict(conformance.registered()))


@pytest.mark.usefixtures("_registry")
def test_a_feature_or_a_project_takes_over_a_row(project: Make) -> None:
    site = project("nist")
    before = [*conformance.registered()]
    row = Row("site-lockout", "site", ("ASVS 6.3.1",), "Ours.", lambda: met("own"), Force.MUST)
    conformance.register(row)
    assert [*conformance.registered()] == before
    assert site.finding("site-lockout").evidence == "own"


def test_a_row_about_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="cooking"):
        Row("x", "cooking", (), "", lambda: met(""))


def test_registering_twice_changes_nothing() -> None:
    before = dict(conformance.registered())
    clauses.register()
    assert dict(conformance.registered()) == before


def test_every_row_says_where_it_comes_from() -> None:
    for key, row in conformance.registered().items():
        assert key.startswith(row.area) and row.clauses and str(row.demand).endswith(".")
        assert row.profiles <= {*PROFILES} and row.profiles


def test_each_row_is_documented_and_no_other() -> None:
    page = Path(credfirewall.__file__).parent.parent / "docs" / "conformance.md"
    cells = [line.split(" | ") for line in page.read_text("utf-8").splitlines() if " | " in line]
    found = {first.strip("| `"): rest[0] for first, *rest in cells if first.startswith("| `")}
    states = {state.value for state in State}
    assert {key: each for key, each in found.items() if key not in states} == {
        key: ", ".join(row.clauses) for key, row in conformance.registered().items()
    }
