"""Policy: what the project's validators and hashers ask of passwords."""

from django.conf import settings
from django.contrib.auth.password_validation import get_default_password_validators
from django.utils.translation import gettext_lazy as _

from credfirewall import hasher_checks, host_checks
from credfirewall.clauses.looking import (
    built_in,
    by_checks,
    is_installed,
    named,
    refusals,
)
from credfirewall.conf import conf
from credfirewall.conformance import ASVS, NIST, PCI, Finding, Force, Row, State, host, met, not_met
from credfirewall.host_checks import EXPIRY, EXPIRY_APPS, EXPIRY_MIDDLEWARE, Listed
from credfirewall.passwords import profiles
from credfirewall.passwords.generator import draw
from credfirewall.passwords.policy import lengths
from credfirewall.passwords.specs import Spec

UNUSUAL = " Zürich 東京 \N{FISH} 7"
"""What a rule that knows ASCII alone would stumble over."""
HISTORY_APPS = ("django_password_history", "password_history", "password_policies")
HISTORY_WORD = "history"


def minimum() -> Finding:
    least = lengths(get_default_password_validators())[0]
    return by_checks(
        f"{least}+, MFA_ASSERTED = {conf.MFA_ASSERTED}",
        host_checks.check_minimum_length,
        host_checks.check_listed,
    )


def long_ones() -> Finding:
    length = profiles.active().accepted
    found = by_checks(f"{length}+", host_checks.check_maximum_length)
    codes = refusals(draw(Spec.of(length=length, require_each=True)))
    fix = _("Remove the rule, or raise its limit.")
    return not_met(", ".join(codes), fix) if found.state is State.MET and codes else found


def whole() -> Finding:
    return by_checks(named("PASSWORD_HASHERS"), hasher_checks.check_hashers, only=("W012",))


def unicode_text() -> Finding:
    codes = refusals(draw(Spec.of(length=20, require_each=True)) + UNUSUAL)
    if codes:
        return not_met(", ".join(codes), _("Remove the rule that refuses such characters."))
    return met(ascii(UNUSUAL))


def no_composition() -> Finding:
    found = by_checks("64 of a-z", host_checks.check_composition)
    letters = Spec.of(length=64, uppercase=False, digits=False, special=False)
    codes = refusals(draw(letters))
    if found.state is State.MET and codes:
        return not_met(", ".join(codes), _("Remove the rule: length and screening do more."))
    return found


def no_expiry() -> Finding:
    return by_checks(_rules(), host_checks.check_expiry)


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
    return by_checks(named("PASSWORD_HASHERS"), hasher_checks.check_hashers, only=ids)


def composition() -> Finding:
    least = profiles.active().minimum
    found = by_checks(f"{least}+, A-Z 0-9", host_checks.check_minimum_length)
    demanded = any(each.demands_composition() for each in Listed.all())
    if found.state is State.MET and not demanded:
        fix = _("List LetterAndDigitValidator in AUTH_PASSWORD_VALIDATORS.")
        return not_met(_rules(), fix)
    return found


def rotation() -> Finding:
    if conf.MFA_ASSERTED:
        return met(f"MFA_ASSERTED = {conf.MFA_ASSERTED}")
    apps = [app for app in settings.INSTALLED_APPS if app.partition(".")[0] in EXPIRY_APPS]
    layers = [path for path in settings.MIDDLEWARE if EXPIRY_MIDDLEWARE.search(str(path))]
    rules = [each.path for each in Listed.all() if EXPIRY.search(each.names)]
    if found := [*apps, *layers, *rules]:
        return met(", ".join(found))
    fix = _(
        "Have passwords that are the only factor changed every 90 days, or assess each access "
        "as it happens; or use a second factor, and say so in MFA_ASSERTED."
    )
    return not_met(_rules(), fix)


def history() -> Finding:
    apps = [app for app in HISTORY_APPS if is_installed(app)]
    rules = [each.path for each in Listed.all() if HISTORY_WORD in each.names.lower()]
    if found := [*apps, *rules]:
        return met(", ".join(found))
    fix = _("Refuse the last four passwords of an account, with a validator that knows them.")
    return not_met(_rules(), fix)


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
