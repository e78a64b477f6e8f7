"""Generation, and delivery: what is issued, and how it is handed over.

This version hands over nothing, so what clauses on delivery ask for is the project's to do where it
sends out secrets of its own. The feature registers its rows under these keys.
"""

from django.contrib.auth.password_validation import get_default_password_validators
from django.utils.translation import gettext_lazy as _

from credfirewall.clauses.looking import reads
from credfirewall.conf import conf
from credfirewall.conformance import Finding, Force, Row, Text, host, met, not_met
from credfirewall.passwords.entropy import entropy_bits
from credfirewall.passwords.specs import Spec

LEAST_BITS = 128
"""ASVS 11.5.1; NIST SP 800-63B-4 3.2.12 asks for 112."""
KINDS = ("password", "passphrase", "pronounceable")


def random() -> Finding:
    bits = {kind: entropy_bits(Spec.of(kind=kind)) for kind in KINDS}
    evidence = ", ".join(f"{kind}: {number:.1f}" for kind, number in bits.items())
    if min(bits.values()) >= LEAST_BITS:
        return met(f"os.urandom; {evidence}")
    return not_met(evidence, _("This is a defect of this package: please report it."))


@reads("GENERATE_ENFORCE_POLICY")
def valid() -> Finding:
    evidence = f"GENERATE_ENFORCE_POLICY = {conf.GENERATE_ENFORCE_POLICY}"
    if conf.GENERATE_ENFORCE_POLICY is False:
        return not_met(evidence, _("Remove it: what is generated has to pass the policy."))
    if not get_default_password_validators():
        fix = _("List the validators of the policy in AUTH_PASSWORD_VALIDATORS.")
        return not_met("AUTH_PASSWORD_VALIDATORS: -", fix)
    return met(evidence)


def temporary() -> Finding:
    fix = _("Let what you hand out end within a short time, and be changed at the first sign-in.")
    return host("", fix)


def reset() -> Finding:
    fix = _(
        "Give staff a way to start a reset, such as Django's reset mail, in place of the admin's "
        "form that sets a password they know."
    )
    return host("", fix)


def delivery() -> Finding:
    fix = _("This version hands over no secrets. See to it where the project sends out its own.")
    return host("", fix)


def _row(key: str, clauses: tuple[str, ...], demand: Text, force: Force = Force.MUST) -> Row:
    return Row(f"delivery-{key}", "delivery", clauses, demand, delivery, force)


ROWS = (
    Row(
        "generation-random",
        "generation",
        ("NIST SP 800-63B-4 3.2.12", "ASVS 11.5.1", "ASVS 6.5.3"),
        _("What is generated is drawn from a secure source, with at least 128 bits by default."),
        random,
    ),
    Row(
        "generation-valid",
        "generation",
        ("ASVS 6.4.1", "PCI DSS 8.3.5"),
        _("What is generated follows the password policy."),
        valid,
    ),
    Row(
        "generation-temporary",
        "generation",
        ("ASVS 6.4.1", "PCI DSS 8.3.5"),
        _("A password that was handed out is short-lived, and does not become the lasting one."),
        temporary,
    ),
    Row(
        "generation-reset",
        "generation",
        ("ASVS 6.4.6",),
        _("Staff can start a reset without knowing the password."),
        reset,
        Force.SHOULD,
    ),
    _row(
        "once",
        ("ASVS 6.5.1", "ASVS 2.3.4", "ASVS 15.4.2"),
        _("A secret is handed over once, whoever asks at the same time."),
    ),
    _row(
        "hashed",
        ("ASVS 6.5.2", "NIST SP 800-63B-4 3.1.2.2"),
        _("Of a token only a digest is stored."),
    ),
    _row(
        "encrypted",
        ("ASVS 11.3.1", "ASVS 11.3.2", "ASVS 11.3.3", "ASVS 11.3.4"),
        _("What is stored is encrypted and authenticated, with nonces that do not come again."),
    ),
    _row(
        "keys",
        ("ASVS 11.1", "ASVS 11.2", "ASVS 13.3.1", "ASVS 13.3.2", "ASVS 13.3.3", "ASVS 13.3.4"),
        _("Keys have an owner, an inventory and a life: they can be changed, and kept elsewhere."),
    ),
    _row(
        "not-in-urls",
        ("ASVS 14.2.1", "ASVS 3.5.3", "ASVS 3.4.5"),
        _("No secret is in what servers see of an address, and opening a link changes nothing."),
    ),
    _row(
        "not-cached",
        ("ASVS 14.3.2", "ASVS 14.2.2"),
        _("No answer with a secret is cached."),
    ),
    _row(
        "purged",
        ("ASVS 14.2.7", "ASVS 11.7.2"),
        _("What was handed over or has expired is blanked."),
        Force.SHOULD,
    ),
    _row(
        "notified",
        ("NIST SP 800-63B-4 4.2.3", "NIST SP 800-63B-4 4.6", "ASVS 6.3.7"),
        _("People are told of changes to their account, in messages without secrets."),
    ),
    _row(
        "tells-nothing",
        ("ASVS 6.3.8", "ASVS 11.2.4", "OWASP Forgot Password Cheat Sheet"),
        _("Nobody learns from an answer or its time which accounts or links exist."),
        Force.SHOULD,
    ),
)
