"""Screening: from a password to a verdict, and what an UNKNOWN one means."""

import logging
import traceback
from collections.abc import Sequence
from typing import Any

from django.views.decorators.debug import sensitive_variables

from credfirewall.conf import conf
from credfirewall.exceptions import SourceUnavailable
from credfirewall.screening import metrics
from credfirewall.screening.digest import Candidate
from credfirewall.screening.sources import SteppedSource, chain
from credfirewall.screening.steps import Send, Steps, arun, run
from credfirewall.screening.verdict import Answer, Reason, Status, Verdict
from credfirewall.signals import password_breached

logger = logging.getLogger("credfirewall.screening")


@sensitive_variables()
def screen(password: str, *, user: Any = None) -> Verdict:
    """Say whether ``password`` is known from a breach.

    Asking Have I Been Pwned takes at most HIBP_DEADLINE seconds. ``user`` is passed on to the
    ``password_breached`` signal. Nothing is written to the database. Raises PasswordTooLong or
    PasswordNotText.
    """
    return run(_screening(Candidate.of(password), chain.active(), user))


@sensitive_variables()
async def ascreen(password: str, *, user: Any = None) -> Verdict:
    """Say the same as ``screen`` without blocking the event loop."""
    return await arun(_screening(_prepared(password), await chain.aactive(), user))


@sensitive_variables()
def screen_locally(password: str, *, user: Any = None, announce: bool = True) -> Verdict:
    """Screen against the blocklist and the bundled list: nobody is asked.

    With ``announce`` off nobody is told, either: what is drawn and thrown away is no password.
    Raises PasswordTooLong or PasswordNotText.
    """
    return run(_screening(Candidate.of(password), chain.local(), user, announce=announce))


def is_refused(verdict: Verdict) -> bool:
    """Whether a password with this verdict may not be set: the one place that reads ON_UNKNOWN."""
    if verdict.status is Status.UNKNOWN:
        return conf.ON_UNKNOWN != "allow"  # nobody misspells the setting into an open door
    return verdict.status is Status.BREACHED


@sensitive_variables()
def _prepared(password: str) -> Candidate:
    # On a coroutine the decorator covers that frame alone; here it covers all below as well.
    return Candidate.of(password)


def _screening(
    candidate: Candidate, sources: Sequence[SteppedSource], user: Any, *, announce: bool = True
) -> Steps[Verdict]:
    began = metrics.begin()
    verdict = yield from _decide(candidate, sources)
    metrics.checked(verdict, began)
    if announce and verdict.status is Status.BREACHED:
        yield Send(password_breached, {"verdict": verdict, "user": user})
    return verdict


def _decide(candidate: Candidate, sources: Sequence[SteppedSource]) -> Steps[Verdict]:
    """Ask each source in turn.

    The first BREACHED ends the chain. Once an authoritative source has said "not here", further
    authoritative ones are not asked: they answer the same question and are there as fallbacks.
    Lists of words are always asked. Without any authoritative source in the chain, all of it
    has to answer.
    """
    clean: Verdict | None = None
    settled, failure = False, ""
    for source in sources:
        if settled and source.authoritative:
            continue
        answer = yield from _ask(source, candidate)
        if isinstance(answer, str):
            if source.authoritative or not failure:
                failure = answer
            continue
        if answer.found and (answer.count is None or answer.count >= conf.MIN_COUNT):
            return Verdict(Status.BREACHED, answer.count, source.name, answer.note)
        if not settled:
            note = Reason.BELOW_MIN_COUNT if answer.found else answer.note
            clean = Verdict(Status.CLEAN, answer.count, source.name, note)
            settled = source.authoritative
    if clean is not None and (settled or (not failure and _only_lists(sources))):
        return clean
    return Verdict(Status.UNKNOWN, reason=failure or Reason.NO_SOURCE)


def _only_lists(sources: Sequence[SteppedSource]) -> bool:
    return not any(source.authoritative for source in sources)


def _ask(source: SteppedSource, candidate: Candidate) -> Steps[Answer | str]:
    """Return the answer of ``source``, or the reason why there is none.

    What it should not have raised is logged by class and place only: a message may hold the
    password, and so may the variables in a traceback, because ``sensitive_variables`` does not
    reach into generators.
    """
    try:
        answer: Answer = yield from source.steps(candidate)
    except SourceUnavailable as error:
        return error.reason
    except Exception as error:  # noqa: BLE001 - no form shall meet what a source raises
        name, place = type(error).__name__, traceback.extract_tb(error.__traceback__)[-1]
    else:
        return answer
    # Not in the handler: what handles the record must not find the error as its context.
    logger.error("The source %r raised %s at %s:%s.", source.name, name, place[0], place[1])
    return Reason.ERROR
