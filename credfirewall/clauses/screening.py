"""Screening: what is asked when a password is set, whom, and what leaves this machine."""

from functools import cache

from django.contrib.auth.password_validation import get_default_password_validators
from django.utils.translation import gettext_lazy as _

from credfirewall import cache_checks, checks, host_checks
from credfirewall.clauses.looking import built_in, by_checks, listed
from credfirewall.conf import conf
from credfirewall.conformance import Finding, Row, host, met, not_met
from credfirewall.passwords.policy import lengths
from credfirewall.screening.sources import bundled, chain
from credfirewall.screening.sources.chain import LOCAL
from credfirewall.validators import ContextWordsValidator

MOST_COMMON = 3000
"""ASVS 6.2.4: how many of the most common passwords that fit the policy are refused at least."""


def on_set() -> Finding:
    return by_checks(
        "AUTH_PASSWORD_VALIDATORS: BreachedPasswordValidator",
        host_checks.check_validator,
        host_checks.check_listed,
    )


def common() -> Finding:
    minimum = lengths(get_default_password_validators())[0]
    number = _bundled(minimum) if "bundled" in conf.SOURCES else 0
    evidence = f"SOURCES = {[*conf.SOURCES]}; bundled, {minimum}+: {number}"
    if number >= MOST_COMMON or _corpora():
        return met(evidence)
    return not_met(evidence, _("Name a breach corpus or the bundled list in SOURCES."))


@cache
def _bundled(minimum: int) -> int:
    return len({entry for entry in bundled.entries() if len(entry) >= minimum})


def _corpora() -> list[str]:
    """Return the sources that cover the public breaches; of the host's own, which say so."""
    return [
        name
        for name in conf.SOURCES
        if name not in LOCAL and ("." not in name or chain.source(name).authoritative)
    ]


def breached() -> Finding:
    found = _corpora()
    if not found:
        fix = _('Add "hibp" to SOURCES, or a corpus of your own.')
        return not_met(f"SOURCES = {[*conf.SOURCES]}", fix)
    return by_checks(
        f"SOURCES = {[*conf.SOURCES]}", checks.check_sources, host_checks.check_validator
    )


def context_words() -> Finding:
    validators = listed(ContextWordsValidator)
    own = [word for each in validators for word in each.options.get("words", ())]
    evidence = f"ContextWordsValidator: {len(validators)}; words: {len(conf.CONTEXT_WORDS)}"
    if validators and (conf.CONTEXT_WORDS or own):
        return met(evidence)
    fix = _("List ContextWordsValidator, and name the site, the company and its products in "
            "CONTEXT_WORDS.")  # fmt: skip
    return not_met(evidence, fix)


def degrades_safely() -> Finding:
    return by_checks(
        f"HIBP_DEADLINE = {conf.HIBP_DEADLINE} s, ON_UNKNOWN = {conf.ON_UNKNOWN!r}",
        checks.check_hibp_deadline,
        cache_checks.check_cache_timeouts,
    )


def egress() -> Finding:
    # The address itself may name a host that is nobody's business.
    evidence = f"SOURCES = {[*conf.SOURCES]}"
    own = [name for name in conf.SOURCES if "." in name]
    if own:
        fix = _("See to it that your own source asks known hosts alone, over verified TLS.")
        return host(", ".join(own), fix)
    if "hibp" in conf.SOURCES:
        evidence += f", HIBP_URL: {conf.HIBP_URL.partition(':')[0]}"
    return by_checks(evidence, checks.check_hibp_url, checks.check_proxy)


def minimal() -> Finding:
    if "hibp" not in conf.SOURCES or conf.HIBP_PADDING is True:
        return met(f"HIBP_PADDING = {conf.HIBP_PADDING}, SOURCES = {[*conf.SOURCES]}")
    fix = _("Set HIBP_PADDING to True: the size of an answer tells which range was asked for.")
    return not_met(f"HIBP_PADDING = {conf.HIBP_PADDING}", fix)


AREA = "screening"
ROWS = (
    Row(
        "screening-on-set",
        AREA,
        ("NIST SP 800-63B-4 3.1.1.2",),
        _("A password is compared with a blocklist, whole, whenever it is set or changed."),
        on_set,
    ),
    Row(
        "screening-explains",
        AREA,
        ("NIST SP 800-63B-4 3.1.1.2",),
        _("Who chooses a listed password is told why it is refused, and how to choose another."),
        on_set,
    ),
    Row(
        "screening-common",
        AREA,
        ("ASVS 6.2.4",),
        _("At least the 3,000 most common passwords that fit the policy are refused."),
        common,
    ),
    Row(
        "screening-breached",
        AREA,
        ("ASVS 6.2.12",),
        _("Passwords are compared with a set of breached ones."),
        breached,
    ),
    Row(
        "screening-context-words",
        AREA,
        ("NIST SP 800-63B-4 3.1.1.2", "ASVS 6.1.2", "ASVS 6.2.11"),
        _("A documented list of words of the context is refused."),
        context_words,
    ),
    Row(
        "screening-degrades-safely",
        AREA,
        ("ASVS 16.5.2", "ASVS 16.5.3", "ASVS 13.1.3", "ASVS 13.2.6"),
        _("A source that fails costs a bounded time, and is never taken for a clean answer."),
        degrades_safely,
    ),
    Row(
        "screening-egress",
        AREA,
        ("ASVS 13.2.4", "ASVS 12.3.1", "ASVS 12.3.2"),
        _("What is asked elsewhere goes to one known host over verified TLS."),
        egress,
    ),
    Row(
        "screening-minimal",
        AREA,
        ("ASVS 14.2.3", "ASVS 14.2.6"),
        _("Of a password nothing but five hexadecimal digits of its hash leaves, padded."),
        minimal,
    ),
    Row(
        "screening-sha1",
        AREA,
        ("ASVS 11.4.1",),
        _("SHA-1 is the index of the breach corpus, and protects nothing."),
        built_in,
    ),
)
