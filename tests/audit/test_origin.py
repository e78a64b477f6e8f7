"""Who acts, and where what waits belongs."""

import contextvars
import threading

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.test import RequestFactory
from pytest_django import Settings

from credfirewall.audit import origin
from credfirewall.audit.events import ANONYMOUS, NOBODY, Party
from credfirewall.audit.origin import Origin, acting, current
from tests.audit.recording import outside_of_a_test


def made(**headers: str) -> Origin:
    return Origin.of_request(RequestFactory().get("/", headers=headers))


class TestOfARequest:
    def test_its_user_is_asked_for_when_something_happens(self) -> None:
        request = RequestFactory().get("/")
        where = Origin.of_request(request)
        assert where.actor() == ANONYMOUS
        request.user = AnonymousUser()
        assert where.actor() == ANONYMOUS
        request.user = User(pk=5, username="dana")  # who has just signed in
        assert where.actor() == Party("user", "5", "dana")

    def test_the_address_is_the_client_s(self, settings: Settings) -> None:
        assert str(made(x_forwarded_for="198.51.100.1").address) == "127.0.0.1"
        settings.CREDFIREWALL = {"TRUSTED_PROXIES": 1}
        assert str(made(x_forwarded_for="6.6.6.6, 198.51.100.1").address) == "198.51.100.1"

    def test_its_text_is_bounded_and_on_one_line(self) -> None:
        where = made(user_agent="a\r\nb\0\u2028" + "c" * 10_000_000, x_request_id="\n" * 65)
        assert where.user_agent == "a\ufffd\ufffdb\ufffd\ufffd" + "c" * 250
        assert where.request_id == "\ufffd" * 64

    @pytest.mark.parametrize(
        ("headers", "identifier"),
        [
            ({}, ""),
            ({"x_request_id": "r"}, "r"),
            ({"x_correlation_id": "c"}, "c"),
            ({"x_request_id": "r", "x_correlation_id": "c"}, "r"),
            ({"x_request_id": "", "x_correlation_id": "c"}, "c"),
        ],
    )
    def test_the_request_s_id(self, headers: dict[str, str], identifier: str) -> None:
        assert made(**headers).request_id == identifier

    def test_without_headers(self) -> None:
        where = Origin.of_meta({}, origin.nobody)
        assert (where.address, where.user_agent, where.request_id) == (None, "", "")


class TestActing:
    def test_it_ends_with_its_block_and_one_is_within_another(self) -> None:
        outer, inner = Origin(origin.nobody), origin.command("seal_audit")
        assert current() is None
        with acting(outer):
            with pytest.raises(KeyError), acting(inner):
                assert current() is inner
                assert inner.actor() == Party("command", "seal_audit")
                raise KeyError
            assert current() is outer
            assert outer.actor() == NOBODY
        assert current() is None

    def test_threads_and_contexts_know_nothing_of_each_other(self) -> None:
        seen: list[object] = []
        with acting(Origin(origin.nobody)) as where:
            thread = threading.Thread(target=lambda: seen.append(current()))
            thread.start()
            thread.join()
            contextvars.Context().run(lambda: seen.append(current()))
            assert current() is where
        assert seen == [None, None]


class TestWhatWaits:
    def test_belongs_to_the_origin_and_then_to_what_is_around_it(self) -> None:
        with acting(Origin(origin.nobody)) as outer:
            with acting(Origin(origin.nobody)):
                waiting = origin.pending()
                assert waiting is not None
                waiting.append("draft")
                assert outer.pending == []
            assert outer.pending == ["draft"]
            with acting(outer):  # once more, as a response does that streams
                assert origin.pending() is outer.pending
            assert outer.pending == ["draft"]

    def test_belongs_to_the_thread_without_one(self) -> None:
        with outside_of_a_test():
            with acting(Origin(origin.nobody)) as where:
                where.pending.append("draft")
            left = origin.pending()
            assert left == ["draft"] and where.pending == []
            left.clear()

    def test_is_not_left_to_the_next_test(self) -> None:
        with acting(Origin(origin.nobody)) as where:
            where.pending.append("draft")
        assert origin.pending() is None

    def test_is_bounded(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(origin, "MOST_PENDING", 3)
        with acting(Origin(origin.nobody)) as outer:
            outer.pending += ["a", "b"]
            with acting(Origin(origin.nobody)) as inner:
                inner.pending += ["c", "d"]
            assert outer.pending == ["a", "b", "c"]
            with acting(Origin(origin.nobody)) as inner:
                inner.pending += ["e"]
            assert outer.pending == ["a", "b", "c"]
