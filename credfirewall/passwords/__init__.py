"""Passwords that are issued: ``generate(**spec)`` draws one."""

from credfirewall.passwords.generator import Generated, generate, generate_many
from credfirewall.passwords.specs import Spec

__all__ = ["Generated", "Spec", "generate", "generate_many"]
