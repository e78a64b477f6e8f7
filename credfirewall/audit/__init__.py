"""The audit log: who did what, when and from where, with proof that nobody edited it."""

from importlib import import_module
from typing import Any

__all__ = ["export", "record", "verify"]

_HOMES = {"export": "exporting", "record": "services", "verify": "verifying"}


def __getattr__(name: str) -> Any:
    # Models cannot be imported before the apps are ready, and this package is imported earlier.
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(name)
