"""The site around it: sign-in, TLS, cookies, sessions. They are the project's, and it is told."""

from django.conf import settings
from django.contrib.auth import get_user_model
from django.utils.translation import gettext_lazy as _

from credfirewall import (
    api_checks,
    audit_checks,
    cache_checks,
    checks,
    host_checks,
    limit_checks,
)
from credfirewall.clauses.lockout import lockout
from credfirewall.clauses.looking import SILENCED, by_checks, is_silenced, named, reads
from credfirewall.conf import SETTINGS, conf, configured
from credfirewall.conformance import ASVS, NIST, PCI, Finding, Row, host, met, not_met
from credfirewall.passwords import profiles

YEAR = 31_536_000
"""Seconds; ASVS 3.4.1."""
CHECKS = (
    checks.check_dict,
    checks.check_keys,
    checks.check_values,
    checks.check_effect,
    checks.check_hibp_url,
    checks.check_hibp_deadline,
    checks.check_sources,
    checks.check_delivery_ttl,
    checks.check_delivery_max_ttl,
    host_checks.check_listed,
    host_checks.check_validator,
    cache_checks.check_cache,
    cache_checks.check_serializer,
    audit_checks.check_key,
    audit_checks.check_public_key,
    api_checks.check_classes,
    api_checks.check_metrics_token,
    limit_checks.check_cache_of_limits,
)
"""Those of CREDFIREWALL, and of what it names."""
SECURITY = "django.middleware.security.SecurityMiddleware"
PREFIXES = ("__Host-", "__Secure-")
"""Of names of cookies, which browsers then accept over TLS alone; ASVS 3.3.1."""
NOT_ELSEWHERE = ("Lax", "Strict")


def valid() -> Finding:
    """The settings themselves: one that is wrong may undo what other rows ask for."""
    profile = SETTINGS["PROFILE"]
    # Read past ``conf``, because a report may assume another one.
    if problem := profile.problem(configured().get("PROFILE", profile.default)):
        fix = _("Correct %(setting)s.") % {"setting": "PROFILE"}
        return not_met(f'CREDFIREWALL["PROFILE"] {problem}.', fix)
    return by_checks("CREDFIREWALL", *CHECKS)


@reads("REQUIRE_HTTPS")
def tls() -> Finding:
    evidence = named("SECURE_SSL_REDIRECT")
    if conf.REQUIRE_HTTPS is False:
        fix = _("Remove it: the API would take secrets over plain HTTP.")
        return not_met(f"REQUIRE_HTTPS = {conf.REQUIRE_HTTPS}", fix)
    if settings.SECURE_SSL_REDIRECT and SECURITY in settings.MIDDLEWARE:
        if not settings.SECURE_REDIRECT_EXEMPT:
            return met(f"{evidence}, MIDDLEWARE: {SECURITY}")
        fix = _("See that nothing of what is exempt asks for a secret or shows one.")
        return host(f"{evidence}, {named('SECURE_REDIRECT_EXEMPT')}", fix)
    if is_silenced("security.W008"):
        return host("security.W008", SILENCED)
    if settings.SECURE_SSL_REDIRECT:
        return _without_security()
    fix = _(
        "Set SECURE_SSL_REDIRECT to True; where a proxy redirects, name security.W008 in "
        "SILENCED_SYSTEM_CHECKS."
    )
    return not_met(evidence, fix)


def hsts() -> Finding:
    evidence = named("SECURE_HSTS_SECONDS", "SECURE_HSTS_INCLUDE_SUBDOMAINS")
    enough = settings.SECURE_HSTS_SECONDS >= YEAR and settings.SECURE_HSTS_INCLUDE_SUBDOMAINS
    if enough and SECURITY in settings.MIDDLEWARE:
        return met(f"{evidence}, MIDDLEWARE: {SECURITY}")
    if is_silenced("security.W004"):
        return host("security.W004", SILENCED)
    if enough:
        return _without_security()
    fix = _("Set SECURE_HSTS_SECONDS to 31536000 or more, and SECURE_HSTS_INCLUDE_SUBDOMAINS.")
    return not_met(evidence, fix)


def _without_security() -> Finding:
    return not_met(f"MIDDLEWARE: {SECURITY} -", _("Add SecurityMiddleware to MIDDLEWARE."))


def cookies() -> Finding:
    looked_at = [f"SESSION_COOKIE_{each}" for each in ("SECURE", "HTTPONLY", "SAMESITE", "NAME")]
    if not settings.CSRF_USE_SESSIONS:
        looked_at += [f"CSRF_COOKIE_{each}" for each in ("SECURE", "SAMESITE", "NAME")]
    lacking = [name for name in looked_at if not _is_safe(name, getattr(settings, name))]
    if lacking:
        fix = _(
            "Set SECURE and HTTPONLY to True, SAMESITE to Lax or Strict, and begin names with "
            "__Host-, or with __Secure- where the cookie has a domain."
        )
        return not_met(named(*lacking), fix)
    return met(named(*looked_at))


def _is_safe(name: str, value: object) -> bool:
    """Whether ``value`` is right for the setting ``name`` of a cookie."""
    cookie, _cookie, flag = name.partition("_COOKIE_")
    if flag == "SAMESITE":
        return value in NOT_ELSEWHERE
    if flag != "NAME":
        return value is True
    whole = f"{cookie}_COOKIE_DOMAIN", f"{cookie}_COOKIE_PATH"
    domain, path = (getattr(settings, each) for each in whole)
    text = str(value)
    # A browser throws away a cookie that breaks the promise of its name.
    is_kept = not text.startswith("__Host-") or (not domain and path == "/")
    return text.startswith(PREFIXES) and is_kept


def session_end() -> Finding:
    evidence = named("SESSION_COOKIE_AGE", "SESSION_SAVE_EVERY_REQUEST")
    profile = profiles.active()
    seconds: int = settings.SESSION_COOKIE_AGE
    if seconds > profile.session_seconds:
        fix = _("Set SESSION_COOKIE_AGE to at most %(seconds)d seconds.")
        return not_met(evidence, fix % {"seconds": profile.session_seconds})
    if profile.idle:
        return met(evidence)
    fix = _("Each change of a session renews it: see that it ends some time nevertheless.")
    return host(evidence, fix)


def sessions_after_change() -> Finding:
    has_hash = callable(getattr(get_user_model(), "get_session_auth_hash", None))
    if has_hash and audit_checks.AUTHENTICATION in settings.MIDDLEWARE:
        return met(f"get_session_auth_hash, MIDDLEWARE: {audit_checks.AUTHENTICATION}")
    fix = _("Use AuthenticationMiddleware, and a user model with get_session_auth_hash().")
    return not_met(f"AUTH_USER_MODEL = {settings.AUTH_USER_MODEL}", fix)


def debug() -> Finding:
    if settings.DEBUG:
        return not_met("DEBUG = True", _("Set DEBUG to False where others reach the site."))
    return met("DEBUG = False")


AREA = "site"
ROWS = (
    Row(
        "site-settings",
        AREA,
        ("ASVS 16.5.3",),
        _("No setting is misspelt or has a wrong value."),
        valid,
    ),
    Row(
        "site-lockout",
        AREA,
        ("NIST SP 800-63B-4 3.2.2", "ASVS 6.1.1", "ASVS 6.3.1"),
        _("No account can be tried more than 100 times in a row."),
        lockout,
        profiles=frozenset({NIST, ASVS}),
    ),
    Row(
        "site-lockout-pci",
        AREA,
        ("NIST SP 800-63B-4 3.2.2", "ASVS 6.1.1", "ASVS 6.3.1", "PCI DSS 8.3.4"),
        _("An account is locked for 30 minutes after at most 10 failures in a row."),
        lockout,
        profiles=frozenset({PCI}),
    ),
    Row("site-tls", AREA, ("ASVS 12.2.1",), _("Nothing is served without TLS."), tls),
    Row("site-hsts", AREA, ("ASVS 3.4.1",), _("Browsers are told to use TLS alone."), hsts),
    Row(
        "site-cookies",
        AREA,
        ("ASVS 3.3.1", "ASVS 3.3.2", "ASVS 3.3.4"),
        _("Cookies go over TLS alone, and neither to scripts nor along with foreign pages."),
        cookies,
    ),
    Row(
        "site-session-end",
        AREA,
        ("NIST SP 800-63B-4 2.1.3", "ASVS 7.3.1", "ASVS 7.3.2"),
        _("A session ends after at most 30 days."),
        session_end,
        profiles=frozenset({NIST, ASVS}),
    ),
    Row(
        "site-session-idle",
        AREA,
        ("PCI DSS 8.2.8",),
        _("A session that is idle for 15 minutes ends."),
        session_end,
        profiles=frozenset({PCI}),
    ),
    Row(
        "site-sessions-after-change",
        AREA,
        ("ASVS 7.4.3",),
        _("Changing a password ends the other sessions."),
        sessions_after_change,
    ),
    Row(
        "site-debug",
        AREA,
        ("ASVS 13.4.2", "ASVS 16.5.1"),
        _("No page shows what is for developers."),
        debug,
    ),
)
