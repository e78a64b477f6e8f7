"""The audit pages in a real browser, under the demo's strict Content-Security-Policy."""

import random
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from django.contrib.auth.models import User

from credfirewall.audit import verifying
from credfirewall.audit.events import (
    AuditRead,
    Code,
    LimitHit,
    LoginRefused,
    Party,
    PasswordGenerated,
    ScreeningDegraded,
    ScreeningRecovered,
    ScreeningRefused,
    ScreeningUnknown,
)
from credfirewall.audit.models import AuditEvent
from project.environment import own_folder
from tests.audit import seeding
from tests.project.test_browser import (  # noqa: F401 - a fixture
    CONTRASTS,
    DESKTOP,
    SCHEMES,
    SCREENSHOTS,
    Open,
    open_page,
    overflow,
)

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("site")]

PHONE = {"width": 375, "height": 740}
LIST = "/admin/credfirewall/auditevent/"
DJANGO = {"A.: Django administration"}
"""What Django itself shows in colours that are too close."""
OVERVIEW = f"{LIST}overview/"


@pytest.fixture
def ada(transactional_db: None) -> User:
    return User.objects.create_superuser("ada", "ada@example.com", "brackish teapots of Oslo")


@pytest.fixture
def log(ada: User) -> User:
    """A week's log, sealed but for the last rows."""
    dice = random.Random(7)
    dana = User.objects.create_user("dana.of.the.long.name@example.com")
    people = [dana, ada, Party("user", "77", "robin"), Party("anonymous")]
    for number in range(160):
        at = seeding.ago(minutes=7 + 13 * number + dice.random() * 300)
        who = dice.choice(people)
        address = dice.choice(["203.0.113.0/24", "198.51.100.0/24", "2001:db8:a:0::/48"])
        event = dice.choice(
            [
                ScreeningRefused(source=Code("hibp"), count=dice.randrange(1, 10**6)),
                ScreeningRefused(source=Code("hibp"), count=2),
                ScreeningRefused(source=Code("bundled"), count=None),
                ScreeningRefused(source=Code("blocklist"), count=None),
                ScreeningUnknown(reason=Code("timeout"), accepted=True),
                LimitHit(rate=Code("check")),
                LoginRefused(reason=Code("exposed")),
                PasswordGenerated(kind=Code("words"), count=1, length=44, entropy_bits=129.2),
                AuditRead(view=Code("list"), filters=()),
            ]
        )
        seeding.add(event, at, actor=who, subject=dana, address=address, request_id=f"r{number}")
    for hours, minutes in ((20, 35), (9, 150), (3, 4)):
        down = ScreeningDegraded(source=Code("hibp"), state=Code("open"), reason=Code("timeout"))
        seeding.add(down, seeding.ago(hours=hours))
        back = seeding.ago(hours=hours) + timedelta(minutes=minutes)
        seeding.add(ScreeningRecovered(source=Code("hibp")), back)
    sealed = seeding.seal(seeding.ago(minutes=3))
    for _ in range(3):
        seeding.add(LimitHit(rate=Code("check")), seeding.ago(minutes=1), actor=dana)
    report = verifying.Report(log=sealed[-1].log.hex, seal=sealed[-1].position)
    verifying.remember(report, "default", seeding.ago(minutes=2))
    return ada


def shot(page: "Page", name: str) -> None:
    """Look at the page on a phone and a desktop, light and dark: it fits, and can be read."""
    assert page.locator("body.cf-audit").count() == 1
    for device, size in {"phone": PHONE, "desktop": DESKTOP}.items():
        page.set_viewport_size({"width": size["width"], "height": size["height"]})
        for scheme in SCHEMES:
            page.emulate_media(color_scheme=scheme)
            page.wait_for_timeout(200)  # the admin fades the colour of its links
            file = own_folder(SCREENSHOTS) / f"audit-{name}-{device}-{scheme}.png"
            page.screenshot(path=file, full_page=True)
            found = page.evaluate(CONTRASTS)
            assert [text for ratio, text in found if ratio < 4.5 and text not in DJANGO] == []
        assert overflow(page) == 0, device


def test_from_signing_in_to_an_export(open_page: Open, log: User) -> None:  # noqa: F811
    page = open_page("/admin/")
    page.get_by_label("Username").fill("ada")
    page.get_by_label("Password").fill("brackish teapots of Oslo")
    page.get_by_role("button", name="Log in").click()
    page.get_by_role("link", name="Audit events").first.click()

    page.get_by_label("Event", exact=True).select_option(label="Breached password refused")
    page.get_by_label("Source", exact=True).select_option(label="Bundled list")
    page.get_by_role("button", name="Apply filters", exact=True).click()
    outcomes = page.locator(".cf-outcome").all_inner_texts()
    assert outcomes and set(outcomes) == {"Refused"}

    with page.expect_download() as downloading:
        page.get_by_role("button", name="CSV").click()
    lines = Path(downloading.value.path()).read_text().splitlines()
    assert len(lines) == 1 + len(outcomes)
    assert re.fullmatch(r"audit-\d{8}T\d{6}Z\.csv", downloading.value.suggested_filename)

    page.get_by_role("link", name=re.compile("^dana.of")).first.click()
    assert page.locator("h1").inner_text().startswith("Timeline of")
    page.locator(".cf-rows th a").last.click()
    assert "This row is as it was recorded." in page.locator(".cf-findings").inner_text()

    page.get_by_role("link", name="Audit events").first.click()
    page.get_by_role("link", name="Overview").click()
    seals = page.get_by_role("region", name="Seals").inner_text()
    assert re.search(r"Sealed to \d\d:\d\d, \d+ rows waiting, verified \d\d:\d\d\.", seals)
    recorded = AuditEvent.objects.filter(event="audit_read", actor_id=str(log.pk))
    assert recorded.filter(at__gt=datetime.now(UTC) - timedelta(minutes=1)).count() >= 6


@pytest.mark.parametrize("name", ["list", "event", "timeline", "overview", "overview-7d"])
def test_fits_and_can_be_read(open_page: Open, log: User, name: str) -> None:  # noqa: F811
    refused = AuditEvent.objects.filter(event="screening_refused").first()
    assert refused is not None
    paths = {
        "list": f"{LIST}?event=screening_refused",
        "event": f"{LIST}{refused.pk}/change/",
        "timeline": f"{LIST}timeline/?type=user&id={log.pk}",
        "overview": OVERVIEW,
        "overview-7d": f"{OVERVIEW}?span=7d",
    }
    shot(open_page(paths[name], user=log), name)


def test_the_overview_by_keyboard_and_without_scripts(
    open_page: Open,  # noqa: F811
    log: User,
) -> None:
    page = open_page(OVERVIEW, user=log, scripts=False)
    page.get_by_role("link", name="7 days").focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**span=7d")
    assert page.get_by_role("link", name="7 days").get_attribute("aria-current") == "true"

    panel = page.get_by_role("region", name="Refused passwords", exact=True).first
    table = panel.locator("table")
    assert not table.is_visible()
    panel.locator("summary").focus()
    page.keyboard.press("Enter")
    assert table.is_visible()
    page.keyboard.press("Tab")
    page.keyboard.press("End")  # what scrolls can be scrolled with keys


def test_a_screen_reader_hears_what_a_chart_shows(
    open_page: Open,  # noqa: F811
    log: User,
) -> None:
    page = open_page(OVERVIEW, user=log)
    chart = page.get_by_role("img", name=re.compile("^Refused passwords"))
    assert chart.count() == 1
    tree = page.get_by_role("region", name="Top actors").first.aria_snapshot()
    assert "columnheader" in tree and "rowheader" in tree
    assert "img" not in tree  # the bars say nothing that the numbers do not


def test_rows_keep_their_columns_on_a_phone(open_page: Open, log: User) -> None:  # noqa: F811
    page = open_page(f"{LIST}?event=limit_hit", user=log, size=PHONE)
    first = page.get_by_role("row").nth(1)
    assert first.get_by_role("cell").count() >= 3  # empty ones are left out
    assert "Outcome: " in first.locator("td").nth(1).evaluate(
        "(e) => getComputedStyle(e, '::before').content"
    )
    for control in page.locator(".cf-filters select, .cf-filters button, .cf-times a").all():
        box = control.bounding_box()
        assert box is not None and box["height"] >= 28
