"""The watch sees what it is there to see: canaries set free on purpose."""

import asyncio
import base64
import logging
import pickle
import re
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from urllib.parse import quote_plus

import django
import pytest
from django.contrib.auth.models import User
from django.core.cache import caches
from django.core.cache.backends.base import BaseCache
from pytest_django import Settings

from credfirewall.screening.verdict import Status, Verdict
from tests.canary.detector import AWKWARD, Canary, accented_canary, ascii_canary
from tests.canary.watch import Watch, in_cache, in_database, pickled, report

CANARIES = {"ascii": ascii_canary(), "accented": accented_canary()}


@pytest.fixture(params=CANARIES)
def canary(request: pytest.FixtureRequest) -> Canary:
    return CANARIES[request.param]


@pytest.fixture
def watch(capsys: pytest.CaptureFixture[str], settings: Settings) -> Iterator[Watch]:
    settings.ADMINS = ["a@example.com"] if django.VERSION >= (6,) else [("A", "a@example.com")]
    with Watch(capsys) as watch:
        yield watch


class TestDetector:
    def test_every_form_is_found_in_text(self, canary: Canary) -> None:
        for name, form in (canary.passwords | canary.hashes).items():
            assert list(canary.leaks(f"before {form} after")), name
            assert list(canary.leaks(f"x{form.upper()}x{form.lower()}x")), name

    def test_every_form_is_found_in_bytes(self, canary: Canary) -> None:
        for name, form in canary.bytes_forms.items():
            assert list(canary.leaks(b"before" + form + b"after")), name
        for name, text in (canary.passwords | canary.hashes).items():
            assert list(canary.leaks(text.encode())), name

    @pytest.mark.parametrize(("letter", "odd"), ["i\u0130", "i\u0131", "k\u212a", "s\u017f"])
    def test_letters_that_case_makes_the_same_are_found(self, letter: str, odd: str) -> None:
        canary = Canary(["kiss7Kiss9SIKS"] * 4, AWKWARD)
        assert list(canary.leaks(canary.words[0].lower().replace(letter, odd)))

    @pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-le", "utf-16-be"])
    def test_encodings_are_found(self, canary: Canary, encoding: str) -> None:
        encoded = canary.text.encode(encoding)
        assert list(canary.leaks(encoded))
        assert list(canary.leaks(repr(encoded)))
        assert list(canary.leaks(encoded.hex())) or encoding != "utf-8"

    def test_base64_is_found_wherever_it_begins(self, canary: Canary) -> None:
        for before in range(4):
            encoded = base64.b64encode(b"x" * before + canary.text.encode())
            assert list(canary.leaks(encoded.decode()))
        assert list(canary.leaks(base64.b64encode(canary.digests[0]).decode()))

    def test_a_part_is_found(self, canary: Canary) -> None:
        assert list(canary.leaks(canary.text[:20]))
        assert list(canary.leaks(canary.text[-20:]))

    @pytest.mark.parametrize(
        "text", ["/range/{}", "'{}'", "{} ", "%2F{}", "prefix={}", "('{}',)", "GET /range/{} HTTP"]
    )
    def test_prefixes_are_found(self, canary: Canary, text: str) -> None:
        for prefix in canary.prefixes:
            for form in (prefix, prefix.lower()):
                assert list(canary.leaks(text.format(form), prefix=True))
                assert not list(canary.leaks(text.format(form)))
                assert list(canary.leaks(text.format(form).encode(), prefix=True))

    def test_two_forms_have_two_digests(self) -> None:
        assert len(CANARIES["accented"].prefixes) == 2
        assert len(CANARIES["ascii"].prefixes) == 1

    def test_nothing_is_found_elsewhere(self, canary: Canary) -> None:
        other = ascii_canary()
        places = [other.text, *other.prefixes, other.digests[0].hex(), __doc__ or "", "0" * 99]
        assert [list(canary.leaks(place, prefix=True)) for place in places] == [[]] * len(places)


def log_message(text: str) -> None:
    logging.getLogger("urllib3.anything").debug("a message with %s", text)


def log_argument(text: str) -> None:
    logging.getLogger("django.request").info("no place for %.1s", [text])


def log_added(text: str) -> None:
    logging.getLogger("asyncio").debug("more", extra={"seen": {"password": text}})


def log_variable(text: str) -> None:
    password = quote_plus(text)
    try:
        raise ValueError("nothing to see")
    except ValueError:
        logging.getLogger("django.dispatch").debug("failed", exc_info=True)
    del password


def log_context(text: str) -> None:
    try:
        try:
            raise LookupError(text)
        except LookupError:
            raise ValueError from None
    except ValueError:
        logging.getLogger("aiohttp.client").debug("failed", exc_info=True)


def log_in_new_logger(text: str) -> None:
    logging.getLogger(f"made.by.{__name__}.later").debug("%r", text.encode())


def warn(text: str) -> None:
    warnings.warn(f"watch out for {text}", ResourceWarning, stacklevel=1)


def warn_of_source(text: str) -> None:
    warnings.warn_explicit("unclosed", ResourceWarning, "file", 1, source=[text])


def print_out(text: str) -> None:
    sys.stdout.write(text)


def print_error(text: str) -> None:
    sys.stderr.write(text)


def die_in_thread(text: str) -> None:
    def fail() -> None:
        raise ValueError(text)

    thread = threading.Thread(target=fail)
    thread.start()
    thread.join()


def die_when_collected(text: str) -> None:
    class Fragile:
        def __del__(self) -> None:
            raise ValueError(text)

    Fragile()


def lose_in_loop(text: str) -> None:
    async def fail() -> None:
        future = asyncio.get_running_loop().create_future()
        future.set_exception(ValueError(text))

    asyncio.run(fail(), debug=True)


@pytest.mark.parametrize(
    "tell",
    [
        log_message, log_argument, log_added, log_variable, log_context, log_in_new_logger,
        warn, warn_of_source, print_out, print_error,
        die_in_thread, die_when_collected, lose_in_loop,
    ],
)  # fmt: skip
def test_what_gets_out_is_seen(watch: Watch, canary: Canary, tell: Callable[[str], None]) -> None:
    assert watch.leaks(canary) == []
    tell(canary.text)
    assert watch.leaks(canary)


def test_error_mails_are_seen(watch: Watch, canary: Canary) -> None:
    def fail(harmless: str) -> None:
        raise ValueError("nothing to see")

    try:
        fail(canary.text)
    except ValueError:
        logging.getLogger("django.request").exception("failed")
    assert any(list(canary.leaks(mailed)) for mailed in watch.mailed)


def test_reports_are_seen(canary: Canary) -> None:
    def fail() -> None:
        raise ValueError(canary.text)

    with pytest.raises(ValueError, match=re.escape(canary.text)) as error:
        fail()
    assert list(canary.leaks(report(error.value)))


@pytest.mark.django_db
def test_the_database_is_seen(canary: Canary) -> None:
    assert all(not list(canary.leaks(row)) for row in in_database())
    User.objects.create(username="somebody", first_name=canary.text)
    assert any(list(canary.leaks(row)) for row in in_database())


def check_cache(cache: BaseCache, canary: Canary) -> None:
    assert list(in_cache(cache)) == []
    cache.set(f"key-{canary.prefixes[0]}", 1)
    assert any(list(canary.leaks(place, prefix=True)) for place in in_cache(cache))
    cache.clear()
    cache.set("key", {"seen": canary.text})
    assert any(list(canary.leaks(place)) for place in in_cache(cache))


def test_a_cache_in_memory_is_seen(canary: Canary) -> None:
    check_cache(caches["default"], canary)


def test_a_shared_cache_is_seen(canary: Canary, valkey_cache: BaseCache) -> None:
    check_cache(valkey_cache, canary)


def test_pickles_are_seen(canary: Canary) -> None:
    assert list(canary.leaks(pickled(Verdict(Status.UNKNOWN, reason=canary.text))))
    assert pickle.loads(pickled(7)) == 7
