"""System checks of the API: the classes that API_AUTHENTICATION and API_PERMISSIONS name."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from django.core.checks import Error

import credfirewall
from credfirewall.checking import Messages, did_you_mean, load_class, shown
from credfirewall.conf import SETTINGS, conf


def check_classes(**_: Any) -> Messages:
    """Every path leads to a class, and every endpoint that is named exists."""
    for name in ("API_AUTHENTICATION", "API_PERMISSIONS"):
        value = getattr(conf, name)
        if value is None or SETTINGS[name].problem(value):
            continue
        for problem, hint in _problems(value):
            yield Error(f'CREDFIREWALL["{name}"] {problem}.', hint=hint, id="credfirewall.E022")


def _problems(value: Any) -> Iterator[tuple[str, str]]:
    lists = value if isinstance(value, Mapping) else {"": value}
    known = _endpoints() if isinstance(value, Mapping) else {""}
    for endpoint, paths in lists.items():
        if endpoint not in known:
            nearest = did_you_mean(endpoint, known) or f"They are: {', '.join(sorted(known))}."
            yield f"names an endpoint {shown(endpoint)} that does not exist", nearest
        for path in paths:
            if load_class(path) is None:
                correct = "Correct the path: every request to the endpoint would fail."
                yield f"names {shown(path)}, which is no class that can be imported", correct


def _endpoints() -> set[str]:
    # From the file, because REST framework takes a while to load and few projects need this.
    schema = json.loads(
        Path(credfirewall.__file__).with_name("api").joinpath("openapi.json").read_text()
    )
    return {
        operation["x-endpoint"]
        for methods in schema["paths"].values()
        for operation in methods.values()
        if isinstance(operation, dict) and "x-endpoint" in operation
    }
