"""What the doors put on record: validators, sources that fail, the blocklist's admin."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import User
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.test import AsyncClient, Client
from django.urls import path
from pytest_django import Settings

from credfirewall.audit import origin
from credfirewall.audit.models import AuditEvent
from credfirewall.audit.origin import Origin
from credfirewall.audit.services import flush
from credfirewall.exceptions import AuditUnavailable
from credfirewall.screening import ascreen, screen
from credfirewall.screening.models import BlockedWord
from credfirewall.screening.sources import chain
from credfirewall.signals import source_degraded
from credfirewall.testing import breached, unknown
from credfirewall.testing.faults import Status
from credfirewall.testing.server import RangeServer
from credfirewall.validators import BlocklistValidator, BreachedPasswordValidator
from tests.audit.recording import Heard, events, no_table
from tests.canary.detector import Canary, accented_canary, ascii_canary, leaks
from tests.canary.watch import in_database, shown
from tests.urls import urlpatterns as admin_pages

pytestmark = pytest.mark.django_db


@pytest.fixture(params=[ascii_canary, accented_canary], ids=["ascii", "accented"])
def canary(request: pytest.FixtureRequest) -> Canary:
    made: Canary = request.param()
    return made


@pytest.fixture
def dana() -> User:
    return User.objects.create(username="dana")


@pytest.fixture(autouse=True)
def _fresh_sources() -> Iterator[None]:
    chain.forget()
    yield
    chain.forget()


def set_password(password: str, user: Any = None) -> list[str]:
    try:
        validate_password(password, user)
    except ValidationError as error:
        return [str(each.code) for each in error.error_list]
    return []


class TestValidators:
    @pytest.fixture(autouse=True)
    def _only_ours(self, settings: Settings) -> None:
        name = "credfirewall.validators.BreachedPasswordValidator"
        settings.AUTH_PASSWORD_VALIDATORS = [{"NAME": name}]
        self.settings = settings

    def test_a_refusal(self, canary: Canary, dana: User, heard: Heard) -> None:
        with breached({canary.text: 17}):
            assert set_password(canary.text, dana) == ["password_breached"]
        row = AuditEvent.objects.get()
        assert (row.event, row.outcome, row.source) == ("screening_refused", "refused", "memory")
        assert row.details == '{"count":17,"source":"memory"}'
        assert (row.subject_type, row.subject_id) == ("user", str(dana.pk))
        assert leaks([canary], in_database(), prefix=True) == []
        assert leaks([canary], map(shown, heard.rows), prefix=True) == []

    def test_for_who_is_just_signing_up(self) -> None:
        with breached("swordfish"):
            set_password("swordfish", User(username="new"))
            set_password("swordfish")
        found = AuditEvent.objects.order_by("at").values_list("subject_type", "subject", "mac")
        assert [row[:2] for row in found] == [("user", ""), ("", "")]

    def test_clean_is_not_recorded(self, canary: Canary, heard: Heard) -> None:
        with breached():
            assert set_password(canary.text) == []
        assert events() == heard.lines == []

    @pytest.mark.parametrize(("policy", "accepted"), [("allow", True), ("reject", False)])
    def test_no_source_could_answer(
        self, canary: Canary, dana: User, policy: str, accepted: bool
    ) -> None:
        self.settings.CREDFIREWALL = {**self.settings.CREDFIREWALL, "ON_UNKNOWN": policy}
        with unknown("timeout"):
            assert bool(set_password(canary.text, dana)) is not accepted
        row = AuditEvent.objects.get()
        assert (row.event, row.outcome, row.subject_id) == (
            "screening_unknown", "notice", str(dana.pk),
        )  # fmt: skip
        truth = str(accepted).lower()
        assert row.details == f'{{"accepted":{truth},"reason":"timeout"}}'
        assert leaks([canary], in_database(), prefix=True) == []

    def test_a_reason_that_is_no_code_is_not_kept(self, canary: Canary) -> None:
        with unknown(canary.text):
            set_password("swordfish")
        assert events() == ["screening_unknown"]
        assert leaks([canary], in_database(), prefix=True) == []

    def test_the_blocklist_s_validator(self, dana: User) -> None:
        with pytest.raises(ValidationError):
            BlocklistValidator().validate("password", dana)
        row = AuditEvent.objects.get()
        assert (row.source, row.subject_id) == ("bundled", str(dana.pk))
        assert row.details == '{"count":null,"source":"bundled"}'

    @pytest.mark.parametrize("password", ["x" * 4097, "\ud800"], ids=["long", "half"])
    def test_what_is_no_password_is_not_recorded(self, password: str) -> None:
        assert set_password(password)
        assert events() == []

    def test_the_user_is_still_told_when_the_log_fails(self, heard: Heard) -> None:
        with breached("swordfish"), pytest.MonkeyPatch.context() as patch:
            patch.setattr(AuditEvent, "insert", refusing)
            assert set_password("swordfish") == ["password_breached"]
        assert heard.lines == ["!screening_refused"]

    def test_or_not_where_nothing_may_happen_unrecorded(self) -> None:
        ours = {**self.settings.CREDFIREWALL, "AUDIT_ON_FAILURE": "raise"}
        self.settings.CREDFIREWALL = ours
        with breached("swordfish"), pytest.MonkeyPatch.context() as patch:
            patch.setattr(AuditEvent, "insert", refusing)
            with pytest.raises(AuditUnavailable) as caught:
                set_password("swordfish")
        assert "swordfish" not in str(caught.value)


def refusing(*_: Any, **__: Any) -> None:
    from django.db import OperationalError

    raise OperationalError("gone")


# Sources that fail


def choose(request: HttpRequest) -> HttpResponse:
    set_password(request.GET["p"])
    return HttpResponse()


async def achoose(request: HttpRequest) -> HttpResponse:
    await ascreen(request.GET["p"])
    return HttpResponse()


urlpatterns = [path("choose", choose), path("achoose", achoose), *admin_pages]


@pytest.fixture
def hibp(settings: Settings) -> Iterator[RangeServer]:
    settings.ROOT_URLCONF = __name__
    with RangeServer() as server:
        settings.CREDFIREWALL = {
            **settings.CREDFIREWALL, "SOURCES": ["hibp"], "HIBP_URL": server.url,
        }  # fmt: skip
        chain.forget()
        yield server


class TestSources:
    def test_that_one_degraded_and_recovered_is_recorded_once_after_the_request(
        self, client: Client, hibp: RangeServer, canary: Canary
    ) -> None:
        hibp.fault = Status(503)
        client.get("/choose", {"p": canary.text + "1"})
        assert sorted(events()) == ["screening_degraded", "screening_unknown"]
        client.get("/choose", {"p": canary.text + "2"})
        assert events().count("screening_degraded") == 1
        row = AuditEvent.objects.get(event="screening_degraded")
        assert (row.outcome, row.source) == ("failed", "hibp")
        assert (row.actor_type, row.actor_id) == ("", "")
        hibp.fault = None
        for number in range(3, 6):
            client.get("/choose", {"p": canary.text + str(number)})
        assert events().count("screening_recovered") == 1
        assert leaks([canary], in_database(), prefix=True) == []

    def test_screening_itself_writes_and_asks_nothing_of_the_database(
        self, hibp: RangeServer, django_assert_num_queries: Any, dana: User
    ) -> None:
        def actor() -> Any:
            raise AssertionError("a query")

        hibp.fault = Status(503)
        with origin.acting(Origin(actor)) as where:
            with django_assert_num_queries(0):
                screen("swordfish")
            assert len(where.pending) == 1
            flush()
        assert events() == ["screening_degraded"]

    def test_so_it_is_in_a_coroutine(self, hibp: RangeServer, heard: Heard) -> None:
        hibp.fault = Status(503)
        async_to_sync(AsyncClient().get)("/achoose", {"p": "swordfish"})
        assert events() == heard.lines == ["screening_degraded"]

    @pytest.mark.parametrize("text", ["", "two words", "x" * 65])
    def test_what_a_host_s_source_is_called_is_a_code(self, text: str) -> None:
        with origin.acting(Origin(origin.nobody)):
            source_degraded.send(None, source=text, state="degraded", reason=text)
            flush()
        assert AuditEvent.objects.get().details == (
            '{"reason":"other","source":"other","state":"degraded"}'
        )


# The admin of the blocklist


def blocked(action: str, word: int) -> tuple[str, str, str, str]:
    details = f'{{"action":"{action}","object":"blocked_word"}}'
    return "configuration_changed", details, "blocked_word", str(word)


class TestTheBlocklist:
    LIST = "/admin/credfirewall/blockedword/"

    def recorded(self) -> list[Any]:
        columns = ("event", "details", "subject_type", "subject_id")
        return list(AuditEvent.objects.order_by("at", "id").values_list(*columns))

    @pytest.fixture(autouse=True)
    def _signed_in(self, admin_client: Client, admin_user: User) -> None:
        self.client, self.user = admin_client, admin_user

    def test_words_that_are_added(self, canary: Canary) -> None:
        self.client.post(f"{self.LIST}add/", {"word": "Excelsior", "more": "Anvil\nHammer"})
        numbers = BlockedWord.objects.order_by("pk").values_list("pk", flat=True)
        assert len(numbers) == 3
        assert sorted(self.recorded()) == sorted(blocked("added", each) for each in numbers)
        assert {row.actor_id for row in AuditEvent.objects.all()} == {str(self.user.pk)}

    def test_a_word_that_is_changed(self) -> None:
        word = BlockedWord.objects.create(word="Anvil")
        self.client.post(f"{self.LIST}{word.pk}/change/", {"word": "Hammer", "note": ""})
        assert self.recorded() == [blocked("changed", word.pk)]

    def test_a_word_that_is_deleted(self) -> None:
        word = BlockedWord.objects.create(word="Anvil")
        number = word.pk
        self.client.post(f"{self.LIST}{number}/delete/", {"post": "yes"})
        assert not BlockedWord.objects.exists()
        assert self.recorded() == [blocked("deleted", number)]

    def test_words_that_are_deleted(self) -> None:
        numbers = [BlockedWord.objects.create(word=word).pk for word in ("Anvil", "Hammer")]
        data = {"action": "delete_selected", "_selected_action": numbers, "post": "yes"}
        self.client.post(self.LIST, data)
        assert not BlockedWord.objects.exists()
        assert sorted(self.recorded()) == sorted(blocked("deleted", each) for each in numbers)

    def test_the_word_itself_is_not_in_the_log(self, canary: Canary) -> None:
        self.client.post(f"{self.LIST}add/", {"word": canary.words[0], "more": ""})
        assert BlockedWord.objects.get().word == canary.words[0]
        rows = [row for row in in_database() if row.startswith("credfirewall_audit")]
        assert rows and leaks([canary], rows) == []

    def test_what_was_wrong_is_not_recorded(self) -> None:
        self.client.post(f"{self.LIST}add/", {"word": "", "more": ""})
        assert self.recorded() == []


@pytest.mark.django_db(transaction=True)
def test_a_word_and_its_record_stand_and_fall_together(
    admin_client: Client, settings: Settings
) -> None:
    settings.CREDFIREWALL = {**settings.CREDFIREWALL, "AUDIT_ON_FAILURE": "raise"}
    with no_table():
        admin_client.raise_request_exception = False
        page = admin_client.post(f"{TestTheBlocklist.LIST}add/", {"word": "Anvil", "more": ""})
    assert page.status_code == 500
    assert not BlockedWord.objects.exists()


def test_the_validators_of_a_project_each_record_for_themselves(dana: User) -> None:
    judges: list[Callable[..., None]] = [
        BreachedPasswordValidator().validate, BlocklistValidator().validate,
    ]  # fmt: skip
    with breached("password"):
        for judge in judges:
            with pytest.raises(ValidationError):
                judge("password", dana)
    assert sorted(AuditEvent.objects.values_list("source", flat=True)) == ["bundled", "memory"]
