"""The site around it: sign-in, TLS, cookies, sessions. They are the project's, and it is told."""

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.utils.translation import gettext_lazy as _

from credfirewall import audit_checks
from credfirewall.clauses.looking import SILENCED, is_installed, is_silenced, named
from credfirewall.conformance import ASVS, NIST, PCI, Finding, Row, host, met, not_met
from credfirewall.passwords import profiles

YEAR = 31_536_000
"""Seconds; ASVS 3.4.1."""
AXES_BACKENDS = ("axes.backends.AxesBackend", "axes.backends.AxesStandaloneBackend")
DEFENDER_MIDDLEWARE = "defender.middleware.FailedLoginMiddleware"


def lockout() -> Finding:
    if is_installed("axes"):
        return _axes()
    if is_installed("defender"):
        return _defender()
    fix = _(
        "Lock an account for a while after too many failures in a row, for instance with "
        "django-axes. If something that is not known here does, register a row in its place."
    )
    return not_met("django-axes, django-defender: -", fix)


def _axes() -> Finding:
    cool_off = getattr(settings, "AXES_COOLOFF_TIME", None)
    by = getattr(settings, "AXES_LOCKOUT_PARAMETERS", ["ip_address"])
    works = (
        getattr(settings, "AXES_ENABLED", True)
        and getattr(settings, "AXES_LOCK_OUT_AT_FAILURE", True)
        and any(each in AXES_BACKENDS for each in settings.AUTHENTICATION_BACKENDS)
    )
    is_counted = isinstance(by, list | tuple) and "username" in by
    names = ("AXES_FAILURE_LIMIT", "AXES_COOLOFF_TIME", "AXES_LOCKOUT_PARAMETERS")
    return _judged(
        bool(works) and (callable(by) or isinstance(by, str) or is_counted),
        getattr(settings, "AXES_FAILURE_LIMIT", 3),
        None if cool_off is None else _seconds(cool_off, hours=True),
        f"django-axes: {named(*names)}",
    )


def _defender() -> Finding:
    works = DEFENDER_MIDDLEWARE in settings.MIDDLEWARE
    by_account = not getattr(settings, "DEFENDER_DISABLE_USERNAME_LOCKOUT", False)
    names = ("DEFENDER_LOGIN_FAILURE_LIMIT", "DEFENDER_COOLOFF_TIME")
    return _judged(
        works and by_account,
        getattr(settings, "DEFENDER_LOGIN_FAILURE_LIMIT", 3),
        _seconds(getattr(settings, "DEFENDER_COOLOFF_TIME", 300)),
        f"django-defender: {named(*names)}",
    )


def _judged(by_account: bool, limit: Any, seconds: float | None, evidence: str) -> Finding:
    """``seconds`` is for how long an account is locked; None for ever."""
    profile = profiles.active()
    if not by_account:
        fix = _("Have it count the failures of each account, whatever address they come from.")
        return not_met(evidence, fix)
    if callable(limit) or isinstance(limit, str) or seconds == -1:
        return host(evidence, _("The limit is a function of yours: see that it is low enough."))
    if limit > profile.most_failures:
        lower = _("Lower the limit to %(number)d failures.") % {"number": profile.most_failures}
        return not_met(evidence, lower)
    if seconds is not None and seconds < profile.lockout_seconds:
        minutes = profile.lockout_seconds // 60
        return not_met(evidence, _("Lock for at least %(minutes)d minutes.") % {"minutes": minutes})
    return met(evidence)


def _seconds(value: Any, *, hours: bool = False) -> float:
    """Return a time as seconds; -1 for what a function of the host's decides."""
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, int | float):
        return value * 3600 if hours else value
    return -1


def tls() -> Finding:
    evidence = named("SECURE_SSL_REDIRECT")
    if settings.SECURE_SSL_REDIRECT:
        return met(evidence)
    if is_silenced("security.W008"):
        return host("security.W008", SILENCED)
    fix = _(
        "Set SECURE_SSL_REDIRECT to True; where a proxy redirects, name security.W008 in "
        "SILENCED_SYSTEM_CHECKS."
    )
    return not_met(evidence, fix)


def hsts() -> Finding:
    evidence = named("SECURE_HSTS_SECONDS", "SECURE_HSTS_INCLUDE_SUBDOMAINS")
    if settings.SECURE_HSTS_SECONDS >= YEAR and settings.SECURE_HSTS_INCLUDE_SUBDOMAINS:
        return met(evidence)
    if is_silenced("security.W004"):
        return host("security.W004", SILENCED)
    fix = _("Set SECURE_HSTS_SECONDS to 31536000 or more, and SECURE_HSTS_INCLUDE_SUBDOMAINS.")
    return not_met(evidence, fix)


def cookies() -> Finding:
    wanted = {
        "SESSION_COOKIE_SECURE": True,
        "SESSION_COOKIE_HTTPONLY": True,
        "CSRF_COOKIE_SECURE": True,
    }
    lacking = [name for name, value in wanted.items() if getattr(settings, name) is not value]
    if settings.SESSION_COOKIE_SAMESITE not in ("Lax", "Strict"):
        lacking.append("SESSION_COOKIE_SAMESITE")
    if lacking:
        fix = _("Set the flags to True, and SESSION_COOKIE_SAMESITE to Lax or Strict.")
        return not_met(named(*lacking), fix)
    return met(named(*wanted, "SESSION_COOKIE_SAMESITE"))


def session_end() -> Finding:
    evidence = named("SESSION_COOKIE_AGE", "SESSION_SAVE_EVERY_REQUEST")
    profile = profiles.active()
    seconds: int = settings.SESSION_COOKIE_AGE
    if seconds > profile.session_seconds:
        fix = _("Set SESSION_COOKIE_AGE to at most %(seconds)d seconds.")
        return not_met(evidence, fix % {"seconds": profile.session_seconds})
    if settings.SESSION_SAVE_EVERY_REQUEST and not profile.idle:
        fix = _("Each request renews a session: see that it ends some time nevertheless.")
        return host(evidence, fix)
    return met(evidence)


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
