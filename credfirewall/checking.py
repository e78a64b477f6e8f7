"""What the checks share: reading settings that may hold anything, and naming what is wrong."""

from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from django.core.checks import CheckMessage
from django.utils.module_loading import import_string

Messages = Iterator[CheckMessage]


def load(path: object) -> object:
    """Import what a dotted path names. Raises ImportError whatever goes wrong."""
    if not (isinstance(path, str) and all(part.isidentifier() for part in path.split("."))):
        raise ImportError("not a dotted path")
    try:
        return import_string(path)
    except ImportError:
        raise
    except (Exception, SystemExit) as error:
        raise ImportError(f"importing it raises {type(error).__name__}") from error


def load_class(path: object) -> type | None:
    try:
        found = load(path)
    except ImportError:
        return None
    return found if isinstance(found, type) else None


def mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def shown(value: object) -> str:
    """Return a name or a value for a message, as Python would write it and not without end."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:80]}..."


def nearest(name: object, existing: Iterable[str], cutoff: float = 0.6) -> str | None:
    """Return the one of ``existing`` that ``name`` may be misspelt from."""
    by_folded = {each.casefold(): each for each in existing}
    near = get_close_matches(str(name)[:80].casefold(), by_folded, n=1, cutoff=cutoff)
    return by_folded[near[0]] if near else None


def did_you_mean(name: object, existing: Iterable[str]) -> str:
    near = nearest(name, existing)
    return f'Did you mean "{near}"?' if near else ""
