"""For the tests of projects that use credfirewall, so that none of them makes a live call.

Here: screening from memory. In ``server``: a real range server on loopback, with ``faults`` and
``quirks`` to give it. In ``pytest_plugin``: a fixture. docs/testing.md shows them at work.
"""

from credfirewall.testing.memory import BreachedPasswords, MemorySource, breached, unknown

__all__ = ["BreachedPasswords", "MemorySource", "breached", "unknown"]
