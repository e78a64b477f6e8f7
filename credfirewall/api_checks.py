"""System checks of the API: the classes that settings name, and the token for its metrics."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.checks import Error

import credfirewall
from credfirewall.audit_checks import PLACEHOLDERS, SHORTEST_KEY
from credfirewall.checking import Messages, did_you_mean, load_class, mapping, shown
from credfirewall.conf import SETTINGS, conf

_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*", re.ASCII)
"""What an Authorization header can carry as a token (RFC 6750 2.1)."""


def check_classes(**_: Any) -> Messages:
    """Every path leads to a class, and every endpoint that is named exists."""
    for name in ("API_AUTHENTICATION", "API_PERMISSIONS"):
        value = getattr(conf, name)
        if value is None or SETTINGS[name].problem(value):
            continue
        for problem, hint in _problems(value):
            yield Error(f'CREDFIREWALL["{name}"] {problem}.', hint=hint, id="credfirewall.E022")


def check_metrics_token(**_: Any) -> Messages:
    """Nobody can guess the token that opens the metrics, and it is used for nothing else."""
    token = conf.METRICS_TOKEN
    if token is None or SETTINGS["METRICS_TOKEN"].problem(token):
        return
    if len(token) < SHORTEST_KEY or len(set(token)) < 8:
        problem = f"is too short or too simple: it needs {SHORTEST_KEY} characters at least"
    elif not _TOKEN.fullmatch(token):
        problem = "has a character that no token in a header can have"
    elif any(word in token.lower() for word in PLACEHOLDERS):
        problem = "looks like a placeholder"
    elif token in _other_secrets():
        problem = "is used for something else as well"
    else:
        return
    yield Error(
        f'CREDFIREWALL["METRICS_TOKEN"] {problem}.',
        hint="Make one with `openssl rand -base64 32`, and keep it out of the repository.",
        id="credfirewall.E023",
    )


def _other_secrets() -> Iterator[object]:
    yield settings.SECRET_KEY
    yield from settings.SECRET_KEY_FALLBACKS
    audit = conf.AUDIT_KEY
    yield from audit if isinstance(audit, list | tuple) else [audit]
    for each in conf.DELIVERY_KEYS if isinstance(conf.DELIVERY_KEYS, list | tuple) else ():
        yield mapping(each).get("key")


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
