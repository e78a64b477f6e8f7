"""The profiles: what each standard demands of a project's passwords, and what it forbids.

One table, which the validators, the checks, the policy and the conformance report all read.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from credfirewall.conf import conf

Text = str | Promise

DAY = 86_400
"""Seconds."""


@dataclass(frozen=True, slots=True)
class Profile:
    """What a standard asks for. None and 0 stand for what it does not ask for."""

    name: str
    title: str
    minimum: int
    """Code points of a password that is the only factor."""
    minimum_with_mfa: int
    most_failures: int
    """Consecutive failures of one account, after which it is locked."""
    accepted: int = 64
    """Code points that have to be accepted at least."""
    lockout_seconds: int = 0
    composition: bool = False
    """Whether a letter and a digit are demanded; where not, rules of composition are forbidden."""
    rotation_days: int = 0
    """After how many days a password that is the only factor expires; 0 forbids expiry."""
    history: int = 0
    """How many former passwords must not come again."""
    session_seconds: int = 30 * DAY
    """How long a session may last at most; with ``idle``, how long without a request."""
    idle: bool = False
    retention_days: int = 0
    scrypt_cost: int = 2**14
    """The least work factor of scrypt."""
    context_words: bool = True
    screening: bool = True
    departures: tuple[Text, ...] = ()
    """Where following it breaks NIST SP 800-63B-4."""

    @property
    def length(self) -> int:
        """The least length where the project says whether there is a second factor."""
        return self.minimum_with_mfa if conf.MFA_ASSERTED else self.minimum


_NIST = Profile("nist", "NIST SP 800-63B-4", minimum=15, minimum_with_mfa=8, most_failures=100)
_PROFILES = (
    _NIST,
    Profile(
        "asvs",
        "OWASP ASVS 5.0.0",
        minimum=15,  # 6.2.1 demands 8, and strongly recommends 15
        minimum_with_mfa=8,
        most_failures=100,
        scrypt_cost=2**15,  # Appendix C
    ),
    Profile(
        "pci",
        "PCI DSS 4.0.1",
        minimum=12,  # 8.3.6
        minimum_with_mfa=12,
        most_failures=10,  # 8.3.4
        lockout_seconds=1800,  # 8.3.4
        composition=True,  # 8.3.6
        rotation_days=90,  # 8.3.9
        history=4,  # 8.3.7
        session_seconds=900,  # 8.2.8
        idle=True,
        retention_days=365,  # 10.5.1
        departures=(
            _("12 characters are enough where a password is the only factor; NIST demands 15."),
            _("A letter and a digit are demanded; NIST forbids rules of composition."),
            _("Passwords that are the only factor expire; NIST forbids that without a reason."),
        ),
    ),
)
PROFILES: Mapping[str, Profile] = MappingProxyType({each.name: each for each in _PROFILES})


def active() -> Profile:
    """Return the profile that PROFILE names. A name that is none is an error of the checks."""
    name: object = conf.PROFILE
    return PROFILES.get(name, _NIST) if isinstance(name, str) else _NIST
