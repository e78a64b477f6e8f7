"""What the pages add to the field of a new password where scripts run, in a real browser."""

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from django.contrib.auth.models import User
from django.core.cache import cache
from pytest_django import Settings

from credfirewall.audit.models import AuditEvent
from credfirewall.testing import breached, faults
from credfirewall.testing.server import RangeServer
from project.environment import origins, own_folder
from tests.project.test_browser import (  # noqa: F401 - fixtures
    CLEAN,
    CONTRASTS,
    DESKTOP,
    OLD,
    PHONE,
    SCHEMES,
    SCREENSHOTS,
    Open,
    dana,
    focused,
    open_page,
    overflow,
    sign_up,
)

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("site")]

SIGN_UP, CHANGE = "/accounts/signup/", "/accounts/password_change/"
SUGGEST = "Suggest a password"


def states(page: "Page") -> list[str | None]:
    """How the rules are marked, once they are."""
    rules = page.locator("#id_password1_helptext li")
    rules.locator(".unseen").first.wait_for(state="attached")
    return [rule.get_attribute("data-state") for rule in rules.all()]


def heard(page: "Page") -> str:
    return page.locator(".assist .unseen").inner_text()


def said(page: "Page") -> str:
    line = page.locator(".assist .help")
    line.filter(has_text=".").wait_for()
    return line.inner_text()


# The rules


def test_rules_are_marked_while_one_types(open_page: Open) -> None:  # noqa: F811
    page = open_page(SIGN_UP)
    assert states(page) == [None, None, None]
    field = page.get_by_label("Password", exact=True)
    field.press_sequentially("fourteen chars")
    assert states(page) == ["broken", None, None]
    assert heard(page).startswith("Not met yet: Use at least 15 characters.")
    assert "(not met yet)" in page.locator("#id_password1_helptext").inner_text()
    field.press_sequentially("!")
    assert states(page) == ["met", None, None]
    assert heard(page) == "What can be told while you type is met."
    field.fill("")
    assert states(page) == ["", None, None]


def test_what_is_said_changes_only_when_the_rules_do(open_page: Open) -> None:  # noqa: F811
    page = open_page(SIGN_UP)
    states(page)
    page.evaluate("""() => {
      window.changes = 0;
      const status = document.querySelector(".assist .unseen");
      new MutationObserver(() => window.changes++).observe(status, { childList: true });
    }""")
    page.get_by_label("Password", exact=True).press_sequentially("twenty characters :)")
    assert page.evaluate("window.changes") == 2


def test_too_long_is_said(open_page: Open) -> None:  # noqa: F811
    page = open_page(SIGN_UP)
    states(page)
    page.get_by_label("Password", exact=True).fill("x" * 4097)
    assert said(page) == "This is longer than any password may be."
    page.get_by_label("Password", exact=True).fill("x" * 4096)
    assert page.locator(".assist .help").inner_text() == ""


def test_rules_of_others_are_left_to_the_server(open_page: Open, settings: Settings) -> None:  # noqa: F811
    validators = "django.contrib.auth.password_validation"
    settings.AUTH_PASSWORD_VALIDATORS = [
        {"NAME": f"{validators}.NumericPasswordValidator"},
        {"NAME": f"{validators}.UserAttributeSimilarityValidator"},
    ]
    page = open_page(SIGN_UP)
    page.get_by_label("Password", exact=True).fill("1234")
    assert states(page) == ["broken", None]


# A suggestion


def test_a_suggestion_for_who_is_signed_in(open_page: Open, dana: User) -> None:  # noqa: F811
    page = open_page(CHANGE, user=dana)
    page.get_by_role("button", name=SUGGEST).click()
    assert said(page).startswith("A password is filled in.")
    field = page.get_by_label("New password", exact=True)
    suggested = field.input_value()
    assert len(suggested.split("-")) == 6
    assert field.get_attribute("type") == "text"
    assert page.locator("#id_new_password2").get_attribute("type") == "password"
    page.get_by_label("Old password").fill(OLD)
    with breached("another one"):
        page.get_by_role("button", name="Change password").click()
        page.wait_for_url("**/done/")
    dana.refresh_from_db()
    assert dana.check_password(suggested)
    event = AuditEvent.objects.get(event="password_generated")
    assert json.loads(event.details)["policy_checked"] is True


def test_a_suggestion_for_a_new_account_by_keyboard(open_page: Open) -> None:  # noqa: F811
    page = open_page(SIGN_UP)
    page.get_by_label("Username").fill("robin")
    button = page.get_by_role("button", name=SUGGEST)
    button.focus()
    page.keyboard.press("Enter")
    assert said(page).startswith("A password is filled in.")
    assert focused(page) == "button quiet"
    suggested = page.get_by_label("Password", exact=True).input_value()
    assert len(suggested) == 20
    with breached("another one"):
        page.get_by_role("button", name="Create account").click()
        page.get_by_role("status").filter(has_text="Your account is ready").wait_for()
    assert User.objects.get().check_password(suggested)


def test_no_suggestion_is_said(open_page: Open, settings: Settings) -> None:  # noqa: F811
    settings.CREDFIREWALL = {**settings.CREDFIREWALL, "RATES": {"generate": "1/m"}}
    cache.clear()
    page = open_page(SIGN_UP, asks="http://limits.example")  # the browser logs the refusal
    button = page.get_by_role("button", name=SUGGEST)
    button.click()
    assert said(page).startswith("A password is filled in.")
    page.get_by_label("Password", exact=True).fill(CLEAN)
    button.click()
    assert said(page).startswith("There is no suggestion at the moment.")
    assert page.get_by_label("Password", exact=True).input_value() == CLEAN


def test_without_scripts_there_is_none(open_page: Open) -> None:  # noqa: F811
    page = open_page(SIGN_UP, scripts=False)
    assert page.get_by_text("Use at least 15 characters.").is_visible()
    assert page.get_by_role("button", name=SUGGEST).count() == 0


# Known breaches, asked for by the browser


@pytest.fixture
def ranges(settings: Settings, site: None) -> Iterator[RangeServer]:
    """A range server that browsers may ask; this site's own server asks nobody."""
    with RangeServer({OLD: 17_043}) as server:
        settings.BROWSER_RANGE_URL = server.url
        connect = ["'self'", *origins(server.url)]
        settings.SECURE_CSP = {**settings.SECURE_CSP, "connect-src": connect}
        settings.CREDFIREWALL = {**settings.CREDFIREWALL, "SOURCES": ["bundled"]}
        yield server


def test_a_breach_is_told_before_anything_is_sent(
    open_page: Open,  # noqa: F811
    ranges: RangeServer,
    transactional_db: None,
) -> None:
    page = open_page(SIGN_UP, asks=ranges.url)
    sign_up(page, OLD)
    alert = page.get_by_role("alert").filter(has_text="17,043")
    alert.wait_for()
    assert (focused(page), page.url.endswith(SIGN_UP)) == ("id_password1", True)
    assert not User.objects.exists()
    assert {each.path.rpartition("/")[0] for each in ranges.requests} == {"/range"}
    for asked in ranges.requests:
        assert not {"cookie", "referer"} & asked.headers.keys()

    page.get_by_label("Password", exact=True).fill(CLEAN)
    assert alert.count() == 0
    page.get_by_label("Password confirmation").fill(CLEAN)
    page.get_by_role("button", name="Create account").click()
    page.get_by_role("status").filter(has_text="Your account is ready").wait_for()
    assert User.objects.get().check_password(CLEAN)


def test_who_insists_is_answered_by_the_server(
    open_page: Open,  # noqa: F811
    ranges: RangeServer,
    transactional_db: None,
) -> None:
    page = open_page(SIGN_UP, asks=ranges.url)
    sign_up(page, OLD)
    page.get_by_role("alert").filter(has_text="17,043").wait_for()
    page.get_by_role("button", name="Create account").click()
    page.get_by_role("status").filter(has_text="Your account is ready").wait_for()
    assert User.objects.get().check_password(OLD)


@pytest.mark.parametrize(
    "fault",
    [faults.Status(503, {"Access-Control-Allow-Origin": "*"}), faults.Empty(), None],
    ids=str,
)
def test_no_answer_keeps_nobody_away(
    open_page: Open,  # noqa: F811
    ranges: RangeServer,
    transactional_db: None,
    fault: faults.Fault | None,
) -> None:
    ranges.fault = fault
    if fault is None:
        ranges.stop()
    page = open_page(SIGN_UP, asks=ranges.url)
    sign_up(page, OLD)
    page.get_by_role("status").filter(has_text="Your account is ready").wait_for()
    assert User.objects.get().check_password(OLD)


# How it looks


@pytest.mark.parametrize("name", ["broken", "suggested", "breached"])
def test_fits_and_can_be_read(open_page: Open, ranges: RangeServer, name: str) -> None:  # noqa: F811
    page = open_page(SIGN_UP, asks=ranges.url)
    states(page)
    if name == "broken":
        page.get_by_label("Password", exact=True).fill("too short")
    elif name == "suggested":
        page.get_by_role("button", name=SUGGEST).click()
        said(page)
    else:
        sign_up(page, OLD)
        page.get_by_role("alert").filter(has_text="17,043").wait_for()
    for device, size in {"phone": PHONE, "desktop": DESKTOP}.items():
        page.set_viewport_size({"width": size["width"], "height": size["height"]})
        assert overflow(page) == 0
        for scheme in SCHEMES:
            page.emulate_media(color_scheme=scheme)
            assert [text for ratio, text in page.evaluate(CONTRASTS) if ratio < 4.5] == []
            file = own_folder(SCREENSHOTS) / f"password-{name}-{device}-{scheme}.png"
            page.screenshot(path=file, full_page=True)
