"""What is looked up of a password, in which forms, and what cannot be a password."""

import hashlib
import unicodedata
from typing import Any

import pytest
from django.core.cache import cache
from hypothesis import given
from hypothesis import strategies as st

from credfirewall.exceptions import PasswordNotText, PasswordTooLong, UnusablePassword
from credfirewall.screening import Status, Verdict
from credfirewall.screening.digest import MAX_CODE_POINTS, Candidate, Digest, fold, is_text
from credfirewall.testing import faults
from credfirewall.testing.server import RangeServer
from tests.screening.asking import BREACHED, CLEAN, Check
from tests.screening.conftest import Configure

COMPOSED, DECOMPOSED = (unicodedata.normalize(form, "pässwörd") for form in ("NFC", "NFD"))
HALVES = ["\ud800", "a\udfff", "\udc80b", "c\ud83d", "\ude00\ud83d", "\ud83d\ude00"]
"""Surrogates: alone, in the wrong order, and in the right one, which Python does not join."""
TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"))


def sha1(text: str) -> str:
    return hashlib.sha1(text.encode()).hexdigest().upper()


def hashes(candidate: Candidate) -> list[str]:
    return [digest.prefix + digest.suffix for digest in candidate.digests]


class TestForms:
    def test_a_known_digest(self) -> None:
        digest = Digest.of("password")
        assert (digest.prefix, digest.suffix) == ("5BAA6", "1E4C9B93F3F0682250B6CF8331B7EE68FD8")

    @pytest.mark.parametrize("password", ["", " ", "hunter2", "a" * 4096, COMPOSED, "パスワード"])
    def test_what_is_in_nfc_has_one_form(self, password: str) -> None:
        assert hashes(Candidate.of(password)) == [sha1(password)]

    def test_what_is_not_has_two_and_its_own_comes_first(self) -> None:
        assert hashes(Candidate.of(DECOMPOSED)) == [sha1(DECOMPOSED), sha1(COMPOSED)]

    @given(password=TEXT)
    def test_any_text_is_hashed_as_received(self, password: str) -> None:
        normal = unicodedata.normalize("NFC", password)
        assert hashes(Candidate.of(password)) == list(dict.fromkeys([sha1(password), sha1(normal)]))

    @given(password=TEXT)
    def test_folding_is_stable_whatever_the_form_and_case(self, password: str) -> None:
        folded = Candidate.of(password).folded
        assert folded == fold(password) == fold(folded)
        assert folded == Candidate.of(unicodedata.normalize("NFD", password)).folded

    def test_folding(self) -> None:
        assert [fold(each) for each in ("HUNTER", "Straße", "ÄRGER")] == [
            "hunter",
            "strasse",
            "ärger",
        ]

    def test_sha1_is_named_as_no_protection(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A machine in FIPS mode has no SHA-1 for security."""
        real, asked = hashlib.sha1, []

        def strict(data: bytes, *, usedforsecurity: bool = True) -> Any:
            asked.append(usedforsecurity)
            return real(data)

        monkeypatch.setattr(hashlib, "sha1", strict)
        Digest.of("hunter2")
        assert asked == [False]

    def test_nothing_shows_in_a_repr(self) -> None:
        assert repr(Candidate.of("hunter2")) == "Candidate()"
        assert repr(Digest.of("hunter2")) == "Digest()"


class TestUnusable:
    @pytest.mark.parametrize("password", [*HALVES, "\0", "hunter2\0", "ä\0"], ids=ascii)
    def test_half_a_character_or_none(
        self, password: str, check: Check, configure: Configure
    ) -> None:
        assert not is_text(password)
        with pytest.raises(PasswordNotText) as caught:
            check(password)
        assert caught.value.code == "password_not_text"
        assert isinstance(caught.value, UnusablePassword)
        assert caught.value.__cause__ is caught.value.__context__ is None

    @pytest.mark.parametrize("password", [None, b"hunter2", 2222222, ["hunter2"]], ids=ascii)
    def test_what_is_no_string(self, password: Any, check: Check, hibp: RangeServer) -> None:
        with pytest.raises(TypeError) as caught:
            check(password)
        name = type(password).__name__
        assert str(caught.value) == f"a password must be a string, not {name}"
        assert caught.value.__cause__ is caught.value.__context__ is None
        assert hibp.count == 0

    @pytest.mark.parametrize("character", ["a", "ä", "😀"])
    def test_length_is_that_of_code_points(
        self, character: str, check: Check, hibp: RangeServer
    ) -> None:
        assert check(character * MAX_CODE_POINTS) == CLEAN
        asked = hibp.count
        with pytest.raises(PasswordTooLong) as caught:
            check(character * (MAX_CODE_POINTS + 1))
        assert (caught.value.code, hibp.count) == ("password_too_long", asked)
        assert character * 2 not in repr(caught.value)

    def test_the_longest_is_not_cut(self, check: Check, hibp: RangeServer) -> None:
        hibp.add({"a" * 4096: 9})
        assert check("a" * 4096) == Verdict(Status.BREACHED, 9, "hibp")
        assert check("a" * 4095 + "b") == CLEAN

    def test_whitespace_is_part_of_it(self, check: Check, hibp: RangeServer) -> None:
        assert check("hunter2") == BREACHED
        assert [check(each) for each in (" hunter2", "hunter2 ", "hunter2\n")] == [CLEAN] * 3


class TestEitherForm:
    """A breach may hold a password as it was typed, or normalised."""

    @pytest.mark.parametrize("known", [COMPOSED, DECOMPOSED], ids=["NFC", "NFD"])
    def test_a_decomposed_password_is_found_in_both(
        self, check: Check, hibp: RangeServer, known: str
    ) -> None:
        hibp.add({known: 17})
        assert check(DECOMPOSED) == BREACHED

    @pytest.mark.parametrize("typed", [COMPOSED, DECOMPOSED], ids=["NFC", "NFD"])
    def test_both_typings_get_the_same_verdict(
        self, check: Check, hibp: RangeServer, typed: str
    ) -> None:
        assert check(typed) == CLEAN
        hibp.add({COMPOSED: 17})
        cache.clear()
        assert check(typed) == BREACHED

    def test_known_in_both_forms_either_count_is_enough(
        self, check: Check, hibp: RangeServer, configure: Configure
    ) -> None:
        hibp.add({DECOMPOSED: 2, COMPOSED: 17})
        assert check(DECOMPOSED) == Verdict(Status.BREACHED, 2, "hibp")
        configure(MIN_COUNT=3)
        assert check(DECOMPOSED) == BREACHED

    def test_no_answer_for_one_form_is_no_answer(self, check: Check, hibp: RangeServer) -> None:
        hibp.faults([None, faults.Status(503)])
        assert check(DECOMPOSED) == Verdict(Status.UNKNOWN, None, None, "http_server_error")
