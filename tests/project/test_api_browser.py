"""The page of the API in a real browser, under the demo's strict Content-Security-Policy."""

from typing import TYPE_CHECKING, Literal

import pytest
from django.contrib.auth.models import User

from project.environment import own_folder
from tests.project.test_browser import (  # noqa: F401 - a fixture
    CONTRASTS,
    DESKTOP,
    PHONE,
    SCHEMES,
    SCREENSHOTS,
    Open,
    open_page,
    overflow,
)

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("site")]


@pytest.fixture
def ada(transactional_db: None) -> User:
    return User.objects.create_superuser("ada", "ada@example.com", "brackish teapots of Oslo")


@pytest.fixture
def page(open_page: Open, ada: User) -> "Page":  # noqa: F811
    return open_page("/api/v1/docs", user=ada)


def test_the_page_is_styled_and_leads_to_each_endpoint(page: "Page") -> None:
    assert page.evaluate("getComputedStyle(document.body).maxWidth") == "992px"
    page.get_by_role("link", name="GET /api/v1/audit/events").click()
    section = page.get_by_role("region", name="GET /api/v1/audit/events", exact=True)
    assert "credfirewall.view_auditevent and a staff account" in section.inner_text()
    assert section.get_by_role("table", name="Parameters").is_visible()
    assert section.get_by_role("table", name="Errors").get_by_text("permission_denied").is_visible()


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_the_page_can_be_read(
    page: "Page", scheme: Literal["light", "dark"], size: dict[str, int]
) -> None:
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": size["width"], "height": size["height"]})
    assert overflow(page) <= 0
    assert [found for found in page.evaluate(CONTRASTS) if found[0] < 4.5] == []
    device = "phone" if size is PHONE else "desktop"
    path = own_folder(SCREENSHOTS) / f"api-docs-{device}-{scheme}.png"
    page.screenshot(path=path, full_page=True)
