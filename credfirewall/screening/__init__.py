"""Is this password known from a breach? ``screen(password)`` gives a ``Verdict``."""

from typing import TYPE_CHECKING, Any

from credfirewall.screening.verdict import Status, Verdict

if TYPE_CHECKING:
    from credfirewall.screening.services import ascreen, screen

__all__ = ["Status", "Verdict", "ascreen", "screen"]


def __getattr__(name: str) -> Any:
    # Loaded at first use: the services bring HTTP clients and a model with them, and the pure
    # modules beside them are imported where neither is wanted.
    if name in {"ascreen", "screen"}:
        from credfirewall.screening import services

        return getattr(services, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
