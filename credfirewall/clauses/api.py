"""The API: who may call it, how often, and what its errors tell."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

from django.conf import settings
from django.core.cache import DEFAULT_CACHE_ALIAS, caches
from django.db import transaction
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from credfirewall import api_checks, cache_checks, limit_checks
from credfirewall.api.models import ApiKey
from credfirewall.clauses.looking import (
    built_in,
    by_checks,
    is_installed,
    named,
    outside_debug,
    reads,
)
from credfirewall.conf import CLOSED_WITHOUT_CACHE, DEFAULT_RATES, Rate, conf
from credfirewall.conformance import Finding, Force, Row, State, host, met, not_met

OPEN_CORS = ("CORS_ALLOW_ALL_ORIGINS", "CORS_ORIGIN_ALLOW_ALL")
CSRF = "django.middleware.csrf.CsrfViewMiddleware"
OPEN_CORS_PATTERNS = ("CORS_ALLOWED_ORIGIN_REGEXES", "CORS_ORIGIN_REGEX_WHITELIST")
ANYBODY = "https://somebody-else.invalid"
"""An origin that is nobody's."""
LIMITED = ("generate", "check", "redeem", "auth_failure")
MOST = 100
"""Times the usual rate: what is above that is no limit for anybody."""
UNUSED = timedelta(days=90)
"""PCI DSS 8.2.6."""


@reads("API_AUTHENTICATION", "API_PERMISSIONS")
def authorised() -> Finding:
    own = [name for name in ("API_AUTHENTICATION", "API_PERMISSIONS") if getattr(conf, name)]
    found = by_checks("API_AUTHENTICATION, API_PERMISSIONS: -", api_checks.check_classes)
    if own and found.state is State.MET:
        fix = _("Test your own classes with every endpoint and every kind of caller.")
        return host(", ".join(own), fix)
    return found


def keys(now: datetime | None = None) -> Finding:
    """Those that are valid ``now``: that each ends, and is in use."""
    moment = now or datetime.now(UTC)
    with transaction.atomic(using=ApiKey.objects.db):  # a table that is not there breaks no more
        valid = ApiKey.objects.filter(
            Q(expires_at=None) | Q(expires_at__gt=moment), revoked_at=None
        )
        since = moment - UNUSED
        endless = valid.filter(expires_at=None).count()
        unused = valid.filter(
            Q(used_at__lt=since) | Q(used_at=None, created_at__lt=since)
        ).count()  # fmt: skip
        evidence = f"{valid.count()}; expires_at -: {endless}; used_at < -{UNUSED.days} d: {unused}"
    if endless or unused:
        fix = _("Give each key an end, and revoke those that nobody has used for %(days)d days.")
        return not_met(evidence, fix % {"days": UNUSED.days})
    return met(evidence)


@reads("RATES", "RATES_ON_FAILURE")
def limited() -> Finding:
    rates = {name: conf.rate(name) for name in LIMITED}
    told = ", ".join(f"{name}: {rate.limit}/{rate.seconds} s" for name, rate in rates.items())
    if not getattr(settings, "RATELIMIT_ENABLE", True):
        return not_met(named("RATELIMIT_ENABLE"), _("Remove it, so that limits are counted."))
    high = [name for name, rate in rates.items() if _is_too_high(name, rate)]
    if high:
        lower = _("Lower %(names)s: so many requests are no limit.") % {"names": ", ".join(high)}
        return not_met(f"RATES: {told}", lower)
    if opened := [name for name in CLOSED_WITHOUT_CACHE if not conf.closed_without_cache(name)]:
        fix = _("Remove it: while nothing can be counted, anybody could guess without end.")
        return not_met(f"RATES_ON_FAILURE: {', '.join(opened)}: open", fix)
    found = by_checks(
        told,
        cache_checks.check_cache,
        cache_checks.check_shared_cache,
        limit_checks.check_cache_of_limits,
        limit_checks.check_counting,
    )
    if found.state is State.MET:  # one that cannot be made says so
        caches[getattr(settings, "RATELIMIT_USE_CACHE", DEFAULT_CACHE_ALIAS)]
    return outside_debug(found)


def _is_too_high(name: str, rate: Rate) -> bool:
    usual = Rate.parse(DEFAULT_RATES[name])
    return rate.limit * usual.seconds > MOST * usual.limit * rate.seconds


@reads("TRUSTED_PROXIES")
def client_address() -> Finding:
    number = conf.TRUSTED_PROXIES
    behind = settings.SECURE_PROXY_SSL_HEADER or settings.USE_X_FORWARDED_HOST
    evidence = f"TRUSTED_PROXIES = {number}"
    if number:
        fix = _(
            "See that each request comes through exactly so many proxies: else a client chooses "
            "its address."
        )
        return host(evidence, fix)
    if not behind:
        return met(evidence)
    fix = _("Set TRUSTED_PROXIES to the number of proxies that add to X-Forwarded-For.")
    named = (
        "SECURE_PROXY_SSL_HEADER" if settings.SECURE_PROXY_SSL_HEADER else "USE_X_FORWARDED_HOST"
    )
    return not_met(f"{evidence}, {named}", fix)


def guarded() -> Finding:
    if CSRF not in settings.MIDDLEWARE:
        return not_met(f"MIDDLEWARE: {CSRF} -", _("Add CsrfViewMiddleware to MIDDLEWARE."))
    evidence = f"MIDDLEWARE: {CSRF}"
    patterns = []
    if is_installed("corsheaders"):
        patterns = [name for name in OPEN_CORS_PATTERNS if getattr(settings, name, ())]
        opened = [name for name in OPEN_CORS if getattr(settings, name, False)]
        opened += [name for name in patterns if _matches_anybody(getattr(settings, name))]
        if opened:
            fix = _("Name the origins that may read answers, in CORS_ALLOWED_ORIGINS.")
            return not_met(named(*opened), fix)
    if any("*" in str(each) for each in settings.CSRF_TRUSTED_ORIGINS):
        patterns.append("CSRF_TRUSTED_ORIGINS")
    if patterns:
        fix = _("See that every origin that matches is yours.")
        return host(f"{evidence}, {named(*patterns)}", fix)
    return met(evidence)


def _matches_anybody(patterns: Any) -> bool:
    return any(re.match(each, ANYBODY) for each in patterns)


AREA = "api"
ROWS = (
    Row(
        "api-authorised",
        AREA,
        ("ASVS 8.2.1", "ASVS 8.2.2", "ASVS 8.2.3", "ASVS 8.3.1", "ASVS 8.4.1"),
        _("Each endpoint, object and field is for those alone who may."),
        authorised,
    ),
    Row(
        "api-keys",
        AREA,
        ("ASVS 13.3.4", "PCI DSS 8.6.3"),
        _("API keys have an end, and none is left that nobody uses."),
        keys,
    ),
    Row(
        "api-problems",
        AREA,
        ("RFC 9457",),
        _("Errors are problem documents with stable codes, and nothing from the inside."),
        built_in,
    ),
    Row(
        "api-rate-limit-fields",
        AREA,
        ("draft-ietf-httpapi-ratelimit-headers",),
        _("Answers say how much of a limit is left, and when to come back."),
        built_in,
        Force.MAY,
    ),
    Row(
        "api-limited",
        AREA,
        ("ASVS 2.4.1", "ASVS 2.3.2", "ASVS 15.2.2"),
        _("What a caller can cost is limited, by address, account and key."),
        limited,
    ),
    Row(
        "api-client-address",
        AREA,
        ("ASVS 4.1.3", "ASVS 15.3.4"),
        _("The address of a client is one that it cannot choose."),
        client_address,
    ),
    Row(
        "api-guarded",
        AREA,
        ("ASVS 2.2.2", "ASVS 4.1.1", "ASVS 15.3.1", "ASVS 15.3.2", "ASVS 15.3.3", "ASVS 3.4.2",
         "ASVS 3.5.1"),
        _("Input is validated here, and no foreign page can use somebody's session."),
        guarded,
    ),
    Row(
        "api-generic-errors",
        AREA,
        ("ASVS 16.5.1", "ASVS 16.5.4"),
        _("An error that nobody foresaw tells nothing."),
        built_in,
    ),
)  # fmt: skip
