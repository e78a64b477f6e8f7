"""Passwords that are issued, and what the policy says of those that are typed.

``generate(**spec)`` issues one that the project takes, ``evaluate(password)`` says all that is
wrong with one.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from credfirewall.passwords.generator import Generated
from credfirewall.passwords.specs import Spec

if TYPE_CHECKING:
    from credfirewall.passwords.services import aevaluate, evaluate, generate, generate_many

__all__ = ["Generated", "Spec", "aevaluate", "evaluate", "generate", "generate_many"]


def __getattr__(name: str) -> Any:
    # Loaded at first use: models come with it, which cannot be imported before the apps are ready.
    if name in __all__:
        return getattr(import_module(f"{__name__}.services"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
