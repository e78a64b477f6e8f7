"""Lockout: whether an account can be tried without end, as far as the settings of others tell."""

from collections.abc import Sequence
from datetime import timedelta
from math import inf, isnan, nan
from typing import Any

from django.conf import settings
from django.utils.translation import gettext_lazy as _

from credfirewall.clauses.looking import is_installed, named
from credfirewall.conformance import Finding, Text, host, met, not_met
from credfirewall.passwords import profiles

LEAST_SECONDS = 300
"""A shorter lock stops nobody: this is what django-defender does unless it is told otherwise."""
AXES_BACKENDS = ("axes.backends.AxesBackend", "axes.backends.AxesStandaloneBackend")
AXES_COUNTS = "axes.handlers.database.AxesDatabaseHandler"
AXES_COUNTS_NOTHING = ("axes.handlers.dummy.AxesDummyHandler", "axes.handlers.test.AxesTestHandler")
AXES_OWN = ("AXES_WHITELIST_CALLABLE", "AXES_USERNAME_CALLABLE", "AXES_NEVER_LOCKOUT_WHITELIST")
DEFENDER_MIDDLEWARE = "defender.middleware.FailedLoginMiddleware"
DEFENDER_OWN = ("DEFENDER_GET_USERNAME_FROM_REQUEST_PATH",)

BY_ACCOUNT = _("Have it count the failures of each account, whatever address they come from.")
SEE_TO_IT = _("Something of yours has a say: see that every account is locked, and soon enough.")


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
    by = getattr(settings, "AXES_LOCKOUT_PARAMETERS", ["ip_address"])
    handler = getattr(settings, "AXES_HANDLER", AXES_COUNTS)
    backends = [*settings.AUTHENTICATION_BACKENDS]
    names = ("AXES_FAILURE_LIMIT", "AXES_COOLOFF_TIME", "AXES_LOCKOUT_PARAMETERS")
    evidence = f"django-axes: {named(*names)}"
    if backends[:1] not in [[each] for each in AXES_BACKENDS]:
        fix = _("Put the backend of django-axes first in AUTHENTICATION_BACKENDS.")
        return not_met(named("AUTHENTICATION_BACKENDS"), fix)
    works = (
        getattr(settings, "AXES_ENABLED", True)
        and getattr(settings, "AXES_LOCK_OUT_AT_FAILURE", True)
        and not getattr(settings, "AXES_ONLY_ADMIN_SITE", False)
        and handler not in AXES_COUNTS_NOTHING
    )
    is_list = isinstance(by, list | tuple)
    if not works or (is_list and "username" not in by):
        return not_met(evidence, BY_ACCOUNT)
    cool_off = getattr(settings, "AXES_COOLOFF_TIME", None)
    limit = getattr(settings, "AXES_FAILURE_LIMIT", 3)
    seconds = inf if cool_off is None else _seconds(cool_off, 3600)
    own = _told(AXES_OWN) or ([] if handler == AXES_COUNTS else ["AXES_HANDLER"])
    return _judged(limit, [seconds], evidence, own if is_list else ["AXES_LOCKOUT_PARAMETERS"])


def _defender() -> Finding:
    limit = getattr(settings, "DEFENDER_LOGIN_FAILURE_LIMIT", 3)
    limit = getattr(settings, "DEFENDER_LOGIN_FAILURE_LIMIT_USERNAME", limit)
    usual = getattr(settings, "DEFENDER_COOLOFF_TIME", 300)
    counted = getattr(settings, "DEFENDER_ATTEMPT_COOLOFF_TIME", usual)
    locked = getattr(settings, "DEFENDER_LOCKOUT_COOLOFF_TIME", usual)
    names = ("LOGIN_FAILURE_LIMIT", "LOGIN_FAILURE_LIMIT_USERNAME", "COOLOFF_TIME",
             "LOCKOUT_COOLOFF_TIME", "ATTEMPT_COOLOFF_TIME")  # fmt: skip
    evidence = f"django-defender: {named(*(f'DEFENDER_{name}' for name in names))}"
    if (
        DEFENDER_MIDDLEWARE not in settings.MIDDLEWARE
        or getattr(settings, "DEFENDER_DISABLE_USERNAME_LOCKOUT", False)
        or getattr(settings, "DEFENDER_LOCK_OUT_BY_IP_AND_USERNAME", False)
    ):
        return not_met(evidence, BY_ACCOUNT)
    times = [counted, *(locked if isinstance(locked, list | tuple) else [locked])]
    # It reads 0 as for ever.
    seconds = [inf if each == 0 else _seconds(each, 1) for each in times]
    return _judged(limit, seconds, evidence, _told(DEFENDER_OWN))


def _told(names: Sequence[str]) -> list[str]:
    return [name for name in names if getattr(settings, name, None)]


def _judged(limit: Any, seconds: Sequence[float], evidence: str, own: Sequence[str]) -> Finding:
    """``seconds`` are for how long an account is locked: inf for ever, nan if nobody knows.

    ``own`` names what may be so or not, by code of the project's.
    """
    if fix := _too_lax(limit, seconds):
        return not_met(evidence, fix)
    if not isinstance(limit, int) or any(map(isnan, seconds)):
        return host(evidence, SEE_TO_IT)
    return host(f"{evidence}, {named(*own)}", SEE_TO_IT) if own else met(evidence)


def _too_lax(limit: Any, seconds: Sequence[float]) -> Text:
    """Say what to do about a limit that is too high or a lock that is too short, if one is."""
    profile = profiles.active()
    most, least = profile.most_failures, max(LEAST_SECONDS, profile.lockout_seconds)
    if isinstance(limit, int) and limit > most:
        return _("Lower the limit to %(number)d failures.") % {"number": most}
    if any(each < least for each in seconds):  # nan is not
        return _("Lock for at least %(minutes)d minutes.") % {"minutes": least // 60}
    return ""


def _seconds(value: Any, unit: int) -> float:
    """Return a time as seconds; nan for what a function of the host's decides."""
    if isinstance(value, timedelta):
        return value.total_seconds()
    return float(value * unit) if isinstance(value, int | float) else nan
