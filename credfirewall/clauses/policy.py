"""Policy: what the project's validators and hashers ask of passwords."""

from collections.abc import Mapping, Sequence

from django.conf import settings
from django.contrib.auth.hashers import get_hasher, get_hashers
from django.utils.translation import gettext_lazy as _

from credfirewall import hasher_checks, host_checks
from credfirewall.clauses.looking import (
    built_in,
    by_checks,
    is_installed,
    listed,
    named,
    reads,
    refusals,
)
from credfirewall.conf import conf
from credfirewall.conformance import ASVS, NIST, PCI, Finding, Force, Row, State, host, met, not_met
from credfirewall.host_checks import EXPIRY, EXPIRY_APPS, EXPIRY_MIDDLEWARE, Listed
from credfirewall.passwords import profiles
from credfirewall.passwords.generator import draw
from credfirewall.passwords.specs import Spec
from credfirewall.validators import LengthValidator

UNUSUAL = " Zürich 東京 \N{FISH} 7"
"""What a rule that knows ASCII alone would stumble over."""
INCOMPLETE: Sequence[Mapping[str, bool]] = (
    {"lowercase": True, "uppercase": True, "special": True},
    {"digits": True, "special": True},
)
"""What lacks a digit or a letter, whatever else it has."""
DRAWN = 4
"""Passwords that are tried where one might be refused by chance."""
ACCEPTED = 64
"""The length of those that are tried where it is not about length."""
HISTORY_APPS = ("django_password_history", "password_history", "password_policies")
HISTORY_WORD = "history"
HISTORY_APP = "django_password_validators.password_history"
HISTORY_RULE = f"{HISTORY_APP}.password_validation.UniquePasswordsValidator"
"""The one whose options say how many passwords it knows; 0 stands for all."""


@reads("MFA_ASSERTED")
def minimum() -> Finding:
    profile = profiles.active()
    mfa = conf.MFA_ASSERTED or any(
        each.options.get("mfa") is True for each in listed(LengthValidator)
    )
    least = profile.minimum_with_mfa if mfa else profile.minimum
    found = by_checks(
        f"{least}+, MFA_ASSERTED = {conf.MFA_ASSERTED}",
        host_checks.check_minimum_length,
        host_checks.check_listed,
    )
    return _accepts_short(least) or found if found.state is State.MET else found


def _accepts_short(least: int) -> Finding | None:
    """Return that passwords of less than ``least`` characters are accepted, if one is."""
    spec = Spec.of(length=least - 1, require_each=True)
    if all(refusals(draw(spec)) for _each in range(DRAWN)):
        return None
    fix = _("List LengthValidator: at least %(number)d characters are needed.")
    return not_met(f"{_rules()}; {least - 1}", fix % {"number": least})


def long_ones() -> Finding:
    length = profiles.active().accepted
    found = by_checks(f"{length}+", host_checks.check_maximum_length)
    codes = refusals(draw(Spec.of(length=length, require_each=True)))
    fix = _("Remove the rule, or raise its limit.")
    return not_met(", ".join(codes), fix) if found.state is State.MET and codes else found


def whole() -> Finding:
    evidence = named("PASSWORD_HASHERS")
    hasher = get_hasher("default")  # one that cannot be made says so
    found = by_checks(evidence, hasher_checks.check_hashers, only=("W012",))
    is_known = type(hasher).__module__ == "django.contrib.auth.hashers"
    if found.state is State.MET and not is_known:
        return host(evidence, _("See that your own hasher heeds every byte of a password."))
    return found


def unicode_text() -> Finding:
    codes = refusals(draw(Spec.of(length=20, require_each=True)) + UNUSUAL)
    if codes:
        return not_met(", ".join(codes), _("Remove the rule that refuses such characters."))
    return met(ascii(UNUSUAL))


def no_composition() -> Finding:
    found = by_checks(f"{ACCEPTED} of a-z, {ACCEPTED} of A-Z", host_checks.check_composition)
    codes = _refused_of(lowercase=True) or _refused_of(uppercase=True)
    if found.state is State.MET and codes:
        return not_met(", ".join(codes), _("Remove the rule: length and screening do more."))
    return found


def no_expiry() -> Finding:
    found = by_checks(_rules(), host_checks.check_expiry)
    if found.state is State.MET:  # that no name says so tells nothing of what a project does
        fix = _("See that nothing else makes passwords expire, such as a directory or a job.")
        return host(str(found.evidence), fix)
    return found


def forced_change() -> Finding:
    fix = _("When an account's password is known to be breached, ask for a new one at sign-in.")
    return host(f"LOGIN_MODE = {conf.LOGIN_MODE!r}", fix)


def pages() -> Finding:
    fix = _(
        "On your own pages: type=password with a button that shows it, the autocomplete tokens "
        "current-password and new-password, and no script that hinders pasting."
    )
    return host("", fix)


def hashers() -> Finding:
    ids = ("E015", "W013", "W014")
    found = by_checks(named("PASSWORD_HASHERS"), hasher_checks.check_hashers, only=ids)
    if found.state is not State.MET:
        return found
    former = [type(each).__name__ for each in get_hashers()[1:]]
    if fast := [*filter(hasher_checks.FAST.match, former)]:
        fix = _("See that no account is left whose password is stored by one of these.")
        return host(", ".join(fast), fix)
    return found


def composition() -> Finding:
    least = profiles.active().minimum
    found = by_checks(f"{least}+, A-Z 0-9", host_checks.check_minimum_length)
    demanded = all(_refused_of(**each) for each in INCOMPLETE)
    if found.state is State.MET and not demanded:
        fix = _("List LetterAndDigitValidator in AUTH_PASSWORD_VALIDATORS.")
        return not_met(_rules(), fix)
    return _accepts_short(least) or found if found.state is State.MET else found


def _refused_of(**kinds: bool) -> tuple[str, ...]:
    """Return the codes with which a long password that has nothing but ``kinds`` is refused."""
    names = ("lowercase", "uppercase", "digits", "special")
    drawn = {name: kinds.get(name, False) for name in names}
    return refusals(draw(Spec.of(length=ACCEPTED, require_each=True, **drawn)))


@reads("MFA_ASSERTED")
def rotation() -> Finding:
    if conf.MFA_ASSERTED:
        return met(f"MFA_ASSERTED = {conf.MFA_ASSERTED}")
    apps = [app for app in settings.INSTALLED_APPS if app.partition(".")[0] in EXPIRY_APPS]
    layers = [path for path in settings.MIDDLEWARE if EXPIRY_MIDDLEWARE.search(str(path))]
    rules = [each.path for each in Listed.all() if EXPIRY.search(each.names)]
    if found := [*apps, *layers, *rules]:
        look = _("See that it has such passwords changed every 90 days: a name proves nothing.")
        return host(", ".join(found), look)
    fix = _(
        "Have passwords that are the only factor changed every 90 days, or assess each access "
        "as it happens; or use a second factor, and say so in MFA_ASSERTED."
    )
    return not_met(_rules(), fix)


def history() -> Finding:
    known = [each for each in Listed.all() if each.path == HISTORY_RULE and each.cls is not None]
    if is_installed(HISTORY_APP) and any(_remembers_enough(each) for each in known):
        return met(HISTORY_RULE)
    apps = [app for app in HISTORY_APPS if is_installed(app)]
    rules = [each.path for each in Listed.all() if HISTORY_WORD in each.names.lower()]
    if found := [*apps, *rules]:
        look = _("See that it refuses the last four passwords: a name proves nothing.")
        return host(", ".join(found), look)
    fix = _("Refuse the last four passwords of an account, with a validator that knows them.")
    return not_met(_rules(), fix)


def _remembers_enough(rule: Listed) -> bool:
    number = rule.options.get("last_passwords", 0)
    return number == 0 or (isinstance(number, int) and number >= profiles.active().history)


def _rules() -> str:
    """Return the names of the validators, without their options, which are the host's."""
    names = [each.path.rpartition(".")[2] for each in Listed.all()]
    return f"AUTH_PASSWORD_VALIDATORS: {', '.join(names) or '-'}"


AREA = "policy"
NIST_3112 = "NIST SP 800-63B-4 3.1.1.2"
NO_PCI = frozenset({NIST, ASVS})
ROWS = (
    Row(
        "policy-minimum",
        AREA,
        (NIST_3112, "ASVS 6.2.1"),
        _("A password that is the only factor has at least 15 characters, one beside another 8."),
        minimum,
        profiles=NO_PCI,
    ),
    Row(
        "policy-maximum",
        AREA,
        (NIST_3112, "ASVS 6.2.9"),
        _("Passwords of 64 characters are accepted."),
        long_ones,
    ),
    Row(
        "policy-whole",
        AREA,
        (NIST_3112, "ASVS 6.2.8"),
        _("All of a password is verified: nothing is cut off."),
        whole,
    ),
    Row(
        "policy-unicode",
        AREA,
        (NIST_3112,),
        _("Spaces and all of Unicode are accepted, and counted by code points."),
        unicode_text,
    ),
    Row(
        "policy-normal-form",
        AREA,
        (NIST_3112, "ASVS 6.2.8"),
        _("Lengths and lists see the normal form of a text, breaches that and the text as typed."),
        built_in,
        Force.SHOULD,
    ),
    Row(
        "policy-no-composition",
        AREA,
        (NIST_3112, "ASVS 6.2.5"),
        _("No mix of kinds of characters is required."),
        no_composition,
        profiles=NO_PCI,
    ),
    Row(
        "policy-no-expiry",
        AREA,
        (NIST_3112, "ASVS 6.2.10"),
        _("No password expires by the calendar."),
        no_expiry,
        profiles=NO_PCI,
    ),
    Row(
        "policy-forced-change",
        AREA,
        (NIST_3112,),
        _("A password that is known to be compromised has to be changed."),
        forced_change,
    ),
    Row(
        "policy-pages",
        AREA,
        (NIST_3112, "ASVS 6.2.6", "ASVS 6.2.7"),
        _(
            "Pasting, autofill and password managers work; what is typed is masked, and can be "
            "seen."
        ),
        pages,
    ),
    Row(
        "policy-hashers",
        AREA,
        ("ASVS 11.4.2", "OWASP Password Storage Cheat Sheet"),
        _("Passwords are stored salted and slowly hashed."),
        hashers,
    ),
    Row(
        "policy-composition",
        AREA,
        ("PCI DSS 8.3.6",),
        _("A password has at least 12 characters, a letter and a digit among them."),
        composition,
        profiles=frozenset({PCI}),
    ),
    Row(
        "policy-history",
        AREA,
        ("PCI DSS 8.3.7",),
        _("The last four passwords of an account are not accepted again."),
        history,
        profiles=frozenset({PCI}),
    ),
    Row(
        "policy-rotation",
        AREA,
        ("PCI DSS 8.3.9",),
        _("A password that is the only factor is changed every 90 days."),
        rotation,
        profiles=frozenset({PCI}),
    ),
)
