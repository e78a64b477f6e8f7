"""Every page and flow of the demo site, through Django's test client."""

import re
from html.parser import HTMLParser
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core import mail
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from credfirewall.screening.verdict import Status, Verdict
from credfirewall.signals import source_degraded
from credfirewall.testing import breached, faults, unknown
from credfirewall.testing.server import RangeServer
from project.demo import screening, views
from project.demo.middleware import ContentSecurityPolicyMiddleware

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("site")]

BREACHED = "correct horse battery staple"
CLEAN = "seven umbrellas never sing"
OTHER = "brackish teapots dream of Oslo"
OPEN_PAGES = ("home", "signup", "login", "password_reset", "password_reset_done")


class Page(HTMLParser):
    """The elements of a page, flat, and its text."""

    def __init__(self, response: Any) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self.html = response.content.decode()
        self.feed(self.html)
        self.text = " ".join(self.text.split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_data(self, data: str) -> None:
        self.text += f" {data}"

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.elements if name == tag]

    def by_id(self, element: str) -> dict[str, str]:
        (found,) = [each for _, each in self.elements if each.get("id") == element]
        return found

    def inputs(self) -> dict[str, dict[str, str]]:
        return {each["name"]: each for each in self.all("input")}


def sign_up(client: Client, password: str, **more: str) -> Any:
    form = {"username": "dana", "password1": password, "password2": password, **more}
    return client.post("/accounts/signup/", form, follow=True)


@pytest.fixture
def dana() -> User:
    return User.objects.create_user("dana", "dana@example.com", OTHER)


@pytest.fixture
def signed_in(client: Client, dana: User) -> Client:
    client.force_login(dana)
    return client


# Every page


@pytest.mark.parametrize("name", OPEN_PAGES)
def test_open_page(client: Client, name: str) -> None:
    response = client.get(reverse(name))
    page = Page(response)
    assert response.status_code == 200
    assert len(page.all("h1")) == 1
    assert page.all("html")[0]["lang"] == "en"
    assert "width=device-width" in page.html


@pytest.mark.parametrize("name", [*OPEN_PAGES, "password_change", "password_change_done"])
def test_nothing_inline_and_nothing_foreign(signed_in: Client, name: str) -> None:
    response = signed_in.get(reverse(name), follow=True)
    page = Page(response)
    policy = response.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert not page.all("style")
    for tag, attributes in page.elements:
        assert "style" not in attributes, tag
        assert not [name for name in attributes if name.startswith("on")], tag
        for name in ("src", "href", "action"):
            assert attributes.get(name, "/").startswith(("/", "#")), attributes
            assert not attributes.get(name, "/").startswith("//"), attributes
    assert all("src" in script for script in page.all("script"))


@pytest.mark.parametrize("name", ["signup", "login"])
def test_pages_with_passwords_are_not_cached(client: Client, name: str) -> None:
    assert "no-store" in client.get(reverse(name)).headers["Cache-Control"]


def test_labels_and_autocomplete(client: Client, dana: User) -> None:
    expected = {
        "signup": {
            "username": "username",
            "first_name": "given-name",
            "email": "email",
            "password1": "new-password",
            "password2": "new-password",
        },
        "login": {"username": "username", "password": "current-password"},
        "password_reset": {"email": "email"},
        "password_change": {
            "username": "username",
            "old_password": "current-password",
            "new_password1": "new-password",
            "new_password2": "new-password",
        },
    }
    for name, fields in expected.items():
        if name == "password_change":
            client.force_login(dana)
        page = Page(client.get(reverse(name)))
        inputs = page.inputs()
        labelled = {label["for"] for label in page.all("label")}
        for field, token in fields.items():
            assert inputs[field]["autocomplete"] == token
            assert "hidden" in inputs[field] or inputs[field]["id"] in labelled
            if "password" in field:
                assert inputs[field]["type"] == "password"
                assert "maxlength" not in inputs[field]


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("signup", "username"),
        ("login", "username"),
        ("password_reset", "email"),
        ("password_change", "old_password"),
    ],
)
def test_the_first_field_has_the_focus(client: Client, dana: User, name: str, field: str) -> None:
    if name == "password_change":
        client.force_login(dana)
    inputs = Page(client.get(reverse(name))).inputs()
    assert [each for each, attributes in inputs.items() if "autofocus" in attributes] == [field]


def test_home_says_how_it_screens(client: Client, settings: Settings) -> None:
    settings.CREDFIREWALL = {
        "SOURCES": ["bundled", "hibp", "example.Own"],
        "HIBP_URL": "https://ranges.example.com/range/",
        "HIBP_DEADLINE": 1.5,
    }
    text = Page(client.get("/")).text
    assert text.index("Bundled list") < text.index("Have I Been Pwned") < text.index("example.Own")
    assert "ranges.example.com" in text
    assert "1.5 seconds" in text
    assert "the password is accepted, and the page says so" in text
    settings.CREDFIREWALL = {"SOURCES": ["corpus"], "ON_UNKNOWN": "reject"}
    text = Page(client.get("/")).text
    assert "the password is refused" in text
    assert "What leaves this server nothing" in text
    assert "Have I Been Pwned" not in text


# Sign-up


def test_sign_up_with_breached_password(client: Client) -> None:
    with breached({BREACHED: 321}):
        response = sign_up(client, BREACHED, first_name="Dana", email="dana@example.com")
    page = Page(response)
    assert not User.objects.exists()
    assert response.status_code == 200
    assert "321 times in known data breaches" in page.text
    assert page.html.count("321") == 2  # in the summary and beside the field
    assert "<title>Not accepted:" in page.html
    (summary,) = [each for _, each in page.elements if each.get("role") == "alert"]
    assert page.by_id(summary["aria-labelledby"]) is not None
    assert {"href": "#id_password1"} in page.all("a")
    password = page.inputs()["password1"]
    assert password["aria-invalid"] == "true"
    for described_by in password["aria-describedby"].split():
        assert page.by_id(described_by) is not None
    assert "id_password1_error" in password["aria-describedby"]
    assert "aria-invalid" not in page.inputs()["password2"]


def test_a_refusal_keeps_what_was_typed_but_passwords(client: Client) -> None:
    with breached(BREACHED):
        page = Page(sign_up(client, BREACHED, first_name="Dana", email="dana@example.com"))
    inputs = page.inputs()
    assert inputs["username"]["value"] == "dana"
    assert inputs["first_name"]["value"] == "Dana"
    assert inputs["email"]["value"] == "dana@example.com"
    assert "value" not in inputs["password1"]
    assert "value" not in inputs["password2"]
    assert BREACHED not in page.html


def test_sign_up_with_clean_password(client: Client) -> None:
    with breached(BREACHED):
        response = sign_up(client, CLEAN)
    page = Page(response)
    assert response.redirect_chain == [("/", 302)]
    assert User.objects.get().check_password(CLEAN)
    assert client.session["_auth_user_id"] == str(User.objects.get().pk)
    assert "Your account is ready" in page.text
    assert "in no breach that we know of" in page.text
    assert "did not answer" not in page.text


def test_sign_up_when_nobody_answers(client: Client) -> None:
    with unknown():
        page = Page(sign_up(client, CLEAN))
    assert User.objects.get().check_password(CLEAN)
    assert "The breach service did not answer" in page.text
    assert "in no breach" not in page.text


def test_sign_up_when_nobody_answers_and_that_refuses(client: Client, settings: Settings) -> None:
    settings.CREDFIREWALL = {**settings.CREDFIREWALL, "ON_UNKNOWN": "reject"}
    with unknown():
        page = Page(sign_up(client, CLEAN))
    assert not User.objects.exists()
    assert "could not be checked" in page.text


def test_sign_up_that_turns_out_breached(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """The service answers again between the validator and the page that follows."""
    verdict = Verdict(Status.BREACHED, 5, "hibp")
    monkeypatch.setattr(views, "screen", lambda password, user: verdict)
    with unknown():
        page = Page(sign_up(client, CLEAN))
    assert "Your password is in known breaches. Change it now." in page.text


@pytest.mark.parametrize("name", ["username", "first_name", "email"])
def test_sign_up_with_own_name(client: Client, name: str) -> None:
    value = "margarethamilton@example.com" if name == "email" else "margarethamilton"
    with breached():
        page = Page(sign_up(client, value, **{name: value}))
    assert not User.objects.exists()
    assert page.inputs()["password1"]["aria-invalid"] == "true"
    assert "own name or address" in page.text


@pytest.mark.usefixtures("no_network")
def test_without_network_the_bundled_list_refuses(client: Client) -> None:
    page = Page(sign_up(client, "password1234567890password"))
    assert not User.objects.exists()
    assert "list of common or forbidden passwords" in page.text


@pytest.mark.usefixtures("no_network")
def test_without_network_the_page_says_so(client: Client) -> None:
    page = Page(sign_up(client, CLEAN))
    assert User.objects.get().check_password(CLEAN)
    assert "The breach service did not answer" in page.text


@pytest.mark.parametrize(
    ("fault", "text"),
    [(None, "in no breach"), (faults.Status(503), "The breach service did not answer")],
    ids=["answers", "silent"],
)
def test_the_service_is_asked_once(
    client: Client, settings: Settings, fault: faults.Fault | None, text: str
) -> None:
    with RangeServer() as server:
        server.fault = fault
        settings.CREDFIREWALL = {**settings.CREDFIREWALL, "HIBP_URL": server.url}
        page = Page(sign_up(client, CLEAN))
        assert server.count == 1
    assert text in page.text


@pytest.fixture
def no_network(site: None, settings: Settings) -> None:
    """Nothing listens on the discard port."""
    url = "http://127.0.0.1:9/range/"
    settings.CREDFIREWALL = {**settings.CREDFIREWALL, "HIBP_URL": url}


def test_examples_of_the_home_page(client: Client) -> None:
    page = Page(client.get("/"))
    refused, short = re.findall(r'<li class="no">.*?<code>(.*?)</code>', page.html, re.DOTALL)
    assert refused == "password1234567890password"  # refused in a test above
    with breached():
        page = Page(sign_up(client, short.replace("&amp;", "&")))
    assert "too short" in page.text


@pytest.mark.parametrize(
    ("form", "field"),
    [
        ({"username": "no spaces"}, "username"),
        ({"email": "nowhere"}, "email"),
        ({"password2": "something else entirely"}, "password2"),
        ({"password1": "short", "password2": "short"}, "password1"),
        ({"password1": "x" * 4097, "password2": "x" * 4097}, "password1"),
    ],
)
def test_refusals_stand_beside_their_field(
    client: Client, form: dict[str, str], field: str
) -> None:
    with breached():
        page = Page(sign_up(client, CLEAN, **form))
    assert not User.objects.exists()
    assert page.inputs()[field]["aria-invalid"] == "true"
    assert {"href": f"#id_{field}"} in page.all("a")


def test_a_name_in_use_is_said(client: Client, dana: User) -> None:
    with breached():
        page = Page(sign_up(client, CLEAN, username="DANA"))
    assert "already exists" in page.text


def test_sign_up_while_signed_in(signed_in: Client) -> None:
    assert signed_in.get("/accounts/signup/").headers["Location"] == "/"


# The state of the breach service


def test_a_silent_service_is_said_until_it_answers(client: Client) -> None:
    notice = "The breach service did not answer when it was last asked"
    for state in ("degraded", "open"):
        source_degraded.send(object, source="hibp", state=state, reason="timeout")
        for name in ("home", "signup"):
            assert notice in Page(client.get(reverse(name))).text
        assert "did not answer" in Page(client.get("/")).text
    source_degraded.send(object, source="hibp", state="recovered", reason="")
    assert "did not answer" not in Page(client.get("/")).text


def test_a_silent_list_is_not_taken_for_the_service(client: Client) -> None:
    source_degraded.send(object, source="blocklist", state="degraded", reason="database")
    text = Page(client.get("/")).text
    assert "Own words did not answer" in text
    assert "The breach service did not answer" not in text


# Sign-in and sign-out


def test_sign_in_and_out(client: Client, dana: User) -> None:
    form = {"username": "dana", "password": OTHER, "next": "/accounts/password_change/"}
    response = client.post("/accounts/login/", form)
    assert response.headers["Location"] == "/accounts/password_change/"
    assert client.get("/accounts/logout/").status_code == 405
    assert "Sign out" in Page(client.get("/")).text
    client.post("/accounts/logout/")
    assert "Sign out" not in Page(client.get("/")).text


def test_sign_in_refused(client: Client, dana: User) -> None:
    response = client.post("/accounts/login/", {"username": "dana", "password": CLEAN})
    page = Page(response)
    assert "correct username and password" in page.text
    assert page.inputs()["username"]["value"] == "dana"
    assert "value" not in page.inputs()["password"]


def test_sign_in_does_not_lead_away(client: Client, dana: User) -> None:
    form = {"username": "dana", "password": OTHER, "next": "https://example.com/"}
    assert client.post("/accounts/login/", form).headers["Location"] == "/"


def test_only_staff_see_the_way_to_the_admin(signed_in: Client, dana: User) -> None:
    assert "Admin" not in Page(signed_in.get("/")).text
    User.objects.filter(pk=dana.pk).update(is_staff=True)
    assert "Admin" in Page(signed_in.get("/")).text


# Change


def change(client: Client, password: str, old: str = OTHER) -> Any:
    form = {"old_password": old, "new_password1": password, "new_password2": password}
    return client.post("/accounts/password_change/", form, follow=True)


def test_change_needs_an_account(client: Client) -> None:
    response = client.get("/accounts/password_change/")
    assert response.headers["Location"] == "/accounts/login/?next=/accounts/password_change/"


def test_change_to_breached_password(signed_in: Client, dana: User) -> None:
    with breached({BREACHED: 77}):
        page = Page(change(signed_in, BREACHED))
    dana.refresh_from_db()
    assert dana.check_password(OTHER)
    assert "77 times" in page.text
    assert page.inputs()["new_password1"]["aria-invalid"] == "true"
    assert "aria-invalid" not in page.inputs()["new_password2"]
    assert page.inputs()["username"]["value"] == "dana"


def test_change_to_clean_password(signed_in: Client, dana: User) -> None:
    elsewhere = Client()
    elsewhere.force_login(dana)
    with breached(BREACHED):
        page = Page(change(signed_in, CLEAN))
    dana.refresh_from_db()
    assert dana.check_password(CLEAN)
    assert "Password changed" in page.text
    assert "in no breach" in page.text
    assert signed_in.get("/accounts/password_change/").status_code == 200
    assert elsewhere.get("/accounts/password_change/").status_code == 302


def test_change_when_nobody_answers(signed_in: Client) -> None:
    with unknown():
        assert "did not answer" in Page(change(signed_in, CLEAN)).text


def test_change_with_wrong_old_password(signed_in: Client, dana: User) -> None:
    with breached():
        page = Page(change(signed_in, CLEAN, old="not it"))
    assert page.inputs()["old_password"]["aria-invalid"] == "true"
    dana.refresh_from_db()
    assert dana.check_password(OTHER)


# Reset


def ask_for_link(client: Client, address: str = "dana@example.com") -> Any:
    return client.post("/accounts/password_reset/", {"email": address}, follow=True)


def link() -> str:
    (message,) = mail.outbox
    found = re.search(r"http://testserver(/accounts/reset/\S+)", str(message.body))
    assert found
    return found[1]


def test_reset(client: Client, dana: User) -> None:
    page = Page(ask_for_link(client))
    assert "Look into your mail" in page.text
    assert "in the terminal" in page.text
    assert "var/mail/" in page.text
    (message,) = mail.outbox
    assert message.to == ["dana@example.com"]
    assert str(message.subject) == "A new password for testserver"
    assert '"dana"' in str(message.body)

    response = client.get(link(), follow=True)
    form = response.redirect_chain[-1][0]
    assert link() not in form
    assert Page(response).inputs()["new_password1"]["autocomplete"] == "new-password"
    assert "autofocus" in Page(response).inputs()["new_password1"]

    with breached({BREACHED: 9}):
        page = Page(client.post(form, {"new_password1": BREACHED, "new_password2": BREACHED}))
        assert "9 times" in page.text
        assert page.inputs()["new_password1"]["aria-invalid"] == "true"
        assert page.inputs()["username"]["value"] == "dana"
        dana.refresh_from_db()
        assert dana.check_password(OTHER)

        answers = {"new_password1": CLEAN, "new_password2": CLEAN}
        page = Page(client.post(form, answers, follow=True))
    assert "Your new password is set" in page.text
    assert "in no breach" in page.text
    assert {"class": "button", "href": "/accounts/login/"} in page.all("a")
    dana.refresh_from_db()
    assert dana.check_password(CLEAN)
    assert "This link does not work" in Page(client.get(link())).text


def test_reset_outside_the_demo_speaks_of_no_terminal(
    client: Client, dana: User, settings: Settings
) -> None:
    settings.DEMO = False
    page = Page(ask_for_link(client))
    assert "terminal" not in page.text
    assert "on your own machine" not in page.text


def test_reset_for_an_unknown_address_looks_the_same(client: Client, dana: User) -> None:
    known, unknown_address = ask_for_link(client), ask_for_link(client, "nobody@example.com")
    assert len(mail.outbox) == 1
    assert known.content == unknown_address.content


def test_reset_with_a_broken_link(client: Client, dana: User) -> None:
    page = Page(client.get("/accounts/reset/MQ/not-a-token/"))
    assert "This link does not work" in page.text
    assert {"class": "button", "href": "/accounts/password_reset/"} in page.all("a")


# When something is wrong


def test_no_such_page(client: Client) -> None:
    response = client.get("/nowhere/")
    assert response.status_code == 404
    assert "There is no such page" in Page(response).text


def test_an_expired_form(dana: User) -> None:
    client = Client(enforce_csrf_checks=True)
    response = client.post("/accounts/login/", {"username": "dana", "password": OTHER})
    page = Page(response)
    assert response.status_code == 403
    assert "The form has expired" in page.text
    assert OTHER not in page.html


def test_a_fault_says_nothing_of_what_is_inside(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise RuntimeError("the inside")

    monkeypatch.setattr(screening, "sources", fail)
    response = Client(raise_request_exception=False).get("/")
    assert response.status_code == 500
    page = Page(response)
    assert "Something broke" in page.text
    assert "inside" not in page.html


# The policy header


def test_a_view_may_have_a_policy_of_its_own() -> None:
    own = ContentSecurityPolicyMiddleware(
        lambda request: HttpResponse(headers={"Content-Security-Policy": "default-src 'self'"})
    )
    ours = ContentSecurityPolicyMiddleware(lambda request: HttpResponse())
    header = "Content-Security-Policy"
    assert own(HttpRequest()).headers[header] == "default-src 'self'"
    assert ours(HttpRequest()).headers[header].startswith("default-src 'none'; script-src 'self'")
