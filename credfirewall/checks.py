"""System checks: each message has an id of its own and says what to do. docs/checks.md lists them.

Here: the dict ``CREDFIREWALL``. What the rest of a project's settings has to do with it is in
the modules beside this one whose names end in ``_checks``. Checks read settings and import what
those name: nothing is asked of a network or a cache, and of a database only when it is named. None
of them raises, whatever the settings hold, and none shows a key or an address, which may hold a
password.
"""

import os
import re
from collections.abc import Mapping
from contextlib import suppress
from ipaddress import ip_address, ip_network
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core import checks
from django.core.checks import Error, Warning  # noqa: A004 - Django's names

from credfirewall import (
    api_checks,
    audit_checks,
    cache_checks,
    hasher_checks,
    host_checks,
    limit_checks,
)
from credfirewall.checking import Messages, did_you_mean, load, shown
from credfirewall.conf import SETTINGS, conf, configured
from credfirewall.screening.sources import Source, chain

TAG = "credfirewall"
"""``manage.py check --tag credfirewall`` runs these checks alone."""

CHECKED_ALONE = {"HIBP_DEADLINE"}
"""Keys whose values have a message of their own."""

WITHOUT_EFFECT: tuple[str, ...] = ("CORPUS_PATH", "DELIVERY_", "LOGIN_MODE")
"""Beginnings of keys that nothing reads yet. A feature removes its own as it lands."""

LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1/128"))
_HOST_NAME = re.compile(r"[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*\.?", re.IGNORECASE)
LONGEST_SENSIBLE_TTL = 86_400


def register() -> None:
    """Register every check. Called once the apps are ready."""
    tags = (TAG, checks.Tags.security)
    for check in (
        check_dict,
        check_keys,
        check_values,
        check_effect,
        check_hibp_url,
        check_hibp_deadline,
        check_proxy,
        check_sources,
        check_delivery_ttl,
        check_delivery_max_ttl,
        host_checks.check_listed,
        host_checks.check_validator,
        host_checks.check_composition,
        host_checks.check_expiry,
        host_checks.check_minimum_length,
        host_checks.check_maximum_length,
        cache_checks.check_cache,
        cache_checks.check_serializer,
        cache_checks.check_shared_cache,
        cache_checks.check_pickle,
        cache_checks.check_cache_timeouts,
        audit_checks.check_key,
        audit_checks.check_key_is_there,
        audit_checks.check_retention,
        audit_checks.check_public_key,
        audit_checks.check_middleware,
        audit_checks.check_sqlite,
        api_checks.check_classes,
        api_checks.check_metrics_token,
        limit_checks.check_cache_of_limits,
        limit_checks.check_counting,
        limit_checks.check_enabled,
    ):
        checks.register(check, *tags)
    checks.register(hasher_checks.check_hashers, *tags, deploy=True)
    checks.register(audit_checks.check_key_is_there_in_production, *tags, deploy=True)
    checks.register(audit_checks.check_triggers, TAG, checks.Tags.database)


def check_dict(**_: Any) -> Messages:
    """CREDFIREWALL is a dict."""
    value = getattr(settings, "CREDFIREWALL", {})
    if not isinstance(value, Mapping):
        yield Error(
            f"CREDFIREWALL must be a dict, not {type(value).__name__}.",
            hint='Write CREDFIREWALL = {"ON_UNKNOWN": "reject"}, or remove it to have the '
            "defaults. As it is, none of it counts.",
            id="credfirewall.E001",
        )


def check_keys(**_: Any) -> Messages:
    """Every key is one that exists: a misspelt one would change nothing, silently."""
    for name in configured():
        if name not in SETTINGS:
            yield Error(
                f"CREDFIREWALL has an unknown key {shown(name)}.",
                hint=did_you_mean(name, SETTINGS) or "Remove it: no setting is named like this.",
                id="credfirewall.E002",
            )


def check_values(**_: Any) -> Messages:
    """Every value has the type and range of its key."""
    for name, setting in SETTINGS.items():
        if name not in CHECKED_ALONE and (problem := _problem(name)):
            default = setting.default
            default = [*default] if isinstance(default, tuple) else default  # as a host writes it
            yield Error(
                f'CREDFIREWALL["{name}"] {problem}.',
                hint=f"Correct it, or remove the key to have its default: {default!r}.",
                id="credfirewall.E003",
            )


def check_effect(**_: Any) -> Messages:
    """Nobody relies on a setting whose feature is yet to come."""
    idle = [
        f'"{name}"'
        for name, setting in SETTINGS.items()
        if name.startswith(WITHOUT_EFFECT)
        and getattr(conf, name) != setting.default
        and not _problem(name)
    ]
    if idle:
        yield Warning(
            f"CREDFIREWALL sets what has no effect in this version: {', '.join(idle)}.",
            hint="Remove it, and do not count on it: what it is for comes with a later version.",
            id="credfirewall.W015",
        )


def check_hibp_url(**_: Any) -> Messages:
    """HIBP_URL is a base address, and nobody on the way can read or forge what it answers."""
    if _problem("HIBP_URL"):
        return
    problem = _malformed(conf.HIBP_URL)
    if problem:
        yield Error(
            f'CREDFIREWALL["HIBP_URL"] {problem}.',
            hint="Give the address that the five characters of a prefix are appended to, such as "
            f'"{SETTINGS["HIBP_URL"].default}".',
            id="credfirewall.E004",
        )
    elif not _is_protected(conf.HIBP_URL):
        yield Error(
            'CREDFIREWALL["HIBP_URL"] is not https, so anyone on the way can read what is asked '
            "and forge the answer.",
            hint="Use https (ASVS 12.3.1). Plain http is for a server on this very machine: "
            "localhost, 127.0.0.0/8 or ::1.",
            id="credfirewall.E005",
        )


def check_hibp_deadline(**_: Any) -> Messages:
    """HIBP_DEADLINE is a time that a person would wait."""
    if problem := _problem("HIBP_DEADLINE"):
        yield Error(
            f'CREDFIREWALL["HIBP_DEADLINE"] {problem}.',
            hint="It is the longest that asking may take in total, in seconds. Use 2.0 unless a "
            "proxy or a distant mirror needs more (ASVS 13.1.3).",
            id="credfirewall.E006",
        )


def check_proxy(**_: Any) -> Messages:
    """Requests do not have to go through a kind of proxy that no client here speaks to."""
    # Asked first, because the HTTP clients take longer to load than most commands run.
    if not any(
        name.lower().endswith("_proxy") and _is_socks(value) for name, value in os.environ.items()
    ):
        return
    if _problem("SOURCES") or _problem("HIBP_URL") or _malformed(conf.HIBP_URL):
        return
    from credfirewall.screening.egress import proxy_for

    if "hibp" in conf.SOURCES and _is_socks(proxy_for(conf.HIBP_URL) or ""):
        yield Warning(
            'The environment names a SOCKS proxy for CREDFIREWALL["HIBP_URL"]. SOCKS proxies are '
            "not supported: screening would answer unknown.",
            hint="Name an HTTP proxy in HTTPS_PROXY, which comes before ALL_PROXY, or add the host "
            "to NO_PROXY if it can be reached without.",
            id="credfirewall.W017",
        )


def _is_socks(proxy: str) -> bool:
    return proxy.strip().lower().startswith("socks")


def check_sources(**_: Any) -> Messages:
    """SOURCES names sources that exist, each once."""
    if _problem("SOURCES"):
        return
    if not conf.SOURCES:
        yield Error(
            'CREDFIREWALL["SOURCES"] is empty, so no password is screened.',
            hint='Name at least one source, such as "hibp", or remove the key to have all three.',
            id="credfirewall.E007",
        )
    seen: set[str] = set()
    for name in conf.SOURCES:
        if name in seen:
            yield Warning(
                f'CREDFIREWALL["SOURCES"] names {shown(name)} more than once.',
                hint="Keep the first: a source is the same wherever it stands.",
                id="credfirewall.W001",
            )
        elif name not in chain.NAMES:
            yield from _check_source(name)
        seen.add(name)


def _check_source(name: str) -> Messages:
    if name == "corpus":
        yield Error(
            'CREDFIREWALL["SOURCES"] names "corpus", and this version has no corpus source.',
            hint='Remove it. "hibp" asks the same breaches online; a mirror of your own can be '
            "its HIBP_URL.",
            id="credfirewall.E008",
        )
    elif "." not in name:
        yield Error(
            f'CREDFIREWALL["SOURCES"] names an unknown source {shown(name)}.',
            hint=did_you_mean(name, chain.NAMES)
            or f"Name one of {', '.join(chain.NAMES)}, or the dotted path of a class.",
            id="credfirewall.E009",
        )
    else:
        yield from _check_dotted_source(name)


def _check_dotted_source(path: str) -> Messages:
    try:
        found = load(path)
    except ImportError as error:
        yield Error(
            f'CREDFIREWALL["SOURCES"] names {shown(path)}, which cannot be imported ({error}).',
            hint="Give the path of a class, such as 'accounts.screening.OwnSource', and see that "
            "its module imports.",
            id="credfirewall.E010",
        )
        return
    try:
        made = found() if isinstance(found, type) else None
    except Exception as error:  # noqa: BLE001 - anything may come out of a host's code
        # No error, which would keep the first migrate from making what it may need.
        yield Warning(
            f'CREDFIREWALL["SOURCES"] names {shown(path)}, which cannot be made now: it raises '
            f"{type(error).__name__}.",
            hint="A source is made without arguments, and reads a table or a file in lookup(). "
            "Until it can be made, screening answers unknown, and tries again each time.",
            id="credfirewall.W016",
        )
        return
    if problem := _misshapen(found, made):
        yield Error(
            f'CREDFIREWALL["SOURCES"] names {shown(path)}, which is no source: it {problem}.',
            hint="A source is a class that is called without arguments and has name, "
            "authoritative and lookup(candidate): see credfirewall.screening.sources.Source.",
            id="credfirewall.E011",
        )


def _misshapen(found: object, made: object) -> str:
    """Say what keeps ``found``, and what was made of it, from being a source, if anything."""
    if not isinstance(found, type):
        return "is not a class"
    with suppress(Exception):  # a property may raise anything, and so is not there
        # Asked for, because from Python 3.12 isinstance() looks whether it is there, and no more.
        name: object = getattr(made, "name", None)
        if isinstance(name, str) and isinstance(made, Source) and callable(made.lookup):
            return ""
    return "lacks name, authoritative or lookup()"


def check_delivery_ttl(**_: Any) -> Messages:
    """The usual lifetime of a delivery is one that is allowed."""
    if _problem("DELIVERY_TTL") or _problem("DELIVERY_MAX_TTL"):
        return
    if conf.DELIVERY_TTL > conf.DELIVERY_MAX_TTL:
        yield Error(
            f'CREDFIREWALL["DELIVERY_TTL"], {conf.DELIVERY_TTL}, is above "DELIVERY_MAX_TTL", '
            f"{conf.DELIVERY_MAX_TTL}.",
            hint="Lower the first or raise the second; both are seconds.",
            id="credfirewall.E012",
        )


def check_delivery_max_ttl(**_: Any) -> Messages:
    """No delivery lives longer than a day."""
    if not _problem("DELIVERY_MAX_TTL") and conf.DELIVERY_MAX_TTL > LONGEST_SENSIBLE_TTL:
        yield Warning(
            f'CREDFIREWALL["DELIVERY_MAX_TTL"] lets a secret wait for more than a day '
            f"({conf.DELIVERY_MAX_TTL} seconds).",
            hint=f"Use {LONGEST_SENSIBLE_TTL} or less: who missed it asks for another one "
            "(ASVS 6.4.1).",
            id="credfirewall.W002",
        )


def _problem(name: str) -> str | None:
    return SETTINGS[name].problem(getattr(conf, name))


def _malformed(url: str) -> str:
    """Say what keeps ``url`` from being a base address, if anything."""
    if not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
        return "holds a character that an address cannot have"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "is not an address"
    if parts.scheme not in {"http", "https"}:
        return "must begin with https://"
    if "@" in parts.netloc:
        return "must not hold a user name or password"
    if "?" in url or "#" in url:
        return "must have no query and no fragment"
    host = parts.hostname or ""
    if port == 0 or not (_HOST_NAME.fullmatch(host) or _address(host)):
        return "names no host and port that can exist"
    return ""


def _is_protected(url: str) -> bool:
    """Whether what is said to a well-formed ``url`` stays between the two ends."""
    parts = urlsplit(url)
    address = _address(parts.hostname)
    on_this_machine = parts.hostname == "localhost" or (
        address is not None and any(address in network for network in LOOPBACK)
    )
    return parts.scheme == "https" or on_this_machine


def _address(host: str | None) -> Any:
    try:
        return ip_address(host or "")
    except ValueError:
        return None
