"""The demo site in a real browser: what a person sees, types, and hears from a screen reader."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

import pytest
from django.contrib.auth.models import User
from django.test import Client
from pytest_django.live_server_helper import LiveServer

from credfirewall.signals import source_degraded
from credfirewall.testing import breached, unknown
from project.environment import own_folder

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("site")]

BREACHED = "correct horse battery staple"
CLEAN = "seven umbrellas never sing"
OLD = "brackish teapots dream of Oslo"
PHONE = {"width": 360, "height": 740}
DESKTOP = {"width": 1280, "height": 860}
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
SCREENSHOTS = Path(__file__).resolve().parents[1] / "screenshots"

Open = Callable[..., "Page"]

CONTRASTS = """() => {
  const channels = (color) => color.match(/[\\d.]+/g).map(Number);
  const luminance = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map((c) => {
      c /= 255;
      return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const background = (element) => {
    for (let each = element; each; each = each.parentElement) {
      const color = channels(getComputedStyle(each).backgroundColor);
      if (color.length === 3 || color[3] === 1) return color;
    }
    return [255, 255, 255];
  };
  const found = [];
  for (const element of document.querySelectorAll("body *")) {
    const says = [...element.childNodes].some((n) => n.nodeType === 3 && n.data.trim());
    if (!(says || element.matches("input")) || !element.checkVisibility()) continue;
    const style = getComputedStyle(element);
    const [a, b] = [luminance(channels(style.color)), luminance(background(element))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    found.push([ratio, `${element.tagName}.${element.className}: ${element.textContent.trim()}`]);
  }
  return found;
}"""
"""The contrast of every element that shows text of its own, by the formula of WCAG."""


@pytest.fixture
def open_page(browser: "Browser", live_server: LiveServer) -> Iterator[Open]:
    """Open pages of the site; afterwards none may have complained or asked anybody else."""
    complaints: list[str] = []
    contexts: list[BrowserContext] = []
    hosts = {urlsplit(live_server.url).netloc}

    def note_message(message: "ConsoleMessage") -> None:
        is_failure = "Failed to load resource" in message.text and len(hosts) > 1
        if message.type in {"error", "warning"} and not is_failure:
            complaints.append(message.text)

    def note_request(request: "Request") -> None:
        if urlsplit(request.url).netloc not in hosts:
            complaints.append(f"asked {request.url}")

    def open_page(
        path: str = "/",
        *,
        size: dict[str, int] = DESKTOP,
        user: User | None = None,
        scripts: bool = True,
        asks: str = "",
    ) -> "Page":
        if asks:  # which may fail
            hosts.add(urlsplit(asks).netloc)
        context = browser.new_context(
            base_url=live_server.url,
            viewport={"width": size["width"], "height": size["height"]},
            java_script_enabled=scripts,
        )
        contexts.append(context)
        context.set_default_timeout(10_000)
        if user is not None:
            client = Client()
            client.force_login(user)
            context.add_cookies(
                [
                    {"name": name, "value": cookie.value, "url": live_server.url}
                    for name, cookie in client.cookies.items()
                ]
            )
        page = context.new_page()
        page.on("console", note_message)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", note_request)
        page.goto(path)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not complaints


@pytest.fixture
def dana(transactional_db: None) -> User:
    return User.objects.create_user("dana", "dana@example.com", OLD)


def sign_up(page: "Page", password: str, again: str | None = None, username: str = "robin") -> None:
    page.get_by_label("Username").fill(username)
    page.get_by_label("Password", exact=True).fill(password)
    page.get_by_label("Password confirmation").fill(password if again is None else again)
    page.get_by_role("button", name="Create account").click()


def overflow(page: "Page") -> int:
    """How far the page can be scrolled sideways, in pixels."""
    return int(page.evaluate("document.documentElement.scrollWidth - innerWidth"))


def focused(page: "Page") -> str:
    """What has the focus, as a short name."""
    return str(
        page.evaluate(
            "(({id, className, textContent}) => id || className || textContent.trim())"
            "(document.activeElement)"
        )
    )


# Sign-up


def test_a_breached_password_is_refused_with_the_reason(open_page: Open) -> None:
    page = open_page()
    page.get_by_role("link", name="Create an account").click()
    page.get_by_label("Email address").fill("dana@example.com")
    with breached({BREACHED: 321}):
        sign_up(page, BREACHED)
    summary = page.get_by_role("alert")
    assert "321 times in known data breaches" in summary.inner_text()
    assert focused(page) == "refused"
    assert page.title().startswith("Not accepted: ")
    assert page.get_by_label("Username").input_value() == "robin"
    assert page.get_by_label("Email address").input_value() == "dana@example.com"
    assert page.get_by_label("Password", exact=True).input_value() == ""
    assert not User.objects.exists()

    summary.get_by_role("link", name="Password", exact=True).click()
    assert focused(page) == "id_password1"
    error = page.locator("#id_password1_error")
    assert error.is_visible()
    assert "321" in error.inner_text()

    with breached(BREACHED):
        sign_up(page, CLEAN)
    assert "Your account is ready" in page.get_by_role("status").inner_text()
    assert "in no breach" in page.get_by_role("status").inner_text()
    assert User.objects.get().check_password(CLEAN)


def test_a_service_out_of_reach_is_said(open_page: Open) -> None:
    page = open_page("/accounts/signup/")
    with unknown():
        sign_up(page, CLEAN)
    assert "did not answer" in page.get_by_role("status").inner_text()


def test_by_keyboard_alone(open_page: Open) -> None:
    page = open_page()
    keyboard = page.keyboard
    keyboard.press("Tab")
    assert focused(page) == "skip"
    assert page.locator(".skip").bounding_box()["y"] >= 0  # type: ignore[index]
    keyboard.press("Enter")
    assert focused(page) == "main"
    keyboard.press("Tab")
    keyboard.press("Enter")
    page.wait_for_url("**/accounts/signup/")

    def fill_in(password: str) -> None:
        keyboard.type(password)
        keyboard.press("Tab")
        assert focused(page) == "reveal"
        keyboard.press("Tab")
        assert focused(page) == "button quiet"
        keyboard.press("Tab")
        assert focused(page) == "id_password2"
        keyboard.type(password)
        keyboard.press("Enter")

    assert focused(page) == "id_username"
    keyboard.type("dana")
    for field in ("id_first_name", "id_email", "id_password1"):
        keyboard.press("Tab")
        assert focused(page) == field
    with breached(BREACHED), page.expect_navigation():
        fill_in(BREACHED)
    assert focused(page) == "refused"
    keyboard.press("Tab")
    keyboard.press("Enter")
    assert focused(page) == "id_password1"
    with breached(BREACHED):
        fill_in(CLEAN)
        page.wait_for_url(re.compile(r"://[^/]+/$"))
    assert User.objects.get().check_password(CLEAN)


def test_whatever_has_the_focus_shows_it(open_page: Open) -> None:
    page = open_page("/accounts/signup/")
    page.evaluate("document.activeElement.blur()")
    seen = []
    for _ in range(page.locator("a, button, input:not([type=hidden])").count() + 1):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement === document.body"):
            continue  # past the last one, into the browser's own controls
        seen.append(focused(page))
        style, width = page.evaluate(
            "(({outlineStyle, outlineWidth}) => [outlineStyle, parseFloat(outlineWidth)])"
            "(getComputedStyle(document.activeElement))"
        )
        assert style != "none", seen
        assert width >= 2, seen
    assert {"skip", "id_password1", "reveal", "button wide"} <= set(seen)


# The password field


def test_reveal_toggle(open_page: Open) -> None:
    page = open_page("/accounts/signup/")
    field = page.get_by_label("Password", exact=True)
    toggle = page.get_by_role("button", name="Show the password").first
    assert toggle.get_attribute("aria-controls") == "id_password1"
    field.fill("open sesame")
    assert (field.get_attribute("type"), toggle.get_attribute("aria-pressed")) == (
        "password",
        "false",
    )
    toggle.click()
    assert (field.get_attribute("type"), toggle.get_attribute("aria-pressed")) == ("text", "true")
    assert field.input_value() == "open sesame"
    assert page.locator("#id_password2").get_attribute("type") == "password"
    toggle.focus()
    page.keyboard.press("Space")
    assert field.get_attribute("type") == "password"


def test_a_revealed_password_is_hidden_before_it_is_sent(open_page: Open) -> None:
    page = open_page("/accounts/signup/")
    page.get_by_role("button", name="Show the password").first.click()
    page.locator("main form").evaluate("""(form) => form.addEventListener("submit", (event) => {
        event.preventDefault();
        document.title = form.password1.type;
    })""")
    sign_up(page, CLEAN)
    assert page.title() == "password"


def test_paste_works(open_page: Open) -> None:
    page = open_page("/accounts/signup/")
    page.get_by_label("First name").fill(CLEAN)
    page.keyboard.press("Control+A")
    page.keyboard.press("Control+C")
    for field in ("#id_password1", "#id_password2"):
        page.locator(field).focus()
        page.keyboard.press("Control+V")
        assert page.locator(field).input_value() == CLEAN


def test_without_scripts_there_is_no_toggle_and_all_else_works(open_page: Open) -> None:
    page = open_page("/accounts/signup/", scripts=False)
    assert page.locator(".reveal").count() == 0
    with breached(BREACHED):
        sign_up(page, BREACHED)
        assert "known data breaches" in page.get_by_role("alert").inner_text()
        sign_up(page, CLEAN)
    assert "Your account is ready" in page.get_by_role("status").inner_text()


# How it looks


def shown(open_page: Open, name: str, user: User) -> "Page":
    """Open the page ``name`` in the state in which there is most to see."""
    if name == "refused":
        page = open_page("/accounts/signup/")
        with breached({BREACHED: 24_230_577}):
            sign_up(page, BREACHED, "something else")
        return page
    if name == "unreachable":
        source_degraded.send(object, source="hibp", state="degraded", reason="timeout")
        return open_page("/accounts/signup/")
    if name == "signed-up":
        page = open_page("/accounts/signup/")
        with unknown():
            sign_up(page, CLEAN, username="a.name.longer.than.most@example.com")
        return page
    if name in {"change", "changed"}:
        user.is_staff = True
        user.save()
        return open_page(PATHS[name], user=user)
    return open_page(PATHS[name])


PATHS = {
    "home": "/",
    "sign-in": "/accounts/login/",
    "change": "/accounts/password_change/",
    "changed": "/accounts/password_change/done/",
    "reset": "/accounts/password_reset/",
    "reset-sent": "/accounts/password_reset/done/",
    "reset-broken": "/accounts/reset/MQ/broken/",
    "reset-complete": "/accounts/reset/done/",
}


@pytest.mark.parametrize("name", ["refused", "unreachable", "signed-up", *PATHS])
def test_fits_and_can_be_read(open_page: Open, dana: User, name: str) -> None:
    page = shown(open_page, name, dana)
    for device, size in {"phone": PHONE, "desktop": DESKTOP}.items():
        page.set_viewport_size({"width": size["width"], "height": size["height"]})
        assert overflow(page) == 0
        assert not page.locator("h1").evaluate("(e) => e.scrollWidth > e.clientWidth")
        for scheme in SCHEMES:
            page.emulate_media(color_scheme=scheme)
            contrasts = page.evaluate(CONTRASTS)
            assert len(contrasts) > 5
            assert [text for ratio, text in contrasts if ratio < 4.5] == []
            file = own_folder(SCREENSHOTS) / f"{name}-{device}-{scheme}.png"
            page.screenshot(path=file, full_page=True)


def test_touch_targets_are_large_enough(open_page: Open) -> None:
    page = open_page("/accounts/signup/", size=PHONE)
    for control in page.locator("main button, main input:not([type=hidden]), nav a").all():
        box = control.bounding_box()
        assert box is not None
        assert box["height"] >= 40
        assert box["width"] >= 40
