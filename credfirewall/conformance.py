"""Conformance: which clauses of which standards a project meets, with the evidence.

A row is a demand with the clauses that it comes from, and a probe that looks at the live project.
``credfirewall.clauses`` registers those of this version; a feature registers its own when the apps
are ready, and so may a project: a key that is there already is taken over.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from credfirewall.conf import assuming

Text = str | Promise

logger = logging.getLogger("credfirewall.conformance")

NIST, ASVS, PCI = "nist", "asvs", "pci"
ALL = frozenset({NIST, ASVS, PCI})
AREAS: Mapping[str, Text] = MappingProxyType(
    {
        "screening": _("Screening"),
        "policy": _("Policy"),
        "generation": _("Generation"),
        "delivery": _("Delivery"),
        "audit": _("Audit"),
        "api": _("API"),
        "site": _("The site around it"),
    }
)
"""What rows are about, in the order in which they are shown."""


class State(StrEnum):
    MET = "met"
    NOT_MET = "not_met"
    HOST = "host"
    """Not for this package to see: the project has to."""


class Force(StrEnum):
    MUST = "must"
    SHOULD = "should"
    MAY = "may"


@dataclass(frozen=True, slots=True)
class Finding:
    """What a probe found. ``evidence`` is what it saw, ``fix`` is what to do about it.

    ``failed``: it could not look, so that nobody knows; the state is then NOT_MET.
    """

    state: State
    evidence: Text
    fix: Text = ""
    failed: bool = False


def met(evidence: Text) -> Finding:
    return Finding(State.MET, evidence)


def not_met(evidence: Text, fix: Text) -> Finding:
    return Finding(State.NOT_MET, evidence, fix)


def host(evidence: Text, fix: Text) -> Finding:
    return Finding(State.HOST, evidence, fix)


@dataclass(frozen=True, slots=True)
class Row:
    """A demand. ``key`` is stable; ``profiles`` are those under which it is one."""

    key: str
    area: str
    clauses: Sequence[str]
    demand: Text
    probe: Callable[[], Finding]
    force: Force = Force.MUST
    profiles: frozenset[str] = ALL

    def __post_init__(self) -> None:
        if self.area not in AREAS:
            raise ValueError(f"{self.area!r} is none of {', '.join(AREAS)}")


@dataclass(frozen=True, slots=True)
class Result:
    """A row with what its probe found."""

    row: Row
    finding: Finding


_rows: dict[str, Row] = {}


def register(*rows: Row) -> None:
    """Report ``rows`` from now on, each in place of one that has the same key."""
    for row in rows:
        _rows[row.key] = row


def registered() -> Mapping[str, Row]:
    """Return the rows by key, in the order in which they were registered first."""
    return MappingProxyType(_rows)


def results(profile: str) -> list[Result]:
    """Look at the project as if PROFILE were ``profile``. No network is asked.

    A probe that fails has found nothing that is met; what it raised is in the log.
    """
    areas = list(AREAS)
    rows = [row for row in _rows.values() if profile in row.profiles]
    with assuming(profile):
        return [
            Result(row, _look(row)) for row in sorted(rows, key=lambda row: areas.index(row.area))
        ]


def count(found: Sequence[Result]) -> dict[str, int]:
    """Return how many of ``found`` are in each state."""
    states = [each.finding.state for each in found]
    return {state.value: states.count(state) for state in State}


def _look(row: Row) -> Finding:
    try:
        return row.probe()
    except Exception as error:
        logger.exception("The probe of the conformance row %r failed.", row.key)
        fix = _("This could not be looked at. The server's log says why.")
        return Finding(State.NOT_MET, type(error).__name__, fix, failed=True)
