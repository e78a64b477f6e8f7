"""The check of PASSWORD_HASHERS: each parameter at its least, and just below."""

import hashlib
from typing import Any

import pytest
from django.contrib.auth import hashers
from django.core.checks import ERROR, WARNING

from tests.checked import ids, only

DJANGO = "django.contrib.auth.hashers"


def first(monkeypatch: pytest.MonkeyPatch, base: type, name: str, **values: Any) -> dict[str, Any]:
    """The settings with a subclass of ``base`` as the first hasher."""
    cls = type(name, (base,), values)
    monkeypatch.setitem(globals(), name, cls)
    path = f"{__name__}.{name}"
    return {"PASSWORD_HASHERS": [path, f"{DJANGO}.PBKDF2PasswordHasher"]}


class UnsaltedMD5PasswordHasher(hashers.BasePasswordHasher):
    algorithm = "unsalted_md5"


class SHA1PasswordHasher(hashers.BasePasswordHasher):
    algorithm = "sha1"


class PlainTextHasher(hashers.BasePasswordHasher):
    algorithm = "none"


class Innocent(hashers.BasePasswordHasher):
    algorithm = "salted_sha1"


@pytest.mark.parametrize(
    "path",
    [
        f"{DJANGO}.MD5PasswordHasher",
        f"{__name__}.UnsaltedMD5PasswordHasher",
        f"{__name__}.SHA1PasswordHasher",
        f"{__name__}.PlainTextHasher",
        f"{__name__}.Innocent",
    ],
)
def test_fast_hash(path: str) -> None:
    message = only(PASSWORD_HASHERS=[path])
    assert (message.id, message.level) == ("credfirewall.E015", ERROR)
    assert path in message.msg


def test_old_hashes_may_be_fast() -> None:
    """They verify, and are replaced as people sign in."""
    paths = [f"{DJANGO}.PBKDF2PasswordHasher", f"{DJANGO}.MD5PasswordHasher"]
    assert ids(PASSWORD_HASHERS=paths) == []


@pytest.mark.parametrize(
    "name",
    [
        "PBKDF2PasswordHasher",
        "Argon2PasswordHasher",
        "ScryptPasswordHasher",
        "BCryptSHA256PasswordHasher",
    ],
)
def test_hashers_of_django(name: str) -> None:
    assert ids(PASSWORD_HASHERS=[f"{DJANGO}.{name}"]) == []


def test_plain_bcrypt_forgets_the_end_of_a_long_password() -> None:
    message = only(PASSWORD_HASHERS=[f"{DJANGO}.BCryptPasswordHasher"])
    assert (message.id, message.level) == ("credfirewall.W012", WARNING)
    assert "BCryptSHA256PasswordHasher" in str(message.hint)


class Homemade(hashers.BasePasswordHasher):
    algorithm = "homemade"


class Passlib(hashers.BasePasswordHasher):
    algorithm = "pbkdf2_sha1"


@pytest.mark.parametrize(
    "hashers",
    [
        [f"{__name__}.Homemade"],
        [f"{__name__}.Passlib"],
        ["gone.Hasher"],
        [f"{DJANGO}.make_password"],
        [None],
        [],
        None,
    ],
    ids=repr,
)
def test_unknown_hasher(hashers: Any) -> None:
    message = only(PASSWORD_HASHERS=hashers)
    assert (message.id, message.level) == ("credfirewall.W013", WARNING)
    assert "silence" in str(message.hint)


ARGON2 = {"memory_cost": 19_456, "time_cost": 2, "parallelism": 1}
SCRYPT = {"work_factor": 2**14, "block_size": 8, "parallelism": 5}
ENOUGH: list[tuple[str, dict[str, Any]]] = [
    ("Argon2PasswordHasher", ARGON2),
    ("PBKDF2PasswordHasher", {"iterations": 600_000}),
    ("PBKDF2PasswordHasher", {"iterations": 210_000, "digest": hashlib.sha512}),
    ("ScryptPasswordHasher", SCRYPT),
    ("ScryptPasswordHasher", {**SCRYPT, "work_factor": 2**15, "parallelism": 3}),
    ("ScryptPasswordHasher", {**SCRYPT, "work_factor": 2**16, "parallelism": 2}),
    ("ScryptPasswordHasher", {**SCRYPT, "work_factor": 2**17, "parallelism": 1}),
    ("BCryptSHA256PasswordHasher", {"rounds": 10}),
]
TOO_LITTLE: list[tuple[str, dict[str, Any], str]] = [
    ("Argon2PasswordHasher", {**ARGON2, "memory_cost": 19_455}, "memory_cost 19456"),
    ("Argon2PasswordHasher", {**ARGON2, "time_cost": 1}, "time_cost 2"),
    ("Argon2PasswordHasher", {**ARGON2, "parallelism": 0}, "parallelism 1"),
    ("Argon2PasswordHasher", {**ARGON2, "memory_cost": "1G"}, "memory_cost 19456"),
    ("PBKDF2PasswordHasher", {"iterations": 599_999}, "600000 iterations of sha256"),
    (
        "PBKDF2PasswordHasher",
        {"iterations": 209_999, "digest": hashlib.sha512},
        "210000 iterations of sha512",
    ),
    ("PBKDF2PasswordHasher", {"digest": None}, "600000 iterations of sha256"),
    ("PBKDF2SHA1PasswordHasher", {}, "600000 iterations of sha256"),
    ("ScryptPasswordHasher", {**SCRYPT, "work_factor": 2**13}, "work_factor 16384"),
    ("ScryptPasswordHasher", {**SCRYPT, "block_size": 7}, "block_size 8"),
    ("ScryptPasswordHasher", {**SCRYPT, "parallelism": 4}, "parallelism 5"),
    ("BCryptSHA256PasswordHasher", {"rounds": 9}, "10 rounds"),
]


@pytest.mark.parametrize(("base", "values"), ENOUGH)
def test_enough(base: str, values: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    assert ids(**first(monkeypatch, getattr(hashers, base), "OwnHasher", **values)) == []


@pytest.mark.parametrize(("base", "values", "wanted"), TOO_LITTLE)
def test_too_little(
    base: str, values: dict[str, Any], wanted: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    message = only(**first(monkeypatch, getattr(hashers, base), "OwnHasher", **values))
    assert (message.id, message.level) == ("credfirewall.W014", WARNING)
    assert wanted in message.msg


def test_asvs_asks_more_of_scrypt() -> None:
    """Django's own parameters pass the Cheat Sheet and fail ASVS, appendix C."""
    scrypt = {"PASSWORD_HASHERS": [f"{DJANGO}.ScryptPasswordHasher"]}
    message = only({"PROFILE": "asvs"}, **scrypt)
    assert message.id == "credfirewall.W014"
    assert "work_factor 32768, block_size 8, parallelism 3" in message.msg


def test_asvs_accepts_stronger_scrypt(monkeypatch: pytest.MonkeyPatch) -> None:
    values = {"work_factor": 2**15, "parallelism": 3}
    changes = first(monkeypatch, hashers.ScryptPasswordHasher, "OwnHasher", **values)
    assert ids({"PROFILE": "asvs"}, **changes) == []
