"""The check of PASSWORD_HASHERS: part of ``check --deploy``, because tests use fast hashers."""

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from django.conf import settings
from django.contrib.auth import hashers as known
from django.core.checks import Error, Warning  # noqa: A004 - Django's names

from credfirewall.checking import Messages, load
from credfirewall.passwords import profiles

FAST = re.compile(r"(?!.*pbkdf2).*(md5|sha_?1|unsalted|plain)", re.IGNORECASE)

PBKDF2_ITERATIONS: Mapping[str, int] = {"sha256": 600_000, "sha512": 210_000}
ARGON2 = {"memory_cost": 19_456, "time_cost": 2, "parallelism": 1}
BCRYPT_ROUNDS = 10
SCRYPT_BLOCK_SIZE = 8
SCRYPT = {2**17: 1, 2**16: 2, 2**15: 3, 2**14: 5}
"""Work factors with the parallelism that each needs."""

INSTEAD = (
    'Put "django.contrib.auth.hashers.Argon2PasswordHasher" (it needs argon2-cffi) or '
    '"django.contrib.auth.hashers.PBKDF2PasswordHasher" first, with Django\'s parameters or '
    "stronger ones, and leave the others after it: old hashes still verify, and are replaced as "
    "people sign in."
)


def check_hashers(**_: Any) -> Messages:
    """New passwords are stored slowly hashed (ASVS 11.4.2, OWASP Password Storage Cheat Sheet)."""
    paths: object = settings.PASSWORD_HASHERS
    path = paths[0] if isinstance(paths, Sequence) and paths else None
    try:
        hasher: Any = load(path)
        hasher = hasher()
        name = f"{type(hasher).__name__} {hasher.algorithm}"
    except Exception:  # noqa: BLE001 - anything may come out of a host's code
        hasher, name = None, ""
    begins = f"PASSWORD_HASHERS begins with {path!r}"
    yield from _judge(hasher, name, begins)


def _judge(hasher: Any, name: str, begins: str) -> Messages:
    if FAST.match(name):
        yield Error(
            f"{begins}, a fast hash: who copies the database finds most passwords within hours.",
            hint=INSTEAD,
            id="credfirewall.E015",
        )
    elif isinstance(hasher, known.BCryptSHA256PasswordHasher) and hasher.digest is None:
        yield Warning(
            f"{begins}, which looks at the first 72 bytes of a password at most.",
            hint='Put "django.contrib.auth.hashers.BCryptSHA256PasswordHasher" first: every byte '
            "counts there (NIST SP 800-63B-4 3.1.1.2, ASVS 6.2.8).",
            id="credfirewall.W012",
        )
    else:
        yield from _judge_cost(hasher, begins)


def _judge_cost(hasher: Any, begins: str) -> Messages:
    wanted = _wanted(hasher)
    if wanted is None:
        yield Warning(
            f"{begins}, which is none of the Argon2id, scrypt, bcrypt and PBKDF2 of Django.",
            hint=f"{INSTEAD} If you know it to be as slow, silence this check.",
            id="credfirewall.W013",
        )
    elif wanted:
        yield Warning(
            f"{begins}, with parameters that are cheap to attack: use at least {wanted}.",
            hint=INSTEAD,
            id="credfirewall.W014",
        )


def _wanted(hasher: Any) -> str | None:
    """Return what a known hasher lacks ("" for nothing), and None for an unknown one."""
    if isinstance(hasher, known.Argon2PasswordHasher):
        enough = all(_at_least(getattr(hasher, name), least) for name, least in ARGON2.items())
        return "" if enough else ", ".join(f"{name} {least}" for name, least in ARGON2.items())
    if isinstance(hasher, known.PBKDF2PasswordHasher):
        digest = _digest_name(hasher)
        if _at_least(hasher.iterations, PBKDF2_ITERATIONS.get(digest, math.inf)):
            return ""
        wanted = digest if digest in PBKDF2_ITERATIONS else "sha256"
        return f"{PBKDF2_ITERATIONS[wanted]} iterations of {wanted}"
    if isinstance(hasher, known.ScryptPasswordHasher):
        return _wanted_of_scrypt(hasher)
    if isinstance(hasher, known.BCryptSHA256PasswordHasher):
        return "" if _at_least(hasher.rounds, BCRYPT_ROUNDS) else f"{BCRYPT_ROUNDS} rounds"
    return None


def _wanted_of_scrypt(hasher: Any) -> str:
    least = profiles.active().scrypt_cost  # ASVS, appendix C, asks for more than the Cheat Sheet
    enough = _at_least(hasher.block_size, SCRYPT_BLOCK_SIZE) and any(
        factor >= least
        and _at_least(hasher.work_factor, factor)
        and _at_least(hasher.parallelism, parallelism)
        for factor, parallelism in SCRYPT.items()
    )
    settled = f"work_factor {least}, block_size {SCRYPT_BLOCK_SIZE}, parallelism {SCRYPT[least]}"
    return "" if enough else settled


def _digest_name(hasher: Any) -> str:
    try:
        return str(hasher.digest().name)
    except Exception:  # noqa: BLE001 - anything may come out of a host's code
        return ""


def _at_least(value: object, least: float) -> bool:
    return isinstance(value, int) and value >= least
