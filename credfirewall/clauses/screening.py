"""Screening: what is asked when a password is set, whom, and what leaves this machine."""

from functools import cache

from django.contrib.auth.password_validation import get_default_password_validators
from django.utils.translation import gettext_lazy as _

from credfirewall import cache_checks, checks, host_checks
from credfirewall.clauses.looking import built_in, by_checks, listed, outside_debug, reads
from credfirewall.conf import conf
from credfirewall.conformance import Finding, Row, State, Text, host, not_met
from credfirewall.passwords.policy import lengths
from credfirewall.screening.context import SHORTEST_WORD
from credfirewall.screening.digest import fold
from credfirewall.screening.sources import bundled, chain
from credfirewall.validators import (
    BlocklistValidator,
    BreachedPasswordValidator,
    ContextWordsValidator,
)

MOST_COMMON = 3000
"""ASVS 6.2.4: how many of the most common passwords that fit the policy are refused at least."""
SCREENED = (checks.check_sources, host_checks.check_validator)
"""What has to be so for passwords to be compared with anything."""
HAS_ENOUGH = _("See that what is asked holds what is common, expected or known from breaches.")


@reads("SOURCES", "MIN_COUNT")
def on_set() -> Finding:
    found = by_checks(
        "AUTH_PASSWORD_VALIDATORS: BreachedPasswordValidator", *SCREENED, host_checks.check_listed
    )
    if found.state is State.MET and "bundled" not in conf.SOURCES and not _is_hibp_whole():
        return host(_sources(), HAS_ENOUGH)
    return found


def _is_hibp_whole() -> bool:
    """Whether all that Have I Been Pwned knows is refused."""
    return "hibp" in conf.SOURCES and conf.MIN_COUNT == 1


def _sources() -> str:
    return f"SOURCES = {[*conf.SOURCES]}, MIN_COUNT = {conf.MIN_COUNT}"


@reads("SOURCES", "MIN_COUNT")
def common() -> Finding:
    rules, local = listed(BreachedPasswordValidator), listed(BlocklistValidator)
    asks = len(rules) > len(local)
    minimum = lengths(get_default_password_validators())[0]
    number = _bundled(minimum) if local or (asks and "bundled" in conf.SOURCES) else 0
    evidence = f"{_sources()}; bundled, {minimum}+: {number}"
    if number >= MOST_COMMON or (asks and _is_hibp_whole()):
        return by_checks(evidence, checks.check_sources, host_checks.check_listed)
    fix = _("Name a breach corpus or the bundled list in SOURCES.")
    return _by_others(evidence, fix) if asks else not_met(evidence, fix)


def _by_others(evidence: str, fix: Text) -> Finding:
    """Look at what may cover the public breaches or not: nobody here knows what it holds."""
    own = [name for name in conf.SOURCES if "." in name and chain.source(name).authoritative]
    if not own and "hibp" not in conf.SOURCES:
        return not_met(evidence, fix)
    found = by_checks(evidence, *SCREENED)
    return host(evidence, HAS_ENOUGH) if found.state is State.MET else found


@cache
def _bundled(minimum: int) -> int:
    return len({entry for entry in bundled.entries() if len(entry) >= minimum})


@reads("SOURCES", "MIN_COUNT")
def breached() -> Finding:
    if _is_hibp_whole():
        return by_checks(_sources(), *SCREENED)
    if "hibp" in conf.SOURCES:
        return not_met(_sources(), _("Remove MIN_COUNT: what was seen once is breached."))
    return _by_others(_sources(), _('Add "hibp" to SOURCES, or a corpus of your own.'))


@reads("CONTEXT_WORDS")
def context_words() -> Finding:
    validators = listed(ContextWordsValidator)
    own = [word for each in validators for word in each.options.get("words", ())]
    words = [word for word in (*conf.CONTEXT_WORDS, *own) if len(fold(word)) >= SHORTEST_WORD]
    evidence = f"ContextWordsValidator: {len(validators)}; words: {len(words)}"
    if validators and words:
        return by_checks(evidence, host_checks.check_listed)
    fix = _("List ContextWordsValidator, and name the site, the company and its products in "
            "CONTEXT_WORDS.")  # fmt: skip
    return not_met(evidence, fix)


@reads("SOURCES", "ON_UNKNOWN")
def degrades_safely() -> Finding:
    found = by_checks(
        f"HIBP_DEADLINE = {conf.HIBP_DEADLINE} s, ON_UNKNOWN = {conf.ON_UNKNOWN!r}",
        checks.check_hibp_deadline,
        checks.check_sources,
        cache_checks.check_cache,
        cache_checks.check_cache_timeouts,
    )
    return outside_debug(found)


@reads("SOURCES", "HIBP_URL")
def egress() -> Finding:
    # The address itself may name a host that is nobody's business.
    evidence = f"SOURCES = {[*conf.SOURCES]}"
    own = [name for name in conf.SOURCES if "." in name]
    if own:
        fix = _("See to it that your own source asks known hosts alone, over verified TLS.")
        return host(", ".join(own), fix)
    if "hibp" in conf.SOURCES:
        evidence += f", HIBP_URL: {conf.HIBP_URL.partition(':')[0]}"
    return by_checks(evidence, checks.check_sources, checks.check_hibp_url, checks.check_proxy)


@reads("SOURCES", "HIBP_PADDING")
def minimal() -> Finding:
    evidence = f"HIBP_PADDING = {conf.HIBP_PADDING}, SOURCES = {[*conf.SOURCES]}"
    if own := [name for name in conf.SOURCES if "." in name]:
        return host(", ".join(own), _("See that your own source gives away no more than that."))
    if "hibp" not in conf.SOURCES or conf.HIBP_PADDING:
        return by_checks(evidence, checks.check_sources)
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
