"""Keeping the blocklist in the admin."""

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse

from credfirewall.screening import admin
from credfirewall.screening.admin import MOST_AT_ONCE
from credfirewall.screening.digest import Candidate
from credfirewall.screening.models import BlockedWord
from credfirewall.screening.sources.blocklist import BlocklistSource

LIST = reverse("admin:credfirewall_blockedword_changelist", urlconf="tests.urls")
ADD = reverse("admin:credfirewall_blockedword_add", urlconf="tests.urls")


def words() -> list[str]:
    return [word.word for word in BlockedWord.objects.order_by("pk")]


def errors(client: Client, url: str, **data: str) -> dict[str, list[str]]:
    response = client.post(url, data)
    assert response.status_code == 200, "the form was accepted"
    found: dict[str, list[str]] = response.context["adminform"].form.errors
    return found


def change_url(word: BlockedWord) -> str:
    return reverse("admin:credfirewall_blockedword_change", args=[word.pk])


def test_the_pages_open(admin_client: Client) -> None:
    word = BlockedWord.objects.create(word="Excelsior", note="our product")
    for url in (LIST, ADD, change_url(word)):
        assert admin_client.get(url).status_code == 200


def test_one_word_is_added_and_refused_from_then_on(admin_client: Client) -> None:
    admin_client.post(ADD, {"word": "Excelsior", "note": "our product", "more": ""})
    word = BlockedWord.objects.get()
    assert (word.word, word.folded, word.note) == ("Excelsior", "excelsior", "our product")
    source = BlocklistSource()
    source.refresh()
    assert source.lookup(Candidate.of("EXCELSIOR")).found


def test_many_words_are_added_at_once(admin_client: Client) -> None:
    BlockedWord.objects.create(word="known")
    more = "Anvil\r\n\r\n  two words \nANVIL\nKnown\nexcelsior\n"
    response = admin_client.post(
        ADD, {"word": "Excelsior", "note": "products", "more": more}, follow=True
    )
    assert words() == ["known", "Excelsior", "ANVIL", "two words"]
    assert [word.note for word in BlockedWord.objects.order_by("pk")] == ["", *["products"] * 3]
    assert "2 further words were added." in response.content.decode()
    assert LogEntry.objects.count() == 3


def test_a_duplicate_in_another_case_is_a_clear_error(admin_client: Client) -> None:
    BlockedWord.objects.create(word="Excelsior")
    assert errors(admin_client, ADD, word="EXCELSIOR", more="Anvil") == {
        "word": ["This word is blocked already, in this or another case."]
    }
    assert words() == ["Excelsior"]


def test_wrong_lines_are_quoted_and_nothing_is_added(admin_client: Client) -> None:
    more = "fine\n" + "x" * 256 + "\n" + "ß" * 128
    assert errors(admin_client, ADD, word="Excelsior", more=more) == {
        "more": [
            "x" * 40 + ": Ensure this value has at most 255 characters (it has 256).",
            "ß" * 40 + ": This word is too long.",
        ]
    }
    assert words() == []


def test_too_many_are_counted_before_anything_is_made_of_them(
    admin_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def make(word: str) -> None:
        pytest.fail(f"made one of {word!r}")

    monkeypatch.setattr(admin, "BlockedWord", make)
    lines = "a\r\n \r\n" * (MOST_AT_ONCE + 1)
    assert errors(admin_client, ADD, word="Excelsior", more=lines) == {
        "more": ["At most 1000 words can be added at once."]
    }


def test_there_is_an_end_to_many(admin_client: Client) -> None:
    more = "\n".join(f"word {number}" for number in range(MOST_AT_ONCE + 1))
    assert errors(admin_client, ADD, word="Excelsior", more=more) == {
        "more": ["At most 1000 words can be added at once."]
    }
    assert words() == []


@pytest.mark.parametrize("word", ["", "   "])
def test_an_empty_word_is_an_error(admin_client: Client, word: str) -> None:
    assert errors(admin_client, ADD, word=word) == {"word": ["This field is required."]}


def test_a_word_is_changed_and_may_keep_its_letters(admin_client: Client) -> None:
    word = BlockedWord.objects.create(word="Excelsior")
    BlockedWord.objects.create(word="Anvil")
    for text, folded in (("EXCELSIOR", "excelsior"), ("Hammer", "hammer")):
        assert admin_client.post(change_url(word), {"word": text, "note": ""}).status_code == 302
        word.refresh_from_db()
        assert (word.word, word.folded) == (text, folded)
    assert list(errors(admin_client, change_url(word), word="ANVIL")) == ["word"]


@pytest.mark.parametrize("search", ["strasse", "STRASSE", "Straße", "road"])
def test_search_finds_a_word_in_any_case(admin_client: Client, search: str) -> None:
    BlockedWord.objects.create(word="STRAßE", note="a road")
    BlockedWord.objects.create(word="Anvil")
    response = admin_client.get(LIST, {"q": search})
    assert [word.word for word in response.context["cl"].queryset] == ["STRAßE"]


def test_deleted_words_are_allowed_from_then_on(admin_client: Client) -> None:
    word = BlockedWord.objects.create(word="Excelsior")
    source = BlocklistSource()
    source.refresh()
    data = {"action": "delete_selected", "_selected_action": str(word.pk), "post": "yes"}
    admin_client.post(LIST, data)
    assert words() == []
    source.refresh()
    assert not source.lookup(Candidate.of("excelsior")).found


def test_staff_need_the_permission(client: Client, db: None) -> None:
    staff = User.objects.create_user("ada", is_staff=True)
    client.force_login(staff)
    assert client.post(ADD, {"word": "Excelsior"}).status_code == 403
    staff.user_permissions.add(Permission.objects.get(codename="add_blockedword"))
    assert client.post(ADD, {"word": "Excelsior"}).status_code == 302
    assert words() == ["Excelsior"]
