"""Recording: an act and its record stand or fall together, and a refusal is never lost."""

import asyncio
import json
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import User
from django.core.exceptions import SynchronousOnlyOperation
from django.db import Error, IntegrityError, connection, transaction
from django.http import HttpRequest, HttpResponse
from django.test import Client, TestCase
from django.urls import path
from pytest_django import DjangoCaptureOnCommitCallbacks, Settings

from credfirewall.audit import chain, origin, record, services
from credfirewall.audit.events import Code, KeyRotated, LimitHit, LoginRefused, Party, PolicyChecked
from credfirewall.audit.handlers import JSONLinesFormatter
from credfirewall.audit.keys import AuditKey, ring
from credfirewall.audit.models import AuditEvent, AuditIdentity
from credfirewall.audit.origin import Origin
from credfirewall.audit.rows import COLUMNS, is_authentic
from credfirewall.audit.services import arecord, flush, forget_identities, later
from credfirewall.audit.verifying import verify
from credfirewall.exceptions import AuditIsAppendOnly, AuditUnavailable
from tests.audit.recording import (
    Heard,
    cut_off,
    events,
    no_seals,
    no_table,
    outside_of_a_test,
    refusing_trigger,
)

DONE = PolicyChecked(acceptable=True, violations=(), breach=Code("clean"))
REFUSED = LoginRefused(reason=Code("exposed"))
LIMIT = LimitHit(rate=Code("check"))
VITAL = KeyRotated(ring=Code("DELIVERY_KEYS"), key=Code("2026-11"))
ATOMIC = "for the whole request"

Breaking = Callable[[], AbstractContextManager[None]]
broken_ways = pytest.mark.parametrize("breaking", [no_table, no_seals, refusing_trigger])
really = pytest.mark.django_db(transaction=True)


class Undone(Exception):
    """Rolls a transaction back."""


def rolled_back(*recorded: Any) -> None:
    with pytest.raises(Undone), transaction.atomic():
        for event in recorded:
            record(event)
        raise Undone


def sound() -> bool:
    """Whether the log verifies; triggers are for production."""
    return not [each for each in verify().findings if each.fault != "trigger_missing"]


@pytest.fixture
def raising(settings: Settings) -> None:
    settings.CREDFIREWALL = {**settings.CREDFIREWALL, "AUDIT_ON_FAILURE": "raise"}


# Views


def refuse_and_fail(request: HttpRequest) -> HttpResponse:
    User.objects.create(username="never")
    record(REFUSED, request=request)
    record(DONE)
    raise Undone


def refuse_in_a_block(request: HttpRequest) -> HttpResponse:
    rolled_back(DONE, REFUSED)
    return HttpResponse()


def refuse_in_a_savepoint(request: HttpRequest) -> HttpResponse:
    with transaction.atomic():
        record(DONE)
        rolled_back(REFUSED)
        User.objects.create(username="kept")
    return HttpResponse()


def refuse_and_commit(request: HttpRequest) -> HttpResponse:
    with transaction.atomic():
        record(REFUSED)
    return HttpResponse()


def refuse_in_pieces(request: HttpRequest) -> HttpResponse:
    with pytest.raises(IntegrityError), transaction.atomic():
        User.objects.create(username="twice")
        try:
            User.objects.create(username="twice")
        finally:
            record(REFUSED)  # PostgreSQL takes nothing any more
    return HttpResponse()


async def record_in_a_coroutine(request: HttpRequest) -> HttpResponse:
    record(REFUSED)  # as a validator does that somebody calls from there
    record(DONE)
    await arecord(LIMIT)
    return HttpResponse()


urlpatterns = [
    path(view.__name__, view)
    for view in (
        refuse_and_fail,
        refuse_in_a_block,
        refuse_in_a_savepoint,
        refuse_and_commit,
        refuse_in_pieces,
        record_in_a_coroutine,
    )
]


@pytest.fixture(params=[True, False], ids=["middleware", "bare"])
def visit(request: pytest.FixtureRequest, settings: Settings) -> Any:
    """Opens a page of the above, with the middleware of the log or none."""
    settings.ROOT_URLCONF = __name__
    if not request.param:
        settings.MIDDLEWARE = []
    client = Client(raise_request_exception=False)

    def get(page: str) -> None:
        with outside_of_a_test():
            client.get(f"/{page}")
        with outside_of_a_test():
            assert origin.pending() == []

    return get


@really
class TestWithoutTransaction:
    def test_a_row_a_line_a_signal(self, heard: Heard) -> None:
        row = record(DONE)
        assert events() == heard.lines == heard.signals == ["policy_checked"]
        assert heard.rows == heard.signalled == [row] == list(AuditEvent.objects.all())
        assert sound()

    def test_the_row_is_what_was_recorded(self) -> None:
        dana = User.objects.create(username="dana")
        with origin.acting(
            Origin.of_meta(
                {
                    "REMOTE_ADDR": "198.51.100.77",
                    "HTTP_USER_AGENT": "curl\r\n",
                    "HTTP_X_REQUEST_ID": "r-1",
                },
                lambda: Party.of(dana),
            )
        ):
            record(REFUSED, subject=Party("api_key", "k1", "the backup's"))
        row = AuditEvent.objects.get()
        assert (row.event, row.outcome, row.source) == ("login_refused", "refused", "")
        assert (row.actor_type, row.actor_id) == ("user", str(dana.pk))
        assert (row.subject_type, row.subject_id) == ("api_key", "k1")
        assert row.address == "198.51.100.0/24"
        assert (row.user_agent, row.request_id) == ("curl\ufffd\ufffd", "r-1")
        assert row.details == '{"reason":"exposed"}'
        names = dict(AuditIdentity.objects.values_list("ref", "text"))
        assert (names[row.actor], names[row.subject]) == ("dana", "the backup's")
        columns = tuple(getattr(row, name) for name in COLUMNS)
        assert is_authentic(columns, row.mac, ring().first)

    def test_who_is_given_counts_before_who_is_there(self) -> None:
        with origin.acting(Origin(lambda: Party("user", "1"))):
            assert record(DONE, actor=Party("user", "2")).actor_id == "2"
            assert record(DONE).actor_id == "1"
        assert record(DONE).actor_type == ""

    def test_in_a_coroutine(self, heard: Heard) -> None:
        row = async_to_sync(arecord)(REFUSED, subject=Party("user", "5"))
        assert (row.subject_id, events(), heard.lines) == ("5", [row.event], [row.event])


@really
class TestInATransaction:
    def test_that_commits(self, heard: Heard) -> None:
        with transaction.atomic():
            record(DONE)
            assert (heard.lines, heard.signals) == ([], [])
            record(REFUSED)
            assert (heard.lines, heard.signals) == (["login_refused"], [])
        both = ["login_refused", "policy_checked"]
        assert sorted(events()) == sorted(heard.lines) == sorted(heard.signals) == both
        assert sound()

    def test_that_is_rolled_back_takes_the_act_with_its_record(self, heard: Heard) -> None:
        rolled_back(DONE, VITAL)
        flush()
        assert events() == heard.lines == heard.signals == []

    def test_that_is_rolled_back_does_not_take_a_refusal(self, heard: Heard) -> None:
        with origin.acting(Origin(lambda: Party("user", "5", "dana"))):
            rolled_back(DONE, REFUSED)
            assert (events(), heard.lines, heard.signals) == ([], ["login_refused"], [])
            flush()
            assert events() == heard.lines == heard.signals == ["login_refused"]
            flush()
        assert events() == heard.lines == heard.signals == ["login_refused"]
        row = AuditEvent.objects.get()
        assert AuditIdentity.objects.get(ref=row.actor).text == "dana"
        assert heard.rows == [row] and heard.rows[0].mac == row.mac
        assert sound()

    def test_without_a_request_it_is_written_with_the_next_record(self, heard: Heard) -> None:
        with outside_of_a_test():
            rolled_back(REFUSED)
            record(DONE)
        assert events() == heard.lines == ["login_refused", "policy_checked"]

    def test_without_a_request_it_is_written_at_the_end_of_the_process(self) -> None:
        with outside_of_a_test():
            rolled_back(REFUSED)
            services._flush_at_exit()
        assert events() == ["login_refused"]

    def test_with_a_savepoint_that_is_rolled_back(self, heard: Heard) -> None:
        with origin.acting(Origin(origin.nobody)), transaction.atomic():
            record(VITAL)
            rolled_back(REFUSED, DONE)
            record(LIMIT)
            flush()
            assert sorted(events()) == ["key_rotated", "limit_hit"]
        with outside_of_a_test():
            assert origin.pending() == []
        # There was no end of a request within, and in a test nothing waits for another one.
        assert sorted(events()) == ["key_rotated", "limit_hit"]

    def test_what_still_waits_as_a_request_ends_waits_outside(self, heard: Heard) -> None:
        outer = Origin(origin.nobody)
        with origin.acting(outer):
            with pytest.raises(Undone), transaction.atomic():
                with origin.acting(Origin(origin.nobody)):
                    record(REFUSED)
                    flush()
                raise Undone
            assert (events(), len(outer.pending)) == ([], 1)
            flush()
        assert events() == heard.lines == heard.signals == ["login_refused"]
        with outside_of_a_test():
            with pytest.raises(Undone), transaction.atomic():
                with origin.acting(Origin(origin.nobody)):
                    record(LIMIT)
                raise Undone
            record(DONE)
        assert events() == ["login_refused", "limit_hit", "policy_checked"]

    def test_each_of_many_is_written_once(self, heard: Heard) -> None:
        with origin.acting(Origin(origin.nobody)):
            rolled_back(*[REFUSED] * 20)
            with transaction.atomic():
                for _ in range(20):
                    record(LIMIT)
            flush()
        assert sorted(events()) == sorted(heard.lines) == sorted(heard.signals)
        assert len(events()) == 40

    def test_no_more_wait_than_there_is_room_for(self, heard: Heard) -> None:
        with origin.acting(Origin(origin.nobody)) as where:
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(origin, "MOST_PENDING", 3)
                with transaction.atomic():
                    record(LIMIT), record(LIMIT)
                rolled_back(*[REFUSED] * 5)
                assert len(where.pending) == 3
            flush()
        assert len(heard.lines) == 7
        assert events().count("login_refused") == 3

    def test_where_the_host_commits_by_hand(self, heard: Heard) -> None:
        with origin.acting(Origin(origin.nobody)):
            transaction.set_autocommit(False)
            try:
                record(DONE)
                record(REFUSED)
                transaction.rollback()
                record(LIMIT)
                transaction.commit()
            finally:
                transaction.rollback()
                transaction.set_autocommit(True)
            flush()
        # On SQLite every savepoint commits there, so that the act itself would have stayed, too.
        kept = ["policy_checked"] * (connection.vendor == "sqlite")
        assert sorted(events()) == ["limit_hit", "login_refused", *kept]
        assert not [line for line in heard.lines if line.startswith("!")]

    def test_a_log_that_was_begun_there_is_begun_again(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute("DELETE FROM credfirewall_auditseal")
        chain.forget()
        with origin.acting(Origin(origin.nobody)):
            rolled_back(REFUSED)
            flush()
        assert events() == ["login_refused"]
        assert sound()


@really
class TestInARequest:
    def test_a_view_that_raises_under_atomic_requests(
        self, visit: Any, heard: Heard, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)
        visit("refuse_and_fail")
        assert not User.objects.exists()
        assert events() == heard.lines == heard.signals == ["login_refused"]

    @pytest.mark.parametrize("page", ["refuse_in_a_block", "refuse_and_commit"])
    def test_a_view_with_a_block(self, visit: Any, heard: Heard, page: str) -> None:
        visit(page)
        assert events() == heard.lines == heard.signals == ["login_refused"]

    def test_a_savepoint_is_rolled_back_and_the_rest_committed(
        self, visit: Any, heard: Heard
    ) -> None:
        visit("refuse_in_a_savepoint")
        assert User.objects.get().username == "kept"
        both = ["login_refused", "policy_checked"]
        assert sorted(events()) == sorted(heard.lines) == sorted(heard.signals) == both

    def test_a_transaction_that_is_broken_already(self, visit: Any, heard: Heard) -> None:
        visit("refuse_in_pieces")
        assert events() == heard.lines == heard.signals == ["login_refused"]

    def test_propagating_exceptions(self, settings: Settings) -> None:
        settings.ROOT_URLCONF = __name__
        settings.DEBUG_PROPAGATE_EXCEPTIONS = True
        connection.settings_dict["ATOMIC_REQUESTS"] = True
        try:
            with pytest.raises(Undone):
                Client().get("/refuse_and_fail")
        finally:
            connection.settings_dict["ATOMIC_REQUESTS"] = False
        assert events() == ["login_refused"]

    def test_a_coroutine_that_did_not_await_is_written_at_its_end(
        self, settings: Settings, heard: Heard
    ) -> None:
        from django.test import AsyncClient

        settings.ROOT_URLCONF = __name__
        async_to_sync(AsyncClient().get)("/record_in_a_coroutine")
        expected = ["limit_hit", "login_refused", "policy_checked"]
        assert sorted(events()) == sorted(heard.lines) == sorted(heard.signals) == expected


@really
class TestLater:
    def test_at_the_end(self, heard: Heard) -> None:
        with origin.acting(Origin(origin.nobody)):
            later(LIMIT, subject=Party("user", "5"))
            assert (events(), heard.lines) == ([], ["limit_hit"])
            flush()
        assert events() == heard.lines == heard.signals == ["limit_hit"]

    def test_not_within_a_transaction(self) -> None:
        with origin.acting(Origin(origin.nobody)):
            with transaction.atomic():
                later(LIMIT)
                flush()
                assert events() == []
            flush()
        assert events() == ["limit_hit"]

    def test_without_a_database(self, heard: Heard) -> None:
        with origin.acting(Origin(origin.nobody)):
            later(LIMIT)
            with no_table():
                flush()
        assert heard.lines == ["limit_hit", "!limit_hit"]

    def test_for_a_database_that_is_none(self, heard: Heard) -> None:
        with origin.acting(Origin(origin.nobody)):
            later(LIMIT, using="nowhere")
            record(DONE)
        assert heard.lines == ["limit_hit", "!limit_hit", "policy_checked"]


@really
class TestAFailingLog:
    @broken_ways
    def test_keeps_the_event_and_does_not_stop_the_act(
        self, heard: Heard, breaking: Breaking
    ) -> None:
        dana = User.objects.create(username="dana")
        with breaking():
            row = record(REFUSED, subject=dana)
        assert (events(), heard.lines, heard.signals) == ([], ["!login_refused"], [])
        line = json.loads(JSONLinesFormatter(names=True).format(heard.records[0]))
        assert line["stored"] is False and line["failure"]
        assert (line["id"], line["details"]) == (str(row.pk), {"reason": "exposed"})
        assert (line["subject_id"], line["subject_name"]) == (str(dana.pk), "dana")

    @broken_ways
    @pytest.mark.parametrize("event", [DONE, REFUSED], ids=lambda event: event.name)
    def test_leaves_the_host_s_transaction_usable(
        self, heard: Heard, breaking: Breaking, event: Any
    ) -> None:
        with breaking(), transaction.atomic():
            User.objects.create(username="before")
            record(event, subject=Party("user", "5", "dana"))
            User.objects.create(username="after")
        assert User.objects.count() == 2
        assert heard.lines == [f"!{event.name}"]

    def test_a_refusal_waits_for_a_log_that_works_again(self, heard: Heard) -> None:
        with origin.acting(Origin(origin.nobody)):
            with no_table(), transaction.atomic():
                record(REFUSED)
            flush()
        assert events() == heard.lines == heard.signals == ["login_refused"]

    def test_the_connection_is_gone(self, heard: Heard) -> None:
        with cut_off():
            record(DONE)
        assert (heard.lines, events()) == (["!policy_checked"], [])

    @broken_ways
    def test_raises_where_that_is_the_policy(
        self, raising: None, heard: Heard, breaking: Breaking
    ) -> None:
        with breaking():
            with pytest.raises(AuditUnavailable, match="login_refused") as caught:
                record(REFUSED)
            assert isinstance(caught.value.__cause__, Error)
            with pytest.raises(AuditUnavailable), transaction.atomic():
                User.objects.create(username="never")
                record(DONE)
        assert heard.lines == ["!login_refused", "!policy_checked"]
        assert not User.objects.exists()

    @broken_ways
    def test_raises_for_what_must_not_happen_unrecorded(
        self, heard: Heard, breaking: Breaking
    ) -> None:
        with breaking():
            with pytest.raises(AuditUnavailable):
                record(VITAL)
            with pytest.raises(AuditUnavailable), transaction.atomic():
                User.objects.create(username="never")
                record(VITAL)
        assert heard.lines == ["!key_rotated"] * 2
        assert not User.objects.exists()

    def test_who_acts_cannot_be_looked_up(self, heard: Heard) -> None:
        def actor() -> Party:
            User.objects.get()
            raise AssertionError

        with origin.acting(Origin(actor)), cut_off():
            record(REFUSED)
        assert heard.lines == ["!login_refused"]

    def test_a_database_that_is_none(self, heard: Heard) -> None:
        record(DONE, using="nowhere")
        assert heard.lines == ["!policy_checked"]


def test_where_no_database_is_allowed_there_is_the_line(heard: Heard) -> None:
    with origin.acting(Origin(origin.nobody)):
        record(REFUSED)
        later(LIMIT)
        flush()
    assert heard.lines == ["!login_refused", "limit_hit", "!limit_hit"]
    with pytest.raises(AuditUnavailable):
        record(VITAL)


def test_in_a_coroutine_without_a_request_there_is_the_line(heard: Heard) -> None:
    async def act() -> None:
        record(REFUSED)
        with pytest.raises(AuditUnavailable) as caught:
            record(VITAL)
        assert isinstance(caught.value.__cause__, SynchronousOnlyOperation | RuntimeError)

    asyncio.run(act())
    assert heard.lines == ["!login_refused", "!key_rotated"]


class TestInAHostsTestCase(TestCase):
    """Each ends as it began; the second would see what the first has left."""

    def see(self) -> None:
        assert events() == []
        record(DONE)
        with transaction.atomic():
            record(REFUSED)
        rolled_back(LIMIT, VITAL)
        assert sorted(events()) == ["login_refused", "policy_checked"]
        assert origin.pending() is None
        services._flush_at_exit()

    def test_one(self) -> None:
        self.see()

    def test_another(self) -> None:
        self.see()

    def test_of_a_view(self) -> None:
        with self.settings(ROOT_URLCONF=__name__):
            self.client.get("/refuse_in_a_block")
            self.client.get("/refuse_and_commit")
        assert events() == ["login_refused"] * 2


@pytest.mark.django_db
def test_callbacks_that_a_test_runs_tell_of_nothing_twice(
    heard: Heard, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    with (
        origin.acting(Origin(origin.nobody)),
        django_capture_on_commit_callbacks(execute=True),
    ):
        with transaction.atomic():
            record(REFUSED)
        flush()
    assert events() == heard.lines == heard.signals == ["login_refused"]


@really
class TestNames:
    @pytest.fixture(autouse=True)
    def _dana(self) -> None:
        forget_identities()
        self.dana = User.objects.create(username="dana")

    def test_are_stored_once(self) -> None:
        rows = [record(DONE, actor=self.dana, subject=self.dana) for _ in range(3)]
        identity = AuditIdentity.objects.get()
        assert {row.actor for row in rows} == {row.subject for row in rows} == {identity.ref}
        assert (identity.type, identity.party_id) == ("user", str(self.dana.pk))

    def test_a_new_name_is_another_one(self) -> None:
        record(DONE, actor=self.dana)
        self.dana.username = "dana2"
        record(DONE, actor=self.dana)
        assert {each.text for each in AuditIdentity.objects.all()} == {"dana", "dana2"}

    def test_no_name_needs_no_storing(self) -> None:
        row = record(DONE, actor=Party.command("x"), subject=Party("user", "9"))
        assert (row.actor, row.subject) == ("", "")
        assert not AuditIdentity.objects.exists()

    def test_one_that_was_rolled_back_is_stored_again(self) -> None:
        with pytest.raises(Undone), transaction.atomic():
            record(DONE, actor=self.dana)
            raise Undone
        row = record(DONE, actor=self.dana)
        assert AuditIdentity.objects.get().ref == row.actor

    def test_is_stored_again_before_a_purge_elsewhere_can_have_removed_it(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        record(DONE, actor=self.dana)
        tomorrow = time.monotonic() + 86_400
        monkeypatch.setattr("time.monotonic", lambda: tomorrow)
        AuditIdentity.objects.all().delete()  # as purge_audit does
        row = record(DONE, actor=self.dana)
        assert AuditIdentity.objects.get(ref=row.actor).text == "dana"

    def test_threads_share_what_is_known(self) -> None:
        def act() -> None:
            record(DONE, actor=self.dana)
            connection.close()

        act()
        threads = [threading.Thread(target=act) for _ in range(3)]
        for thread in threads:
            thread.start()
            thread.join()
        assert (AuditIdentity.objects.count(), len(events())) == (1, 4)

    def test_a_user_who_acted_can_be_deleted(self) -> None:
        record(DONE, actor=self.dana)
        number = str(self.dana.pk)
        self.dana.delete()
        assert AuditEvent.objects.get().actor_id == number
        assert AuditIdentity.objects.get().text == "dana"
        assert sound()


@pytest.mark.django_db
class TestAppendOnly:
    CHANGES: dict[str, Callable[[Any], object]] = {
        "update": lambda rows: rows.update(event="x"),
        "filter.update": lambda rows: rows.filter(event="x").update(event="y"),
        "delete": lambda rows: rows.all().delete(),
        "filter.delete": lambda rows: rows.filter(event="x").delete(),
        "bulk_create": lambda rows: rows.bulk_create([AuditEvent()]),
        "bulk_update": lambda rows: rows.bulk_update(rows.all(), ["event"]),
        "create": lambda rows: rows.create(event="x"),
        "get_or_create": lambda rows: rows.get_or_create(event="x"),
        "update_or_create": lambda rows: rows.update_or_create(event="x"),
        "save": lambda rows: rows.get().save(),
        "save of a field": lambda rows: rows.get().save(update_fields=["event"]),
        "delete of one": lambda rows: rows.get().delete(),
        "asave": lambda rows: async_to_sync(rows.get().asave)(),
        "adelete": lambda rows: async_to_sync(rows.get().adelete)(),
        "aupdate": lambda rows: async_to_sync(rows.all().aupdate)(event="x"),
        "abulk_create": lambda rows: async_to_sync(rows.all().abulk_create)([AuditEvent()]),
    }

    @pytest.mark.parametrize("change", CHANGES)
    def test_rows_are_neither_made_nor_changed_nor_deleted(self, change: str) -> None:
        row = record(DONE)
        with pytest.raises(AuditIsAppendOnly, match="record"):
            self.CHANGES[change](AuditEvent.objects)
        assert AuditEvent.objects.get().mac == row.mac


class TestTheKey:
    @pytest.mark.parametrize("empty", [None, "", [], [""]])
    def test_nothing_is_no_key(self, settings: Settings, empty: Any) -> None:
        settings.CREDFIREWALL = {"AUDIT_KEY": empty}
        settings.SECRET_KEY_FALLBACKS = ["an older one"]
        assert ring().first.id == AuditKey.of(settings.SECRET_KEY).id
        assert AuditKey.of("an older one").id in ring().by_id
        assert AuditKey.of("").id not in ring().by_id

    def test_the_first_signs_and_all_verify(self, settings: Settings) -> None:
        settings.CREDFIREWALL = {"AUDIT_KEY": ["new", "old"]}
        assert ring().first.id == AuditKey.of("new").id
        assert set(ring().by_id) == {AuditKey.of("new").id, AuditKey.of("old").id}

    def test_each_purpose_has_a_key_of_its_own_and_none_is_shown(self) -> None:
        key = AuditKey.of("secret")
        subkeys = {key.row, key.seal, key.stub, key.address, key.name}
        assert len(subkeys) == 5 and b"secret" not in subkeys
        assert "secret" not in repr(key) and key.row.hex() not in repr(key)
