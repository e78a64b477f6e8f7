"""Where screening asks. A source is any object of the ``Source`` shape, by name or dotted path."""

from typing import Protocol, runtime_checkable

from credfirewall.screening.digest import Candidate
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
