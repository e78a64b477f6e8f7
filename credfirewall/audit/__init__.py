"""The audit log: who did what, when and from where, with proof that nobody edited it."""

from typing import Any

__all__ = ["export", "record", "verify"]


def __getattr__(name: str) -> Any:
    # Models cannot be imported before the apps are ready, and this package is imported earlier.
    if name == "record":
        from credfirewall.audit.services import record

        return record
    if name == "export":
        from credfirewall.audit.exporting import export

        return export
    raise AttributeError(name)
