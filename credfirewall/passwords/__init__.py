"""Passwords that are issued, and what the policy says of those that are typed.

``generate(**spec)`` draws one, ``evaluate(password)`` says all that is wrong with one.
"""

from typing import TYPE_CHECKING, Any

from credfirewall.passwords.generator import Generated, generate, generate_many
from credfirewall.passwords.specs import Spec

if TYPE_CHECKING:
    from credfirewall.passwords.evaluating import aevaluate, evaluate

__all__ = ["Generated", "Spec", "aevaluate", "evaluate", "generate", "generate_many"]


def __getattr__(name: str) -> Any:
    # Loaded at first use: models come with it, which cannot be imported before the apps are ready.
    if name in {"aevaluate", "evaluate"}:
        from credfirewall.passwords import evaluating

        return getattr(evaluating, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
