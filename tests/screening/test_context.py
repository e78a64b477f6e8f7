"""Context words: what counts as made from them, what does not, and where they come from."""

import time
from types import SimpleNamespace

import pytest
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import AnonymousUser, User

from credfirewall.screening.context import is_derived, user_words
from credfirewall.screening.digest import MAX_CODE_POINTS, fold

WORDS = ("Acme Corp", "acme", "José", "Straße", "Alice", "smith", "john")


@pytest.mark.parametrize(
    "password",
    [
        pytest.param("acme", id="itself"),
        pytest.param("ACME", id="case"),
        pytest.param("Acme Corp", id="two words"),
        pytest.param("acmecorp", id="separator left out"),
        pytest.param("acme-corp", id="another separator"),
        pytest.param("acme!corp", id="a separator that may be a letter"),
        pytest.param("A.C.M.E", id="separators put in"),
        pytest.param("acme2024", id="year after"),
        pytest.param("2024acme!", id="year before, sign after"),
        pytest.param("acme2024acme", id="year between"),
        pytest.param("Acme1234567890!!", id="a run counts little"),
        pytest.param("acme!!!!!!!!!!!!!!", id="so does one sign over and over"),
        pytest.param("acme0987654321", id="a run downwards"),
        pytest.param("acmeacmeacmeacme", id="repeated"),
        pytest.param("-".join(["acme"] * 12), id="repeated with separators"),
        pytest.param("acme" * 1024, id="repeated up to the limit"),
        pytest.param("emca", id="backwards"),
        pytest.param("htimsnhoj", id="name backwards"),
        pytest.param("@cm3", id="signs for letters"),
        pytest.param("@cme-c0rp", id="signs for letters and a separator"),
        pytest.param("j0hn$m1th", id="signs in joined words"),
        pytest.param("a1ice", id="1 for l"),
        pytest.param("al1ce", id="1 for i"),
        pytest.param("al!c3", id="! for i"),
        pytest.param("5m17h5m17h", id="5 for s, 7 for t"),
        pytest.param("John.Smith.1990", id="joined with a year"),
        pytest.param("smithjohn01011990", id="joined with a date of birth"),
        pytest.param("jose2024", id="without the accent"),
        pytest.param("JOSÉ2024", id="with the accent, upper case"),
        pytest.param("Jose\u0301!", id="NFD"),
        pytest.param("STRASSE99", id="sharp s"),
    ],
)
def test_refuses_derivatives(password: str) -> None:
    assert is_derived(fold(password), WORDS)


@pytest.mark.parametrize(
    "password",
    [
        pytest.param("", id="nothing"),
        pytest.param("12345678", id="decoration alone"),
        pytest.param("the acme corp is my favourite place", id="a phrase with a word in it"),
        pytest.param("acme corp sells red anvils", id="a phrase that begins with words"),
        pytest.param("acmexk", id="two other letters"),
        pytest.param("xacme", id="another letter before"),
        pytest.param("acm", id="a part of a word"),
        pytest.param("acme73920184756", id="eleven digits of no pattern"),
        pytest.param("acme)(&^%#{}[]<>?", id="many different signs"),
        pytest.param("7)3(9&2^0acme", id="nine before"),
        pytest.param("73920acme18475", id="ten around"),
        pytest.param("correct horse battery staple", id="other words"),
    ],
)
def test_lets_pass_what_holds_more_than_context(password: str) -> None:
    assert not is_derived(fold(password), WORDS)


@pytest.mark.parametrize(("digits", "derived"), [("73920184", True), ("739201847", False)])
def test_eight_characters_of_decoration_are_the_limit(digits: str, derived: bool) -> None:
    assert is_derived("acme" + digits, WORDS) is derived
    assert is_derived(digits + "acme", WORDS) is derived


def test_the_reading_with_the_least_decoration_counts() -> None:
    assert is_derived("acme2acme73920184", ["acme", "2acme"])
    assert not is_derived("acme2acme73920184", ["acme"])


@pytest.mark.parametrize(
    ("value", "weight_left"),
    [("12345", 6), ("98765", 6), ("11111", 6), ("13579", 3), ("!?!?!?!?", 4), ("90123", 6)],
)
def test_runs_and_signs_seen_before_count_as_little(value: str, weight_left: int) -> None:
    fits, too_much = "73920184"[:weight_left], "73920184"[: weight_left + 1]
    assert is_derived(f"acme{value}acme{fits}", WORDS)
    assert not is_derived(f"acme{value}acme{too_much}", WORDS)


def test_words_under_three_characters_do_not_count() -> None:
    assert not is_derived("ab123", ["ab", " a ", "a-b", ""])
    assert is_derived("abc123", ["abc"])
    assert is_derived("李小龙123", ["李小龙"])


def test_words_may_hold_their_separators() -> None:
    assert is_derived("john@acme.example73920184", ["john@acme.example"])


@pytest.mark.parametrize("value", ["\u0131stanbul34", fold("İSTANBUL34"), fold("istanbul34")])
@pytest.mark.parametrize("word", ["İstanbul", "istanbul", "ISTANBUL"])
def test_turkish_i_is_an_i(value: str, word: str) -> None:
    assert is_derived(value, [word])


@pytest.mark.parametrize(
    ("value", "words"),
    [
        pytest.param("a" * MAX_CODE_POINTS, ["a" * n for n in range(3, 53)], id="all one letter"),
        pytest.param("1!" * (MAX_CODE_POINTS // 2), ["i" * n for n in range(3, 53)], id="signs"),
        pytest.param("é1" * (MAX_CODE_POINTS // 2), ["é1" * n for n in range(2, 52)], id="accents"),
        pytest.param("a" * (MAX_CODE_POINTS - 1) + "b", ["aaa", "aaaaa"] * 25, id="last one off"),
    ],
)
def test_the_longest_value_and_fifty_words_take_no_time_to_speak_of(
    value: str, words: list[str]
) -> None:
    began = time.process_time()
    is_derived(fold(value), words)
    assert time.process_time() - began < 1.0


def test_words_of_a_user() -> None:
    user = User(
        username="jdoe7", first_name="Mary Ann", last_name="Doe", email="mary.doe-x@mail.acme.co.uk"
    )
    words = {fold(word) for word in user_words(user)}
    assert {"jdoe7", "mary ann", "doe", "mary ann doe", "doe mary ann", "mdoe"} <= words
    assert {"mary.doe-x@mail.acme.co.uk", "mary.doe-x", "mary", "mail", "acme"} <= words
    assert words.isdisjoint({"ann", "x", "co", "uk", ""})


@pytest.mark.parametrize(
    "password",
    [
        "MaryAnnDoe2024!",
        "doe.mary.ann",
        "mdoe1234567890",
        "jdoe7jdoe7jdoe7",
        "mary.doe-x@mail.acme.co.uk",
        "acme-mary-1990",
    ],
)
def test_a_users_own_words_are_refused(password: str) -> None:
    user = User(
        username="jdoe7", first_name="Mary Ann", last_name="Doe", email="mary.doe-x@mail.acme.co.uk"
    )
    assert is_derived(fold(password), user_words(user))
    assert not is_derived(fold(password + " likes trains"), user_words(user))


def test_a_username_that_is_an_address_is_taken_apart() -> None:
    assert {"grace", "navy", "hopper"} <= set(user_words(User(username="grace.hopper@navy.mil")))


@pytest.mark.parametrize(
    "user",
    [
        None,
        AnonymousUser(),
        object(),
        User(),
        SimpleNamespace(username=None, first_name=None, email=None),
        SimpleNamespace(email="@", username="@@", first_name="  ", last_name="\t"),
    ],
)
def test_users_without_names_have_no_words(user: object) -> None:
    assert user_words(user) == []


def test_custom_users_are_asked_for_their_fields() -> None:
    class Member(AbstractBaseUser):
        handle = "skywalker"
        mailbox = "luke@tatooine.example"
        USERNAME_FIELD = "handle"
        EMAIL_FIELD = "mailbox"

        class Meta:
            abstract = True

    member = SimpleNamespace(
        get_username=lambda: Member.handle,
        get_email_field_name=Member.get_email_field_name,
        get_full_name=lambda: "Luke Skywalker",
        mailbox=Member.mailbox,
        email="not@this.one",
    )
    words = user_words(member)
    assert {"skywalker", "luke", "tatooine", "Luke Skywalker", "Luke"} <= set(words)
    assert {"not@this.one", "example"}.isdisjoint(words)


def test_a_user_whose_methods_fail_has_fewer_words() -> None:
    """One who is just signing up has no profile to take a name from."""

    class Unsaved:
        username = "luke"

        def get_full_name(self) -> str:
            raise AttributeError("profile")

        @property
        def first_name(self) -> str:
            raise ValueError

    assert user_words(Unsaved()) == ["luke"]


def test_a_username_may_be_a_number() -> None:
    assert user_words(SimpleNamespace(username=4711)) == ["4711"]
