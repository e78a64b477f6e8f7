"""The chain of sources that ``SOURCES`` names, each in its stepped form."""

import asyncio
import logging
import os
import re
import sys
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

from credfirewall.conf import conf
from credfirewall.exceptions import SourceUnavailable
from credfirewall.screening.cache import shared
from credfirewall.screening.digest import Candidate
from credfirewall.screening.health import Health, State
from credfirewall.screening.sources import SnapshotSource, Source, SteppedSource
from credfirewall.screening.sources.blocklist import BlocklistSource
from credfirewall.screening.sources.bundled import BundledSource
from credfirewall.screening.steps import Blocking, Steps
from credfirewall.screening.verdict import Answer, Reason

logger = logging.getLogger("credfirewall.screening")

LOCAL = ("blocklist", "bundled")
"""Built-in sources that ask nobody."""
NAMES = (*LOCAL, "hibp")
_HIBP = "credfirewall.screening.sources.hibp"
_WORD = re.compile(r"[a-z][a-z0-9_]{0,31}")


class Snapshot:
    """Drives a source that answers from memory once it is loaded."""

    def __init__(self, source: SnapshotSource) -> None:
        self.name, self.authoritative = source.name, source.authoritative
        self._source = source
        self._health = Health(source.name)

    def steps(self, candidate: Candidate) -> Steps[Answer]:
        if not self._source.ready():
            try:
                yield Blocking(self._source.refresh)
            except SourceUnavailable as error:
                yield from self._health.becomes(State.DEGRADED, error.reason)
                # What memory holds is refused even when it could not be brought up to date.
                if (answer := self._source.lookup(candidate)).found:
                    return answer
                raise
        if self._health.state is not State.WORKING:
            yield from self._health.becomes(State.WORKING)
        return self._source.lookup(candidate)


class Custom:
    """Drives a host's own source, whose failures must not become a form's."""

    def __init__(self, source: Source) -> None:
        self.name, self.authoritative = source.name, source.authoritative
        self._source = source
        self._health = Health(source.name)

    def steps(self, candidate: Candidate) -> Steps[Answer]:
        reason = unexpected = ""
        try:
            answer: Any = yield Blocking(lambda: self._source.lookup(candidate))
        except SourceUnavailable as error:
            # A word goes into verdicts and signals; a sentence might hold the password.
            reason = error.reason if _WORD.fullmatch(error.reason) else Reason.ERROR
        except Exception as error:  # noqa: BLE001 - anything may come out of a host's code
            reason, unexpected = Reason.ERROR, f"raised {type(error).__name__}"
        else:
            if not isinstance(answer, Answer) or not isinstance(answer.count, int | None):
                reason, unexpected = Reason.ERROR, "gave no Answer"
        if unexpected:
            # Its message and traceback might hold the password, so the class has to do; and
            # handlers must not find the error as the one that is being handled.
            logger.error("The source %r %s.", self.name, unexpected)
        yield from self._health.becomes(State.DEGRADED if reason else State.WORKING, reason)
        if reason:
            raise SourceUnavailable(reason)
        found: Answer = answer
        return found


class Unmade:
    """Stands in for a source of the host that could not be made, until the next check tries."""

    authoritative = True

    def __init__(self, name: str) -> None:
        self.name = name

    def steps(self, candidate: Candidate) -> Steps[Answer]:
        yield from ()
        _made.pop(self.name, None)
        _chain.cache_clear()
        raise SourceUnavailable(Reason.ERROR)


_made: dict[str, SteppedSource] = {}
"""By name and, for a service, address: a process has one of each, with what it knows of it."""


def active() -> Sequence[SteppedSource]:
    """Return the sources of the settings, in order. Raises ImproperlyConfigured."""
    return _chain(tuple(conf.SOURCES), conf.HIBP_URL)


async def aactive() -> Sequence[SteppedSource]:
    """Return the same; the event loop does not wait while the HTTP clients are loaded."""
    if _HIBP not in sys.modules and "hibp" in conf.SOURCES:
        await asyncio.to_thread(active)
    return active()


@lru_cache(maxsize=32)
def _chain(names: tuple[str, ...], hibp_url: str) -> Sequence[SteppedSource]:
    return [_source(name, hibp_url) for name in names]


def local() -> Sequence[SteppedSource]:
    """Return the built-in sources that ask nobody."""
    return [source(name) for name in LOCAL]


def source(name: str) -> SteppedSource:
    """Return the one instance behind a built-in name or a dotted path."""
    return _source(name, conf.HIBP_URL)


def forget() -> None:
    """Drop every source with what it knows of its service. Tests start from nothing with it."""
    _chain.cache_clear()
    _made.clear()
    shared.reset()


os.register_at_fork(after_in_child=forget)  # a thread of the parent may hold any of their locks


def _source(name: str, hibp_url: str) -> SteppedSource:
    key = f"hibp {hibp_url}" if name == "hibp" else name
    if key not in _made:
        # Two threads may come here at once: both go on with the one that is there first.
        _made.setdefault(key, _hibp(hibp_url) if name == "hibp" else _by_name(name))
    return _made[key]


def _hibp(url: str) -> SteppedSource:
    # Imported at first use, because the HTTP clients take longer to load than the rest of Django,
    # and most commands of a project screen nothing; but here, before any deadline runs.
    from credfirewall.screening.sources.hibp import HibpSource

    return HibpSource(url)


def _by_name(name: str) -> SteppedSource:
    if name == "blocklist":
        return Snapshot(BlocklistSource())
    if name == "bundled":
        return Snapshot(BundledSource())
    if "." not in name:
        raise ImproperlyConfigured(f"CREDFIREWALL['SOURCES']: there is no source {name!r}.")
    try:
        factory = import_string(name)
    except ImportError as error:
        raise ImproperlyConfigured(f"CREDFIREWALL['SOURCES']: {error}") from error
    unmade, custom = "", None
    try:
        made = factory()
        if isinstance(made, Source):
            custom = Custom(made)
    except Exception as error:  # noqa: BLE001 - anything may come out of a host's code
        unmade = type(error).__name__
    if unmade:
        logger.error("The source %r could not be made: %s.", name, unmade)
        return Unmade(name)
    if custom is None:
        raise ImproperlyConfigured(
            f"CREDFIREWALL['SOURCES']: {name!r} has no name, authoritative and lookup()."
        )
    return custom
