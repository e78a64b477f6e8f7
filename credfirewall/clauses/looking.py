"""How probes look at a project: through its system checks, and by asking its validators."""

from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage
from django.utils.translation import gettext_lazy as _

from credfirewall.conf import SETTINGS, conf
from credfirewall.conformance import Finding, State, Text, host, met, not_met
from credfirewall.host_checks import Listed
from credfirewall.passwords.evaluating import judged
from credfirewall.screening.verdict import Status, Verdict

Check = Callable[..., Iterable[CheckMessage]]
Probe = Callable[[], Finding]

BUILT_IN = _("Built in, and held by this package's own tests.")
SILENCED = _("The project says in SILENCED_SYSTEM_CHECKS that it has seen to this.")


def built_in() -> Finding:
    """What no setting can change."""
    return met(BUILT_IN)


def reads(*names: str) -> Callable[[Probe], Probe]:
    """Have a probe find that it is not met where the value of one of ``names`` is wrong.

    They are keys of CREDFIREWALL. Checks have nothing more to say of a value that one of them
    refuses, and code makes of it what it will.
    """

    def decorated(probe: Probe) -> Probe:
        @wraps(probe)
        def look() -> Finding:
            for name in names:
                if problem := SETTINGS[name].problem(getattr(conf, name)):
                    fix = _("Correct %(setting)s.") % {"setting": name}
                    return not_met(f'CREDFIREWALL["{name}"] {problem}.', fix)
            return probe()

        return look

    return decorated


def outside_debug(finding: Finding) -> Finding:
    """Return ``finding``, which is by checks that are silent while DEBUG is on, if it is off."""
    if settings.DEBUG and finding.state is State.MET:
        return host("DEBUG = True", _("Checks are silent while DEBUG is on: look again without."))
    return finding


def by_checks(evidence: Text, *checks: Check, only: tuple[str, ...] = (), **how: Any) -> Finding:
    """Return that it is met, by ``evidence``, where none of ``checks`` says a word.

    ``only`` names the ids that count; ``how`` is passed on. What the project has silenced it
    answers for itself.
    """
    found = [
        each
        for check in checks
        for each in check(**how)
        if not only or str(each.id).rpartition(".")[2] in only
    ]
    heard = [each for each in found if not each.is_silenced()]
    if heard:
        fixes = dict.fromkeys(str(each.hint) for each in heard if each.hint)
        return not_met(" ".join(str(each.msg) for each in heard), " ".join(fixes))
    if found:
        return host(", ".join(str(each.id) for each in found), SILENCED)
    return met(evidence)


def is_silenced(check: str) -> bool:
    """Whether the project has silenced the id of a check, one of Django's too."""
    return check in settings.SILENCED_SYSTEM_CHECKS


def listed(cls: type) -> list[Listed]:
    """Return the entries of AUTH_PASSWORD_VALIDATORS that are a ``cls``."""
    return [each for each in Listed.all() if each.is_a(cls)]


def refusals(password: str) -> tuple[str, ...]:
    """Return the codes with which the project's validators refuse ``password``.

    It is one drawn a moment ago, so that it is on no list, and nobody is asked.
    """
    return judged(password, Verdict(Status.CLEAN)).codes


def is_installed(app: str) -> bool:
    """Whether INSTALLED_APPS has ``app``, by its name or that of its configuration."""
    names = [str(each) for each in settings.INSTALLED_APPS]
    return any(name == app or name.startswith(f"{app}.apps.") for name in names)


def named(*names: str) -> str:
    """Return Django settings as they are, for evidence. Not for one that may hold a secret."""
    return ", ".join(f"{name} = {getattr(settings, name, None)!r}" for name in names)
