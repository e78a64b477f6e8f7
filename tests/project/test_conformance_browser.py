"""The conformance report in a real browser, under the demo's strict Content-Security-Policy."""

import pytest
from django.contrib.auth.models import User

from credfirewall.conformance import registered
from project.environment import own_folder
from tests.project.test_browser import (  # noqa: F401 - a fixture
    CONTRASTS,
    DESKTOP,
    SCHEMES,
    SCREENSHOTS,
    Open,
    open_page,
    overflow,
)

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("site")]

PAGE = "/admin/credfirewall/conformancereport/"
PASSWORD = "brackish teapots of Oslo"
PHONE = {"width": 375, "height": 740}
DJANGO = {"A.: Django administration"}
"""What Django itself shows in colours that are too close."""


def test_it_is_found_read_and_fits(open_page: Open, transactional_db: None) -> None:  # noqa: F811
    User.objects.create_superuser("ada", "ada@example.com", PASSWORD)
    page = open_page("/admin/")
    page.get_by_label("Username").fill("ada")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.get_by_role("link", name="Conformance").first.click()
    assert page.url.endswith(PAGE)

    rows = {key for key, row in registered().items() if "nist" in row.profiles}
    shown = page.locator(".cf-rows tbody tr").evaluate_all("rows => rows.map(row => row.id)")
    assert set(shown) == rows
    section = page.get_by_role("region", name="The site around it")
    assert "ASVS 3.4.1" in section.inner_text()
    page.get_by_role("link", name="PCI DSS").click()
    assert "PCI DSS 8.3.6" in page.locator("#content").inner_text()

    for device, size in {"phone": PHONE, "desktop": DESKTOP}.items():
        page.set_viewport_size({"width": size["width"], "height": size["height"]})
        for scheme in SCHEMES:
            page.emulate_media(color_scheme=scheme)
            page.wait_for_timeout(200)  # the admin fades the colour of its links
            file = own_folder(SCREENSHOTS) / f"conformance-{device}-{scheme}.png"
            page.screenshot(path=file, full_page=True)
            found = page.evaluate(CONTRASTS)
            assert [text for ratio, text in found if ratio < 4.5 and text not in DJANGO] == []
        assert overflow(page) == 0, device
