"""What the pages say about screening: where it asks, and whether the answers came."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpRequest
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from credfirewall.conf import conf

Text = str | Promise

SOURCES: dict[str, tuple[Text, Text]] = {
    "blocklist": (_("Own words"), _("Words that the people who run this site have barred.")),
    "bundled": (
        _("Bundled list"),
        _("Common passwords and what people make of them. Part of the app, so always there."),
    ),
    "hibp": (
        _("Have I Been Pwned"),
        _("Passwords seen in known breaches. A part of a hash is sent, never the password."),
    ),
    "corpus": (
        _("Offline corpus"),
        _("Passwords seen in known breaches, kept in a file here. Nothing is sent anywhere."),
    ),
}

LISTS = frozenset({"blocklist", "bundled"})
"""Sources that know some words only."""

_silent: set[str] = set()
"""Names of the sources that stopped answering, as this process was told."""


def remember(*, source: str, state: str, **kwargs: Any) -> None:
    """Keep which source is silent. Receives ``source_degraded``."""
    if state == "recovered":
        _silent.discard(source)
    else:
        _silent.add(source)


def forget() -> None:
    """Start anew."""
    _silent.clear()


@dataclass(frozen=True, slots=True)
class SourceRow:
    """A source as the home page shows it."""

    name: Text
    what: Text
    host: str
    silent: bool


def sources() -> list[SourceRow]:
    """Return the configured sources in the order in which they are asked."""
    host = urlsplit(conf.HIBP_URL).netloc
    return [
        SourceRow(
            *SOURCES.get(name, (name, _("A source of this project's own."))),
            host=host if name == "hibp" else "",
            silent=name in _silent,
        )
        for name in conf.SOURCES
    ]


def service_silent() -> bool:
    """Whether whoever knows the breaches last failed to answer this process."""
    return bool(_silent - LISTS)


def context(request: HttpRequest) -> dict[str, Any]:
    """For every page: whether the breach service is silent, whether this is the demo, and the range
    server that browsers may ask."""
    return {
        "source_silent": service_silent(),
        "demo": getattr(settings, "DEMO", False),
        "browser_range_url": getattr(settings, "BROWSER_RANGE_URL", ""),
    }
