"""A password made for one test run, and every form in which it could come to light."""

import base64
import hashlib
import html
import json
import random
import re
import string
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from urllib.parse import quote, quote_plus

_random = random.SystemRandom()
AWKWARD = "% &<\"'\\+/"
"""Characters that some encoding writes differently."""
ACCENTED = unicodedata.normalize("NFD", "\u01fa\u00e9\u1e9b\u0323") + "\u00df\ufb01\u0130\N{KEY}"
"""Decomposed; changes under NFC and, in several ways, under case folding."""


class Canary:
    """``text`` is the password: words that nobody meets by accident, with ``joint`` between them.

    Half a canary still holds some words. The digests are those of the text as given and of its
    NFC form.
    """

    def __init__(self, words: Sequence[str], joint: str, tail: str = "") -> None:
        self.words, self.joint = words, joint
        self.text = joint.join(words) + tail

    @classmethod
    def make(cls, joint: str) -> "Canary":
        """Make one whose prefixes no number, address or word is mistaken for."""
        alphabet = string.ascii_letters + string.digits
        while True:
            words = ["".join(_random.choices(alphabet, k=12)) for _ in range(4)]
            canary = cls(words, joint)
            if all(re.search(r"[A-F].*[A-F]", prefix) for prefix in canary.prefixes) and all(
                re.search(r"\d.*\d", prefix) for prefix in canary.prefixes
            ):
                return canary

    def with_tail(self, tail: str) -> "Canary":
        """Return one that ends with ``tail``: too long, say, or not text at all."""
        return Canary(self.words, self.joint, tail)

    @cached_property
    def digests(self) -> list[bytes]:
        forms = {self.text, unicodedata.normalize("NFC", self.text)}
        utf8 = (form.encode(errors="surrogatepass") for form in sorted(forms))
        return [hashlib.sha1(form, usedforsecurity=False).digest() for form in utf8]

    @property
    def prefixes(self) -> list[str]:
        return [digest.hex().upper()[:5] for digest in self.digests]

    @cached_property
    def passwords(self) -> dict[str, str]:
        """Forms of the password, in any case of letters."""
        text = self.joint.join(self.words)
        return {
            "raw": text,
            "nfc": unicodedata.normalize("NFC", text),
            "nfd": unicodedata.normalize("NFD", text),
            "casefolded": unicodedata.normalize("NFC", text).casefold(),
            "quoted": quote(text),
            "form": quote_plus(text),
            "repr": repr(text)[1:-1],
            "json": json.dumps(text)[1:-1],
            "html": html.escape(text),
            "hex": self.words[0].encode().hex(),
            **{f"word {n}": word for n, word in enumerate(self.words)},
            **{f"base64 +{n}": _base64(self.words[0].encode(), n) for n in range(3)},
            **{
                f"repr of {name}": repr(self.words[0].encode(name))[6:-5]
                for name in ("utf-16-le", "utf-16-be")
            },
        }

    @cached_property
    def hashes(self) -> dict[str, str]:
        """Forms of the digests, in any case of letters."""
        return {
            f"{name} {n}": form
            for n, digest in enumerate(self.digests)
            for name, form in {
                "sha1": digest.hex(),
                "suffix": digest.hex()[5:],
                "repr of sha1": repr(digest)[2:-1],
                "base64 of sha1": _base64(digest, 0),
            }.items()
        }

    @cached_property
    def bytes_forms(self) -> dict[str, bytes]:
        """What must not be seen in bytes besides the UTF-8 of the above."""
        wide = {name: self.words[0].encode(name) for name in ("utf-16-le", "utf-16-be")}
        return wide | {f"digest {n}": digest for n, digest in enumerate(self.digests)}

    def leaks(
        self, place: str | bytes, *, prefix: bool = False, password: bool = True
    ) -> Iterator[str]:
        """Yield what of this canary is in ``place``, with what surrounds it."""
        if isinstance(place, bytes):
            for found in self._in_bytes.finditer(place):
                yield repr(place[max(0, found.start() - 60) : found.end() + 60])
            place = place.decode("latin-1")
        lowered = _lowered(place)
        for name in ("hash", *["password"] * password, *["prefix"] * prefix):
            if not any(hint in lowered for hint in self._hints[name]):
                continue
            for match in self._in_text[name].finditer(place):
                yield place[max(0, match.start() - 60) : match.end() + 60]

    @cached_property
    def _hints(self) -> dict[str, set[str]]:
        """A piece of each form: a pattern looks for long, and where none of them is, in vain."""
        forms = {"password": self.passwords.values(), "hash": self.hashes.values()}
        return {
            name: {max(re.split(r"[^\x00-\x7f]+", _lowered(form)), key=len) for form in values}
            for name, values in {**forms, "prefix": self.prefixes}.items()
        }

    @cached_property
    def _in_text(self) -> dict[str, re.Pattern[str]]:
        prefixes = rf"(?:\b|%2F)(?:{'|'.join(self.prefixes)})\b"
        patterns = {
            "password": "|".join(map(re.escape, self.passwords.values())),
            "hash": "|".join(map(re.escape, self.hashes.values())),
            "prefix": prefixes,
        }
        return {name: re.compile(text, re.IGNORECASE) for name, text in patterns.items()}

    @cached_property
    def _in_bytes(self) -> re.Pattern[bytes]:
        return re.compile(b"|".join(map(re.escape, self.bytes_forms.values())))


def _lowered(text: str) -> str:
    """Lower case, with an ASCII letter for each that ``re.IGNORECASE`` takes for one."""
    return text.replace("\u0130", "i").lower().replace("\u0131", "i").replace("\u017f", "s")


def _base64(data: bytes, offset: int) -> str:
    """Return the digits that ``data`` alone decides, ``offset`` bytes into what is encoded."""
    encoded = base64.b64encode(bytes(offset) + data).decode()
    return encoded[-(-offset * 8 // 6) : (offset + len(data)) * 8 // 6]


def ascii_canary() -> Canary:
    return Canary.make(AWKWARD)


def accented_canary() -> Canary:
    return Canary.make(ACCENTED)


def leaks(
    canaries: Iterable[Canary],
    places: Iterable[str | bytes],
    *,
    prefix: bool = False,
    password: bool = True,
) -> list[str]:
    """What of any canary is in any of the places."""
    wanted = tuple(canaries)
    return [
        leak
        for place in places
        for canary in wanted
        for leak in canary.leaks(place, prefix=prefix, password=password)
    ]
