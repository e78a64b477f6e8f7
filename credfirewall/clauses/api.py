"""The API: who may call it, how often, and what its errors tell."""

from django.conf import settings
from django.utils.translation import gettext_lazy as _

from credfirewall import api_checks, cache_checks
from credfirewall.clauses.looking import built_in, by_checks, is_installed
from credfirewall.conf import SETTINGS, conf
from credfirewall.conformance import Finding, Force, Row, State, host, met, not_met

OPEN_CORS = ("CORS_ALLOW_ALL_ORIGINS", "CORS_ORIGIN_ALLOW_ALL")
CSRF = "django.middleware.csrf.CsrfViewMiddleware"
LIMITED = ("generate", "check", "redeem")


def authorised() -> Finding:
    own = [name for name in ("API_AUTHENTICATION", "API_PERMISSIONS") if getattr(conf, name)]
    found = by_checks("API_AUTHENTICATION, API_PERMISSIONS: -", api_checks.check_classes)
    if own and found.state is State.MET:
        fix = _("Test your own classes with every endpoint and every kind of caller.")
        return host(", ".join(own), fix)
    return found


def limited() -> Finding:
    if problem := SETTINGS["RATES"].problem(conf.RATES):
        return not_met(f"RATES {problem}", _("Correct RATES."))
    rates = [(name, conf.rate(name)) for name in LIMITED]
    told = ", ".join(f"{name}: {rate.limit}/{rate.seconds} s" for name, rate in rates)
    return by_checks(told, cache_checks.check_cache, cache_checks.check_shared_cache)


def client_address() -> Finding:
    number = conf.TRUSTED_PROXIES
    behind = settings.SECURE_PROXY_SSL_HEADER or settings.USE_X_FORWARDED_HOST
    evidence = f"TRUSTED_PROXIES = {number}"
    if number or not behind:
        return met(evidence)
    fix = _("Set TRUSTED_PROXIES to the number of proxies that add to X-Forwarded-For.")
    named = (
        "SECURE_PROXY_SSL_HEADER" if settings.SECURE_PROXY_SSL_HEADER else "USE_X_FORWARDED_HOST"
    )
    return not_met(f"{evidence}, {named}", fix)


def guarded() -> Finding:
    if CSRF not in settings.MIDDLEWARE:
        return not_met(f"MIDDLEWARE: {CSRF} -", _("Add CsrfViewMiddleware to MIDDLEWARE."))
    opened = [name for name in OPEN_CORS if getattr(settings, name, False)]
    if is_installed("corsheaders") and opened:
        fix = _("Name the origins that may read answers, in CORS_ALLOWED_ORIGINS.")
        return not_met(f"{opened[0]} = True", fix)
    return met(f"MIDDLEWARE: {CSRF}")


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
