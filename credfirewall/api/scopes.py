"""What an API key can be allowed to do. A feature registers the scopes that its endpoints ask for.

A scope narrows: with a key, its owner's permissions are asked for as well.
"""

import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from credfirewall.exceptions import ScopeUnknown

_NAME = re.compile(r"[a-z]{1,24}(:[a-z]{1,24})?", re.ASCII)
_scopes: dict[str, str | Promise] = {}
SCOPES: Mapping[str, str | Promise] = MappingProxyType(_scopes)
"""The closed list, with what people call them."""


def register(name: str, label: str | Promise) -> None:
    """Add a scope such as "audit:read". Called once the apps are ready. Raises ValueError."""
    if not _NAME.fullmatch(name):
        raise ValueError(f"not the name of a scope: {name!r}")
    _scopes[name] = label


def chosen(names: Iterable[str]) -> tuple[str, ...]:
    """Return ``names`` in the order of the list, each once. Raises ScopeUnknown."""
    wanted = set(names)
    if unknown := sorted(wanted - set(_scopes)):
        raise ScopeUnknown(unknown[0], tuple(_scopes))
    return tuple(name for name in _scopes if name in wanted)


register("metrics:read", _("Read the metrics"))
register("schema:read", _("Read the schema and the documentation of the API"))
