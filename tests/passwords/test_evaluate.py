"""What a password is told before it is set, and that asking leaves no trace."""

import json
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import AnonymousUser, User
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.utils import translation
from pytest_django import Settings

from credfirewall import passwords
from credfirewall.audit.models import AuditEvent
from credfirewall.passwords import aevaluate, evaluate
from credfirewall.passwords.evaluating import check, stranger
from credfirewall.passwords.violations import Evaluation
from credfirewall.screening.verdict import Status
from credfirewall.signals import password_breached
from credfirewall.testing import breached, unknown
from credfirewall.testing.server import RangeServer

OURS = "credfirewall.validators"
DJANGOS = "django.contrib.auth.password_validation"
LONG = "four unrelated words went fishing"
BREACHED = "eleven purple submarines"


def use(settings: Settings, *names: str, **options: Any) -> None:
    settings.AUTH_PASSWORD_VALIDATORS = [{"NAME": name, "OPTIONS": options} for name in names]


class Rude:
    """A host's: no code, two sentences, and it repeats what was typed."""

    def validate(self, password: str, user: Any = None) -> None:
        if "rude" in password:
            raise ValidationError([f"{password}?", ValidationError("No.", code="no")])

    def get_help_text(self) -> str:
        return "Be polite."


class Broken:
    def validate(self, password: str, user: Any = None) -> None:
        raise RuntimeError("broken")

    def get_help_text(self) -> str:
        return ""


@contextmanager
def listening() -> Iterator[list[Any]]:
    """Whose breached passwords the signal tells of meanwhile."""
    told: list[Any] = []

    def listen(user: Any, **_: Any) -> None:
        told.append(user)

    password_breached.connect(listen)
    try:
        yield told
    finally:
        password_breached.disconnect(listen)


def test_a_good_password() -> None:
    with breached():
        found = evaluate(LONG)
    assert found.acceptable is True
    assert found.violations == () and found.codes == ()
    assert found.verdict.status is Status.CLEAN
    assert found.length == len(LONG)


def test_all_that_is_wrong_is_said(settings: Settings) -> None:
    settings.CREDFIREWALL = {"CONTEXT_WORDS": ["Excelsior"]}
    with breached("Excelsior1"):
        found = evaluate("Excelsior1")
    assert found.acceptable is False
    assert found.codes == ("password_too_short", "password_context_word", "password_breached")
    assert "15" in found.violations[0].message
    assert found.verdict.status is Status.BREACHED


def test_it_says_what_django_says(settings: Settings) -> None:
    names = ("Length", "ContextWords", "BreachedPassword", "Blocklist", "LetterAndDigit")
    use(settings, *(f"{OURS}.{name}Validator" for name in names))
    with breached(BREACHED):
        for password in ("short", BREACHED, LONG + "1", "password", "1" * 20):
            try:
                validate_password(password)
                said: list[str] = []
            except ValidationError as error:
                said = [*dict.fromkeys(str(each.code) for each in error.error_list)]
            assert [*evaluate(password).codes] == said


def test_two_validators_that_screen_do_not_repeat_each_other(settings: Settings) -> None:
    use(settings, f"{OURS}.BreachedPasswordValidator", f"{OURS}.BlocklistValidator")
    assert [each.code for each in evaluate("password").violations] == ["password_breached"]


def test_it_is_screened_once_however_many_validators_ask(
    settings: Settings,
) -> None:
    use(settings, *[f"{OURS}.BreachedPasswordValidator"] * 3)
    with listening() as told, RangeServer({BREACHED: 7}) as server:
        ours = {"SOURCES": ["hibp"], "HIBP_URL": server.url, "CACHE_TTL": 0, "CACHE_STALE": 0}
        settings.CREDFIREWALL = ours
        found = evaluate(BREACHED)
        assert server.count == 1
    assert found.codes == ("password_breached",) and found.verdict.count == 7
    assert told == [None]


def test_a_validator_that_rehearses_tells_nobody(settings: Settings) -> None:
    use(settings, f"{OURS}.BlocklistValidator", f"{OURS}.BreachedPasswordValidator")
    user = User(username="ann")
    with listening() as told:
        assert not evaluate("password", user=user).acceptable
        assert told == [user]
        with pytest.raises(ValidationError):
            validate_password("password", user)
    assert told == [user] * 3


def test_it_is_screened_even_where_no_validator_asks(settings: Settings) -> None:
    settings.AUTH_PASSWORD_VALIDATORS = []
    with breached(BREACHED):
        found = evaluate(BREACHED)
    assert found.acceptable and found.verdict.status is Status.BREACHED


def test_what_is_unknown_is_as_acceptable_as_the_setting_says(settings: Settings) -> None:
    with unknown():
        assert evaluate(LONG).acceptable
        settings.CREDFIREWALL = {"ON_UNKNOWN": "reject"}
        found = evaluate(LONG)
    assert found.codes == ("password_breach_unknown",)
    assert found.verdict.status is Status.UNKNOWN


@pytest.mark.parametrize(
    ("password", "code"),
    [("x" * 4097, "password_too_long"), ("\ud800" * 20, "password_not_text"),
     ("x\0" * 20, "password_not_text")],
)  # fmt: skip
def test_what_cannot_be_a_password_is_told_once(
    settings: Settings, password: str, code: str
) -> None:
    use(settings, f"{__name__}.Broken")  # which is not asked
    found = evaluate(password)
    assert found.codes == (code,) and len(found.violations) == 1
    assert found.verdict.status is Status.UNKNOWN and found.verdict.reason == code
    assert async_to_sync(aevaluate)(password) == found


def test_what_is_no_text_at_all_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(TypeError):
        evaluate(b"bytes")  # type: ignore[arg-type]  # the mistake


def test_length_is_in_code_points_of_the_normal_form() -> None:
    text = "a naïve café in Zürich \N{PILE OF POO}"
    with breached():
        both = [evaluate(unicodedata.normalize(form, text)) for form in ("NFC", "NFD")]
    assert both[0].length == both[1].length == len(text)
    assert both[0].acceptable and both[1].acceptable


def test_a_hosts_validator_takes_part(settings: Settings) -> None:
    use(settings, f"{__name__}.Rude")
    with breached():
        found = evaluate("rude words, and many")
    assert [each.code for each in found.violations] == ["password_invalid", "no"]
    assert [each.message for each in found.violations] == ["rude words, and many?", "No."]


def test_nothing_shows_the_password(settings: Settings) -> None:
    use(settings, f"{__name__}.Rude")
    with breached():
        found = evaluate("rude words, and many")
    assert "rude" not in repr(found) and "20" not in repr(found)
    assert "acceptable=False" in repr(found)


def test_what_a_hosts_validator_breaks_is_not_hidden(settings: Settings) -> None:
    use(settings, f"{__name__}.Broken")
    with breached(), pytest.raises(RuntimeError, match="broken"):
        evaluate(LONG)
    use(settings, "nowhere.Validator")
    with breached(), pytest.raises(ImproperlyConfigured):
        evaluate(LONG)


def test_a_users_own_names(settings: Settings) -> None:
    user = User(username="josephine", email="jo.baker@example.com")
    with breached():
        assert evaluate("josephine-2024-baker", user=user).codes == ("password_context_word",)
        assert evaluate("josephine-2024-baker", user=AnonymousUser()).acceptable


def test_texts_are_in_the_active_language() -> None:
    with translation.override("de"), breached():
        assert "Zeichen" in evaluate("short").violations[0].message


def test_asynchronously_the_same() -> None:
    async def ask(password: str) -> Evaluation:
        return await aevaluate(password, user=User(username="josephine"))

    with breached(BREACHED):
        for password in (LONG, BREACHED, "short", "josephine-2024-2024"):
            same = evaluate(password, user=User(username="josephine"))
            assert async_to_sync(ask)(password) == same


@pytest.mark.django_db
@pytest.mark.database
class TestRecords:
    def test_evaluating_records_nothing(self) -> None:
        with breached(BREACHED):
            evaluate(BREACHED)
            async_to_sync(aevaluate)(BREACHED)
        with unknown():
            evaluate(LONG)
        assert not AuditEvent.objects.exists()

    def test_a_rehearsal_ends(self) -> None:
        with breached(BREACHED):
            evaluate(BREACHED)
            with pytest.raises(ValidationError):
                validate_password(BREACHED)
        assert AuditEvent.objects.get().event == "screening_refused"

    def test_a_check_is_recorded_by_its_outcome(self) -> None:
        asker = User.objects.create_user("asker")
        with breached(BREACHED):
            found = check(BREACHED[:12], username="eve", user=asker)
            check(BREACHED, user=asker)
        assert found.codes == ("password_too_short",)
        details = [json.loads(row.details) for row in AuditEvent.objects.order_by("at")]
        assert details == [
            {"acceptable": False, "breach": "clean", "violations": ["password_too_short"]},
            {"acceptable": False, "breach": "breached", "violations": ["password_breached"]},
        ]
        assert {(row.event, row.actor_id) for row in AuditEvent.objects.all()} == {
            ("policy_checked", str(asker.pk))
        }

    def test_nobody_is_made_up_for_who_listens(self) -> None:
        with breached(BREACHED), listening() as told:
            check(BREACHED, username="eve", email="eve@example.com")
        assert told == [None]

    def test_names_are_text_and_nobody_is_looked_up(
        self, django_assert_num_queries: Any, settings: Settings
    ) -> None:
        User.objects.create_user("josephine", "jo.baker@example.com")
        use(
            settings,
            f"{OURS}.ContextWordsValidator",
            f"{DJANGOS}.UserAttributeSimilarityValidator",
        )
        with breached(), django_assert_num_queries(0):
            alone = evaluate("jo.baker.2024", user=stranger("josephine", ""))
            found = evaluate("jo.baker.2024", user=stranger("", "jo.baker@example.com"))
            near = evaluate("xjosephine", user=stranger("josephine", ""))
        assert alone.acceptable
        assert "password_context_word" in found.codes
        assert near.codes == ("password_too_similar",)
        assert stranger("", "") is None

    @pytest.mark.parametrize(("name", "email"), [("josephine", ""), ("", "jo@x"), ("jo", "jo@x")])
    def test_a_model_whose_name_is_the_address(
        self, monkeypatch: pytest.MonkeyPatch, name: str, email: str
    ) -> None:
        monkeypatch.setattr(User, "USERNAME_FIELD", "email")
        assert stranger(name, email).email == (email or name)

    def test_a_model_without_an_address(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(User, "EMAIL_FIELD", "mail")
        assert stranger("josephine", "jo@x").get_username() == "josephine"


def test_the_package_has_no_other_names() -> None:
    with pytest.raises(AttributeError, match="evaluat'"):
        passwords.evaluat  # noqa: B018 - the point
