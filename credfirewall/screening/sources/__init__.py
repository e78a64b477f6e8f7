"""Where screening asks. A source is any object of the ``Source`` shape, by name or dotted path."""

from typing import Protocol, runtime_checkable

from credfirewall.screening.digest import Candidate
from credfirewall.screening.steps import Steps
from credfirewall.screening.verdict import Answer


@runtime_checkable
class Source(Protocol):
    """What an entry of ``SOURCES`` provides; a dotted path names a class without arguments.

    ``authoritative`` says that "not found" means clean: the source covers the public breach
    corpus. A list of some words is not authoritative.
    """

    name: str
    authoritative: bool

    def lookup(self, candidate: Candidate) -> Answer:
        """Answer for ``candidate``. Raises SourceUnavailable when that is not possible.

        It must bound its own time. In ``ascreen`` it runs in Django's thread for synchronous code.
        """
        ...


class SnapshotSource(Source, Protocol):
    """A source that answers from memory while ``ready``: then ``lookup`` waits for nothing."""

    def ready(self) -> bool: ...

    def refresh(self) -> None:
        """Load what ``lookup`` answers from. Raises SourceUnavailable."""
        ...


class SteppedSource(Protocol):
    """A source in the form that the chain drives, shared by sync and async callers."""

    name: str
    authoritative: bool

    def steps(self, candidate: Candidate) -> Steps[Answer]:
        """Answer for ``candidate``. Raises SourceUnavailable when that is not possible."""
        ...
