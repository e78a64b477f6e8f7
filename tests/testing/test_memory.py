"""Within ``breached`` and ``unknown``, screening answers from memory and asks nobody."""

import asyncio
import unicodedata
import unittest
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.test import override_settings

from credfirewall.screening import Status, Verdict, ascreen, screen
from credfirewall.screening.sources import Source
from credfirewall.testing import MemorySource, breached, unknown
from credfirewall.testing.memory import BreachedPasswords
from credfirewall.testing.server import RangeServer
from credfirewall.validators import BlocklistValidator

CLEAN = Verdict(Status.CLEAN, 0, "memory")
LONG = "correct horse battery staple"


def current() -> object:
    return getattr(settings, "CREDFIREWALL", None)


def seen(count: int) -> Verdict:
    return Verdict(Status.BREACHED, count, "memory")


@pytest.fixture
def upstream() -> Iterator[RangeServer]:
    """Where the settings point, and where no question may arrive."""
    with (
        RangeServer({"hunter2": 17}) as server,
        override_settings(CREDFIREWALL={"SOURCES": ["hibp"], "HIBP_URL": server.url}),
    ):
        yield server


class TestBreached:
    def test_what_is_marked_is_breached_and_all_else_is_clean(self, upstream: RangeServer) -> None:
        with breached({"swordfish": 3}):
            assert screen("swordfish") == seen(3)
            assert screen("hunter2") == CLEAN
        assert upstream.count == 0
        assert screen("hunter2").source == "hibp"

    @pytest.mark.parametrize("passwords", ["a", ["a", "b"], {"a"}, iter(["a"]), {"a": 1}])
    def test_passwords_come_in_many_forms(self, passwords: "list[str]") -> None:
        with breached(passwords):
            assert screen("a") == seen(1)

    def test_more_can_be_added(self) -> None:
        with breached() as passwords:
            assert screen("a") == CLEAN
            passwords.add("a", count=4)
            passwords.add({"b": 5})
            assert [screen("a"), screen("b")] == [seen(4), seen(5)]

    def test_either_form_of_an_accent_is_found(self) -> None:
        composed, decomposed = (unicodedata.normalize(form, "pässword") for form in ("NFC", "NFD"))
        with breached({composed: 2}):
            assert screen(decomposed) == screen(composed) == seen(2)

    @pytest.mark.parametrize("passwords", [{"a": 0}, {"a": -1}])
    def test_a_count_below_one_is_a_mistake(self, passwords: dict[str, int]) -> None:
        with pytest.raises(ValueError, match="at least once"):
            breached(passwords)

    @pytest.mark.parametrize("mark", [breached, unknown])
    def test_without_its_brackets_it_is_a_mistake(self, mark: Callable[[object], object]) -> None:
        def function() -> None: ...

        class Tests(unittest.TestCase): ...

        for decorated in (function, Tests):
            with pytest.raises(TypeError, match=rf"as @{mark.__name__}\(\.\.\.\), in brackets"):
                mark(decorated)

    @pytest.mark.parametrize("passwords", [5, None, b"hunter2"], ids=ascii)
    def test_what_is_no_password_is_a_mistake(self, passwords: Any) -> None:
        match = f"strings or a mapping with counts, not {type(passwords).__name__}$"
        with pytest.raises(TypeError, match=match):
            breached(passwords)
        with breached() as marked, pytest.raises(TypeError, match=match):
            marked.add(passwords)

    def test_within_it_the_validator_that_asks_nobody_has_its_own_lists(self) -> None:
        with breached("seven umbrellas never sing"):
            BlocklistValidator().validate("seven umbrellas never sing")
            assert screen("password") == CLEAN
            with pytest.raises(ValidationError):
                BlocklistValidator().validate("password")

    def test_a_validator_refuses(self) -> None:
        with breached(LONG), pytest.raises(ValidationError):
            validate_password(LONG)
        with breached():
            validate_password(LONG)


class TestSettings:
    def test_all_but_the_sources_stay(self, upstream: RangeServer) -> None:
        before = current()
        with breached():
            assert current() == {
                "SOURCES": ["credfirewall.testing.MemorySource"],
                "HIBP_URL": upstream.url,
            }
        assert current() is before

    @override_settings(CREDFIREWALL={"MIN_COUNT": 5})
    def test_a_threshold_holds(self) -> None:
        with breached({"a": 4, "b": 5}):
            assert screen("a").status is Status.CLEAN
            assert screen("b") == seen(5)

    @override_settings()
    def test_a_project_without_settings(self) -> None:
        if current() is not None:
            delattr(settings, "CREDFIREWALL")
        with breached("a"):
            assert screen("a") == seen(1)
        assert not hasattr(settings, "CREDFIREWALL")

    def test_they_come_back_after_an_error(self, upstream: RangeServer) -> None:
        before = current()
        with pytest.raises(LookupError), breached("a"):
            raise LookupError
        assert current() is before

    @override_settings(CREDFIREWALL={"SOURCES": ["credfirewall.testing.MemorySource"]})
    def test_the_source_alone_calls_everything_clean(self) -> None:
        assert screen("hunter2") == CLEAN
        with breached("hunter2"):
            assert screen("hunter2") == seen(1)
        assert screen("hunter2") == CLEAN

    def test_the_source_is_one_that_can_say_clean(self) -> None:
        assert isinstance(MemorySource(), Source)
        assert MemorySource.authoritative


class TestUnknown:
    def test_nothing_can_be_told(self, upstream: RangeServer) -> None:
        with unknown():
            assert screen("hunter2") == Verdict(Status.UNKNOWN, reason="connect")
        with unknown("timeout"):
            assert screen("hunter2") == Verdict(Status.UNKNOWN, reason="timeout")
        assert upstream.count == 0

    def test_a_reason_is_a_word(self) -> None:
        with pytest.raises(TypeError, match=r"a reason must be a string, not int$"):
            unknown(5)  # type: ignore[arg-type]  # that is the point

    @pytest.mark.parametrize("policy", ["allow", "reject"])
    def test_the_policy_decides(self, policy: str) -> None:
        with override_settings(CREDFIREWALL={"ON_UNKNOWN": policy}), unknown():
            if policy == "allow":
                validate_password(LONG)
            else:
                with pytest.raises(ValidationError):
                    validate_password(LONG)

    def test_an_outage_that_ends(self) -> None:
        with unknown() as passwords:
            passwords.add("a")
            passwords.available()
            assert [screen("a"), screen("b")] == [seen(1), CLEAN]

    def test_an_outage_in_the_middle(self) -> None:
        with breached("a") as passwords:
            passwords.unavailable("dns")
            assert screen("a") == Verdict(Status.UNKNOWN, reason="dns")
            passwords.available()
            assert screen("a") == seen(1)


class TestNesting:
    def test_the_inner_one_adds_to_the_outer(self) -> None:
        with breached({"a": 1, "b": 1}) as outer:
            with breached({"b": 2, "c": 2}):
                assert [screen(each) for each in "abcd"] == [seen(1), seen(2), seen(2), CLEAN]
                outer.add("d")
                assert screen("d") == seen(1)
            assert [screen(each) for each in "abcd"] == [seen(1), seen(1), CLEAN, seen(1)]

    def test_the_innermost_decides_whether_there_is_an_answer(self) -> None:
        with breached("a"), unknown():
            assert screen("a").status is Status.UNKNOWN
            with breached("b"):
                assert [screen("a"), screen("b")] == [seen(1), seen(1)]
            assert screen("a").status is Status.UNKNOWN

    def test_one_can_be_used_again_and_within_itself(self) -> None:
        mark = breached("a")
        for _ in range(2):
            with mark, mark as inner:
                inner.add("b")
                assert [screen("a"), screen("b")] == [seen(1), seen(1)]
            with mark:
                assert screen("b") == CLEAN


class TestDecorator:
    def test_a_function(self) -> None:
        @breached({"a": 2})
        def verdict(password: str) -> Verdict:
            return screen(password)

        assert [verdict("a"), verdict("b")] == [seen(2), CLEAN]

    def test_a_coroutine_function(self) -> None:
        @breached({"a": 2})
        async def verdict(password: str) -> Verdict:
            return await ascreen(password)

        assert asyncio.run(verdict("a")) == seen(2)

    def test_a_test_class(self) -> None:
        @breached("a")
        class Tests(unittest.TestCase):
            def setUp(self) -> None:
                assert screen("a") == seen(1)

            def test_one(self) -> None:
                assert screen("a") == seen(1)

            @breached("b")
            def test_more(self) -> None:
                assert [screen("a"), screen("b")] == [seen(1), seen(1)]

            @unknown()
            def test_outage(self) -> None:
                assert screen("a").status is Status.UNKNOWN

        before = current()
        result = unittest.TestResult()
        unittest.defaultTestLoader.loadTestsFromTestCase(Tests).run(result)
        assert (result.testsRun, result.failures, result.errors) == (3, [], [])
        assert current() is before


class TestEverywhere:
    def test_threads_see_it(self) -> None:
        with breached("a") as passwords, ThreadPoolExecutor(4) as pool:
            assert set(pool.map(screen, ["a"] * 20)) == {seen(1)}
            pool.submit(passwords.add, "b").result()
            assert screen("b") == seen(1)

    def test_async_code_sees_it(self, upstream: RangeServer) -> None:
        async def verdicts() -> list[Verdict]:
            return await asyncio.gather(*(ascreen(each) for each in "ab"))

        with breached("a"):
            assert asyncio.run(verdicts()) == [seen(1), CLEAN]
        with unknown("busy"):
            assert asyncio.run(verdicts()) == [Verdict(Status.UNKNOWN, reason="busy")] * 2
        assert upstream.count == 0


def test_a_repr_shows_no_password() -> None:
    mark = breached({"swordfish": 3})
    with mark as passwords:
        passwords.add("hunter2")
        shown = repr([mark, passwords, MemorySource(), BreachedPasswords(passwords)])
    for secret in ("swordfish", "hunter2", "F3BBB"):
        assert secret not in shown
