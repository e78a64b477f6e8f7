"""What is issued can be set: it passes its own spec and the project's validators."""

import json
from collections.abc import Iterator
from typing import Any
from unittest.mock import patch

import pytest
from django.contrib.auth.models import User
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ImproperlyConfigured, ValidationError
from pytest_django import Settings

from credfirewall import passwords
from credfirewall.audit.models import AuditEvent
from credfirewall.exceptions import OptionOutOfRange, OptionWrongType, PolicyUnsatisfiable
from credfirewall.models import BlockedWord
from credfirewall.passwords import services
from credfirewall.passwords.services import TRIES, issue
from credfirewall.passwords.specs import Spec
from credfirewall.screening.sources import blocklist
from credfirewall.testing.server import RangeServer
from tests.passwords.test_evaluate import listening

OURS = "credfirewall.validators"
pytestmark = [pytest.mark.django_db, pytest.mark.database]


@pytest.fixture(autouse=True)
def _no_network(settings: Settings) -> Iterator[RangeServer]:
    with RangeServer() as server:
        settings.CREDFIREWALL = {"HIBP_URL": server.url, "CONTEXT_WORDS": ["acme"]}
        yield server
        assert server.count == 0


class Refuses:
    """A host's: counts how often it is asked, and refuses for as long as told to."""

    asked: list[tuple[str, Any]] = []
    times = 0

    def validate(self, password: str, user: Any = None) -> None:
        self.asked.append((password, user))
        if len(self.asked) <= self.times:
            raise ValidationError("No.", code="no")

    def get_help_text(self) -> str:
        return "No."


@pytest.fixture
def refuses(settings: Settings) -> type[Refuses]:
    listed = settings.AUTH_PASSWORD_VALIDATORS
    settings.AUTH_PASSWORD_VALIDATORS = [*listed, {"NAME": f"{__name__}.Refuses"}]
    Refuses.asked, Refuses.times = [], 0
    return Refuses


@pytest.mark.parametrize("kind", ["password", "passphrase", "pronounceable"])
def test_what_is_issued_can_be_set(kind: str) -> None:
    spec = Spec.of(kind=kind)
    issued = issue(spec, count=3)
    assert issued.policy_checked and len({each.value for each in issued.values}) == 3
    for each in issued.values:
        assert spec.allows(each.value) and each.kind == kind and each.entropy_bits > 128
        assert each.length == len(each.value)
        assert each.value not in repr(issued)


def test_what_is_refused_is_drawn_again(refuses: type[Refuses]) -> None:
    refuses.times = TRIES - 1
    user = User(username="eve")
    (issued,) = issue(Spec.of(), user=user).values
    passwords = [password for password, _ in refuses.asked]
    assert len(set(passwords)) == TRIES and passwords[-1] == issued.value
    assert {id(asked) for _, asked in refuses.asked} == {id(user)}


def test_what_is_refused_for_ever_is_given_up(refuses: type[Refuses]) -> None:
    refuses.times = TRIES
    with pytest.raises(PolicyUnsatisfiable) as caught:
        issue(Spec.of())
    assert caught.value.code == "policy_unsatisfiable" and caught.value.codes == ("no",)
    assert len(refuses.asked) == TRIES
    assert not any(password in str(caught.value) for password, _ in refuses.asked)
    assert not AuditEvent.objects.exists()


def test_a_spec_that_can_never_pass() -> None:
    with pytest.raises(PolicyUnsatisfiable, match="password_too_short") as caught:
        issue(Spec.of(length=4))
    assert "password_too_short" in caught.value.codes


def test_unless_the_policy_is_not_enforced(settings: Settings) -> None:
    settings.CREDFIREWALL = {**settings.CREDFIREWALL, "GENERATE_ENFORCE_POLICY": False}
    issued = issue(Spec.of(length=4))
    assert issued.policy_checked is False and issued.values[0].length == 4


def test_nobody_misspells_the_setting_into_an_open_door(settings: Settings) -> None:
    settings.CREDFIREWALL = {**settings.CREDFIREWALL, "GENERATE_ENFORCE_POLICY": None}
    with pytest.raises(PolicyUnsatisfiable):
        issue(Spec.of(length=4))


def test_pins_are_exempt_and_say_so() -> None:
    issued = issue(Spec.of(kind="pin"))
    assert issued.policy_checked is False and issued.values[0].length == 6


def test_it_is_screened_by_the_lists_of_this_machine(settings: Settings) -> None:
    settings.AUTH_PASSWORD_VALIDATORS = [{"NAME": f"{OURS}.BreachedPasswordValidator"}]
    BlockedWord.objects.create(word="abba")
    blocklist.invalidate()
    drawn = iter(["abba", "baab"])
    spec = Spec.of(length=4, alphabet="ab")
    with patch.object(services, "draw", lambda _: next(drawn)):
        assert issue(spec).values[0].value == "baab"


def test_what_is_not_of_its_spec_is_drawn_again() -> None:
    good = "x" * 7 + "1"
    drawn = iter(["XXXXXXXXX", "xxxxxxxx!", good])
    spec = Spec.of(length=8, uppercase=False, special=False)
    with (
        patch.object(services, "draw", lambda _: next(drawn)),
        patch.object(services, "_broken", lambda *_: ()),
    ):
        assert issue(spec).values[0].value == good
    with (
        patch.object(services, "draw", lambda _: "wrong"),
        pytest.raises(PolicyUnsatisfiable, match="specification"),
    ):
        issue(spec)


def test_pci_is_met_by_drawing_again(settings: Settings) -> None:
    settings.CREDFIREWALL = {**settings.CREDFIREWALL, "PROFILE": "pci"}
    settings.AUTH_PASSWORD_VALIDATORS = [{"NAME": f"{OURS}.LetterAndDigitValidator"}]
    issued = issue(Spec.of(length=12, uppercase=False, special=False), count=100)
    for each in issued.values:
        validate_password(each.value)


@pytest.mark.parametrize("count", [0, 101, -1])
def test_a_count_out_of_range(count: int) -> None:
    with pytest.raises(OptionOutOfRange, match="count"):
        issue(Spec.of(), count=count)


def test_a_count_that_is_no_number() -> None:
    with pytest.raises(OptionWrongType, match="count"):
        issue(Spec.of(), count=True)


def test_validators_that_cannot_be_made(settings: Settings) -> None:
    settings.AUTH_PASSWORD_VALIDATORS = [{"NAME": "nowhere.Validator"}]
    with pytest.raises(ImproperlyConfigured):
        issue(Spec.of())


def test_one_event_says_what_was_asked_for_and_no_value() -> None:
    actor, user = User.objects.create_user("actor"), User.objects.create_user("user")
    spec = Spec.of(length=24, exclude="ACME!", digits=False)
    issued = issue(spec, count=5, user=user, actor=actor)
    row = AuditEvent.objects.get()
    assert (row.event, row.outcome) == ("password_generated", "success")
    assert (row.actor_id, row.subject_id) == (str(actor.pk), str(user.pk))
    assert json.loads(row.details) == {
        "kind": "password", "count": 5, "length": 24, "policy_checked": True,
        "entropy_bits": issued.values[0].entropy_bits,
        "spec": ["length:24", "digits:false", "exclude"],
    }  # fmt: skip
    assert not any(each.value in row.details for each in issued.values)


def test_what_was_refused_is_no_event(settings: Settings) -> None:
    names = ("BlocklistValidator", "BreachedPasswordValidator")
    settings.AUTH_PASSWORD_VALIDATORS = [{"NAME": f"{OURS}.{name}"} for name in names]
    drawn = iter(["password", "four-unrelated-words-went-fishing"])
    with (
        listening() as told,
        patch.object(services, "draw", lambda _: next(drawn)),
        patch.object(type(Spec.of()), "allows", lambda *_: True),
    ):
        issue(Spec.of(), user=User(username="ann"))
    assert not told
    assert [row.event for row in AuditEvent.objects.all()] == ["password_generated"]


class TestFromPython:
    """What `credfirewall.passwords` offers is issued like anything else."""

    def test_one(self) -> None:
        made = passwords.generate(length=24, special=False)
        assert (made.kind, made.length, len(made.value)) == ("password", 24, 24)
        assert AuditEvent.objects.get().event == "password_generated"

    def test_several_are_one_event(self) -> None:
        made = passwords.generate_many(5, kind="pin")
        assert len(made) == 5
        assert json.loads(AuditEvent.objects.get().details)["count"] == 5

    def test_what_the_policy_refuses(self) -> None:
        with pytest.raises(PolicyUnsatisfiable):
            passwords.generate(length=4)

    def test_for_somebody(self) -> None:
        user = User.objects.create(username="ann")
        passwords.generate(user=user)
        assert AuditEvent.objects.get().subject_id == str(user.pk)
