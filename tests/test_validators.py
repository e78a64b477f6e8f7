"""The validators as a project uses them: through Django, and in a form."""

import hashlib
import unicodedata
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from django.contrib.auth.forms import SetPasswordForm
from django.contrib.auth.models import AnonymousUser, User
from django.contrib.auth.password_validation import (
    get_default_password_validators,
    password_validators_help_texts,
    validate_password,
)
from django.core.exceptions import ValidationError
from pytest_django import Settings

from credfirewall.testing import breached, unknown
from credfirewall.testing.server import RangeServer
from credfirewall.validators import (
    BlocklistValidator,
    BreachedPasswordValidator,
    ContextWordsValidator,
    LengthValidator,
)

LONG = "four unrelated words went fishing"
"""On no list, unlike the horse with the battery."""
NAMES = ["Length", "ContextWords", "BreachedPassword", "Blocklist"]
HALVES = ["\ud800" * 20, LONG + "\udc00", "\ud83d\ude00" + LONG]


@pytest.fixture(autouse=True)
def _nobody_is_asked() -> Iterator[None]:
    with breached():
        yield


def use(settings: Settings, *names: str, **options: Any) -> None:
    settings.AUTH_PASSWORD_VALIDATORS = [
        {"NAME": f"credfirewall.validators.{name}Validator", "OPTIONS": options} for name in names
    ]


def codes(password: str, user: Any = None) -> list[str]:
    """What Django says of a password."""
    try:
        validate_password(password, user)
    except ValidationError as error:
        return [str(each.code) for each in error.error_list]
    return []


def message(password: str, user: Any = None) -> str:
    with pytest.raises(ValidationError) as caught:
        validate_password(password, user)
    return " ".join(caught.value.messages)


def in_form(password: str) -> list[str]:
    """What a form says of it; everything but a ValidationError comes out."""
    data = {"new_password1": password, "new_password2": password}
    errors = SetPasswordForm(User(username="eve"), data).errors.as_data()
    return [str(error.code) for each in errors.values() for error in each]


class TestUnusable:
    """What cannot be a password is refused by each one alone, with the same words."""

    @pytest.mark.parametrize("name", NAMES)
    @pytest.mark.parametrize("password", HALVES, ids=ascii)
    def test_half_a_character(self, settings: Settings, name: str, password: str) -> None:
        use(settings, name)
        assert codes(password) == ["password_not_text"]
        assert in_form(password) == ["password_not_text"]
        assert "not valid text" in message(password)

    @pytest.mark.parametrize("name", NAMES)
    @pytest.mark.parametrize("unit", ["correct horse ", "\U0001f600b", "a\u0308b"], ids=ascii)
    def test_too_long(self, settings: Settings, name: str, unit: str) -> None:
        use(settings, name)
        longest = (unit * 4096)[:4096]
        assert codes(longest) in ([], ["password_breached"])  # the one list has repetitions
        assert codes(longest + "x") == in_form(longest + "x") == ["password_too_long"]
        assert "At most 4096 characters" in message(longest + "x")

    @pytest.mark.parametrize("name", NAMES)
    @pytest.mark.parametrize("password", ["", " ", "\1", "\n", "\ufeff", "\u202e", "\U0010ffff"])
    def test_odd_but_text(self, settings: Settings, name: str, password: str) -> None:
        use(settings, name)
        assert set(codes(password)) <= {"password_too_short", "password_breached"}
        in_form(password)


class TestLength:
    @pytest.mark.parametrize(
        ("options", "least"),
        [
            ({}, 15),
            ({"mfa": True}, 8),
            ({"min_length": 20}, 20),
            ({"min_length": 20, "mfa": True}, 20),
        ],
    )
    def test_the_least(self, settings: Settings, options: dict[str, Any], least: int) -> None:
        use(settings, "Length", **options)
        assert codes("x" * (least - 1)) == ["password_too_short"]
        assert codes("x" * least) == codes("x" * 64) == codes("x" * 4096) == []
        assert f"at least {least} characters" in message("x")
        assert f"at least {least} characters" in password_validators_help_texts()[0]

    def test_where_the_project_asserts_a_second_factor(self, settings: Settings) -> None:
        use(settings, "Length")
        settings.CREDFIREWALL = {"MFA_ASSERTED": True}
        assert codes("x" * 8) == []
        settings.CREDFIREWALL = {"MFA_ASSERTED": False}
        assert codes("x" * 8) == ["password_too_short"]

    def test_one_character_is_in_the_singular(self, settings: Settings) -> None:
        use(settings, "Length", min_length=1)
        assert message("") == "This password is too short. Use at least 1 character."

    @pytest.mark.parametrize("character", ["a", " ", "ä", "漢", "\U0001f600", "\1"], ids=ascii)
    def test_code_points_count(self, settings: Settings, character: str) -> None:
        use(settings, "Length")
        assert codes(character * 15) == []
        assert codes(character * 14) == ["password_too_short"]

    def test_in_the_composed_form(self, settings: Settings) -> None:
        use(settings, "Length")
        for length, expected in ((15, []), (14, ["password_too_short"])):
            decomposed = unicodedata.normalize("NFD", "ä" * length)
            assert len(decomposed) == 2 * length
            assert codes(decomposed) == codes("ä" * length) == expected

    def test_no_mix_of_kinds_is_asked_for(self, settings: Settings) -> None:
        use(settings, "Length")
        for password in ("a" * 15, "1" * 15, " " * 15, "!" * 15, LONG):
            assert codes(password) == []


class TestContextWords:
    @pytest.fixture(autouse=True)
    def _words(self, settings: Settings) -> None:
        use(settings, "ContextWords", words=["Frobnicator"])
        settings.CREDFIREWALL = {**settings.CREDFIREWALL, "CONTEXT_WORDS": ["Acme Rockets"]}

    @pytest.mark.parametrize(
        "password",
        ["acme rockets", "ACME ROCKETS", "AcmeRockets2026!", "4cm3 r0ck3t5", "stekcoRemcA",
         "frobnicator", "Frobnicator123", "frobnicator frobnicator", "acmerocketsfrobnicator"],
    )  # fmt: skip
    def test_nothing_but_words_of_the_site(self, password: str) -> None:
        assert codes(password) == in_form(password) == ["password_context_word"]

    @pytest.mark.parametrize("password", [LONG, "acme rockets sell well in spring", "frob", ""])
    def test_a_phrase_may_contain_them(self, password: str) -> None:
        assert codes(password) == []

    @pytest.mark.parametrize(
        "password",
        ["wilhelmina", "Wilhelmina1!", "Featherstonehaugh", "wilhelminafeatherstonehaugh",
         "w.feather@example.org", "billie-jean", "naeJ-eilliB"],
    )  # fmt: skip
    def test_nor_the_user_s_own(self, password: str) -> None:
        user = User(
            username="Billie-Jean",
            first_name="Wilhelmina",
            last_name="Featherstonehaugh",
            email="w.feather@example.org",
        )
        assert codes(password, user) == ["password_context_word"]
        assert codes(password) == codes(password, AnonymousUser()) == []

    @pytest.mark.parametrize("user", [None, AnonymousUser(), SimpleNamespace(), object(), "x"])
    def test_any_user_will_do(self, user: object) -> None:
        assert codes(LONG, user) == []

    def test_it_says_why(self) -> None:
        assert "name of this site" in message("acme rockets")
        assert "your name" in password_validators_help_texts()[0]


class TestBreached:
    @pytest.fixture(autouse=True)
    def _alone(self, settings: Settings) -> None:
        use(settings, "BreachedPassword")

    @pytest.mark.parametrize(
        ("count", "words"), [(1, "appeared 1 time in"), (2, "appeared 2 times in")]
    )
    def test_it_says_how_often(self, count: int, words: str) -> None:
        with breached({LONG: count}):
            assert codes(LONG) == in_form(LONG) == ["password_breached"]
            assert words in message(LONG)

    def test_a_list_does_not_count(self, settings: Settings) -> None:
        settings.CREDFIREWALL = {"SOURCES": ["bundled"]}
        assert codes("password1") == in_form("password1") == ["password_breached"]
        assert "list of common or forbidden passwords" in message("password1")

    def test_neither_the_password_nor_its_hash_is_in_the_error(self) -> None:
        with breached({LONG: 2}), pytest.raises(ValidationError) as caught:
            validate_password(LONG)
        (error,) = caught.value.error_list
        shown = repr([error, error.params, error.messages]).lower()
        assert LONG not in shown
        assert hashlib.sha1(LONG.encode()).hexdigest()[:5] not in shown

    def test_nobody_knows(self, settings: Settings) -> None:
        with unknown():
            assert codes(LONG) == in_form(LONG) == []
            settings.CREDFIREWALL = {**settings.CREDFIREWALL, "ON_UNKNOWN": "reject"}
            assert codes(LONG) == in_form(LONG) == ["password_breach_unknown"]
            assert "try again" in message(LONG)

    def test_below_the_least_count_it_passes(self, settings: Settings) -> None:
        with breached({LONG: 4}):
            settings.CREDFIREWALL = {**settings.CREDFIREWALL, "MIN_COUNT": 5}
            assert codes(LONG) == []

    def test_a_phrase_that_contains_a_breached_word_passes(self) -> None:
        with breached("unrelated"):
            assert codes(LONG) == []

    def test_what_is_said_of_it_beforehand(self) -> None:
        (text,) = password_validators_help_texts()
        assert "known from data breaches" in text
        assert "leaves this server" in text


@pytest.mark.django_db
class TestBlocklist:
    @pytest.fixture(autouse=True)
    def _alone(self, settings: Settings) -> None:
        use(settings, "Blocklist")
        settings.CREDFIREWALL = {**settings.CREDFIREWALL, "ON_UNKNOWN": "reject"}

    @pytest.mark.parametrize("password", ["password1", "PASSWORD1", "Acme Rockets", "acme rockets"])
    def test_what_is_on_a_list(self, settings: Settings, password: str) -> None:
        settings.CREDFIREWALL = {**settings.CREDFIREWALL, "CONTEXT_WORDS": ["Acme Rockets"]}
        assert codes(password) == in_form(password) == ["password_breached"]
        assert "list of common or forbidden passwords" in message(password)

    def test_nobody_else_is_asked(self, settings: Settings) -> None:
        with RangeServer({LONG: 17}) as hibp, breached({LONG: 3}):
            keys = {"SOURCES": ["hibp"], "HIBP_URL": hibp.url}
            settings.CREDFIREWALL = {**settings.CREDFIREWALL, **keys}
            assert codes(LONG) == []
            assert hibp.count == 0

    def test_it_promises_less(self) -> None:
        (text,) = password_validators_help_texts()
        assert "list of common or forbidden passwords" in text
        assert "breach" not in text


@pytest.mark.django_db
class TestAll:
    @pytest.fixture(autouse=True)
    def _together(self, settings: Settings) -> None:
        use(settings, *NAMES)
        settings.CREDFIREWALL = {**settings.CREDFIREWALL, "ON_UNKNOWN": "reject"}

    def test_a_good_one(self) -> None:
        assert codes(LONG) == in_form(LONG) == []

    def test_each_has_its_say(self) -> None:
        with breached("eve12345678"):
            said = codes("eve12345678", User(username="eve"))
        assert said == ["password_too_short", "password_context_word", "password_breached"]

    def test_each_says_beforehand_what_it_does(self) -> None:
        texts = password_validators_help_texts()
        assert len(set(texts)) == len(texts) == 4
        assert all(text.strip() for text in texts)

    def test_they_take_no_options_that_they_do_not_know(self) -> None:
        for cls in (ContextWordsValidator, BreachedPasswordValidator, BlocklistValidator):
            with pytest.raises(TypeError):
                cls(min_length=8)  # type: ignore[call-arg]  # that is the point
        with pytest.raises(TypeError):
            LengthValidator(words=[])  # type: ignore[call-arg]  # that is the point

    def test_with_nothing_configured(self, settings: Settings) -> None:
        """An adopter who sets no key of CREDFIREWALL gets working validators."""
        del settings.CREDFIREWALL
        with breached({LONG: 2}):
            assert codes(LONG) == ["password_breached"]

    def test_they_are_made_once(self) -> None:
        assert get_default_password_validators() is get_default_password_validators()


class TestLetterAndDigit:
    """PCI DSS 8.3.6, for projects that are bound by it."""

    @pytest.mark.parametrize("password", ["letters only", "1234567890", "!?-", "", "٣٤٥", "é"])
    def test_refused(self, settings: Settings, password: str) -> None:
        use(settings, "LetterAndDigit")
        assert codes(password) == ["password_composition"]
        assert "one digit" in message(password)

    @pytest.mark.parametrize("password", ["a1", "é٣", "字 9"])
    def test_accepted(self, settings: Settings, password: str) -> None:
        use(settings, "LetterAndDigit")
        assert codes(password) == []
