"""From a password to what may be looked up: digest forms and folded text. Pure.

Nothing here shows a password or a digest in its ``repr``, because frames end up in tracebacks, and
nothing can be pickled into a cache or a queue.
"""

import hashlib
import re
import unicodedata
from dataclasses import dataclass, field
from typing import NoReturn

from credfirewall.exceptions import PasswordNotText, PasswordTooLong

MAX_CODE_POINTS = 4096
PREFIX_LENGTH = 5
_SURROGATE = re.compile("[\ud800-\udfff]")


class _Kept:
    """Stays in this process."""

    __slots__ = ()

    def __reduce__(self) -> NoReturn:
        raise TypeError(f"a {type(self).__name__} stands for a password and cannot be pickled")


@dataclass(frozen=True, slots=True)
class Digest(_Kept):
    """An upper-case hexadecimal SHA-1, cut where the range API cuts it (k-anonymity)."""

    prefix: str = field(repr=False)
    suffix: str = field(repr=False)

    @classmethod
    def of(cls, text: str) -> "Digest":
        # SHA-1 is the corpus's index, not a protection (ASVS 11.4.1).
        digest = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest().upper()
        return cls(digest[:PREFIX_LENGTH], digest[PREFIX_LENGTH:])


@dataclass(frozen=True, slots=True)
class Candidate(_Kept):
    """A password on its way through the sources.

    ``digests``  of the text as given and, where that differs, of its NFC form: breaches hold
                 either one (NIST SP 800-63B-4 3.1.1.2 normalises, ASVS 6.2.8 takes it as received).
    ``folded``   NFC and case-folded, for lists of words.
    """

    digests: tuple[Digest, ...] = field(repr=False)
    folded: str = field(repr=False)

    @classmethod
    def of(cls, password: str) -> "Candidate":
        """Prepare ``password``. Raises PasswordTooLong, PasswordNotText or TypeError."""
        if not isinstance(password, str):
            raise TypeError(f"a password must be a string, not {type(password).__name__}")
        if len(password) > MAX_CODE_POINTS:
            raise PasswordTooLong(f"longer than {MAX_CODE_POINTS} code points")
        if not is_text(password):
            raise PasswordNotText("holds a lone surrogate or a NUL")
        if password.isascii():  # most are, and then all forms are one
            return cls((Digest.of(password),), password.lower())
        normal = normalize(password)
        forms = (password,) if normal == password else (password, normal)
        return cls(tuple(map(Digest.of, forms)), fold(normal))


def is_text(value: str) -> bool:
    """Whether ``value`` has a UTF-8 form, as lone surrogates have not, and holds no NUL.

    Django's form fields refuse NUL, and PostgreSQL cannot store it.
    """
    return "\0" not in value and (value.isascii() or not _SURROGATE.search(value))


def normalize(value: str) -> str:
    """Return the NFC form, in which length is counted and words are compared."""
    return unicodedata.normalize("NFC", value)


def fold(value: str) -> str:
    """Return ``value`` as word lists compare it: NFC, case-folded, NFC again.

    Folding can take a string out of NFC (U+0345 is one case), hence the second pass.
    """
    return normalize(normalize(value).casefold())
