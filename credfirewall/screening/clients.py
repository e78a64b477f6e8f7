"""What the entries of CACHES say about their clients: how long one may keep its caller."""

from collections.abc import Mapping
from ipaddress import ip_address
from typing import Any
from urllib.parse import parse_qs, urlsplit

from django.utils.module_loading import import_string

SHORT = 0.5
"""Seconds that a client may wait for a connection, and for an answer, to count as bounded."""
TIMEOUTS = ("socket_connect_timeout", "socket_timeout")


def loose_options(config: Mapping[str, Any]) -> dict[str, object]:
    """Return what lets a Redis client wait for longer or try again, as the settings name it."""
    options = _mapping(config.get("OPTIONS"))
    named = {name: (name, options.get(name)) for name in (*TIMEOUTS, "retry")}
    if uses_django_redis(config):
        pool = _mapping(options.get("CONNECTION_POOL_KWARGS"))
        for name in named:
            if name in pool or name == "retry":
                named[name] = (f'CONNECTION_POOL_KWARGS["{name}"]', pool.get(name))
            else:
                named[name] = (name.upper(), options.get(name.upper()))
    found: dict[str, object] = {}
    for address in sorted(_addresses(config)) or [""]:
        # redis-py lets the query of an address win over the options.
        for name, (label, value) in {**named, **_in_query(address)}.items():
            fine = retries(value) == 0 if name == "retry" else _is_short(value)
            if not fine:
                found[label] = value
    return found


def loose_options_of_pymemcache(config: Mapping[str, Any]) -> dict[str, object]:
    """Return the same for pymemcache, which waits without end by default.

    What it tries again it tries at a later call.
    """
    options = _mapping(config.get("OPTIONS"))
    named = {name: options.get(name) for name in ("connect_timeout", "timeout")}
    return {name: seconds for name, seconds in named.items() if not _is_short(seconds)}


def loose_options_of_pylibmc(config: Mapping[str, Any]) -> dict[str, object]:
    """Return the same for pylibmc, which waits for 4 and 5 seconds by default.

    Milliseconds. Its sockets do not block, so ``receive_timeout`` and ``send_timeout`` do nothing.
    """
    behaviors = _mapping(_mapping(config.get("OPTIONS")).get("behaviors"))
    named = {name: behaviors.get(name) for name in ("connect_timeout", "_poll_timeout")}
    return {
        f'behaviors["{name}"]': value
        for name, value in named.items()
        if not _is_short(value, per_second=1000)
    }


def retries(retry: object) -> int | None:
    """Return how often a ``redis.retry.Retry`` tries again, and None for anything else."""
    try:
        found = retry.get_retries()  # type: ignore[attr-defined]  # or it raises
    except Exception:  # noqa: BLE001 - settings may hold anything
        return None
    return found if isinstance(found, int) else None


def pool_mates(
    config: Mapping[str, Any], caches: Mapping[str, Mapping[str, Any]]
) -> dict[str, Mapping[str, Any]]:
    """Return the other ``caches`` that have their connections from the pool of ``config``.

    django-redis has one pool for each address in the whole process: its timeouts are those of
    whoever connects first. Django's own backend has one for each alias.
    """
    addresses = _addresses(config)
    if not addresses or not uses_django_redis(config):
        return {}
    return {
        alias: other
        for alias, other in caches.items()
        if other is not config and addresses & _addresses(other) and uses_django_redis(other)
    }


def has_to_look_up(config: Mapping[str, Any]) -> bool:
    """Whether connecting asks for the address of a name, for which no client has a timeout."""
    return not all(map(_is_literal, _addresses(config)))


def _is_literal(address: str) -> bool:
    try:
        host = urlsplit(address).hostname or ""
        return host in ("", "localhost") or bool(ip_address(host))
    except ValueError:
        return False


def uses_django_redis(config: Mapping[str, Any]) -> bool:
    # By name: who uses another backend does not need django-redis imported.
    try:
        bases = import_string(config["BACKEND"]).__mro__
    except Exception:  # noqa: BLE001 - of another alias nobody has asked for anything yet
        return False
    return any(base.__module__.startswith("django_redis.") for base in bases)


def _addresses(config: object) -> set[str]:
    location = _mapping(config).get("LOCATION")
    each = location.split(",") if isinstance(location, str) else location
    return {*map(str, each)} if isinstance(each, list | tuple | set) else set()


def _in_query(address: str) -> dict[str, tuple[str, object]]:
    """Return the timeouts and the retries that an address names, each with what to call it.

    ``retry_on_timeout`` is none: it does what ``retry`` says, which has to be there and say 0.
    """
    try:
        query = parse_qs(urlsplit(address).query)
    except ValueError:  # no client can be made of it
        return {}
    return {
        name: (f"{name} in LOCATION", _number(query[name][0]))
        for name in (*TIMEOUTS, "retry")
        if name in query
    }


def _number(text: str) -> object:
    try:
        return float(text)
    except ValueError:
        return text


def _is_short(time: object, per_second: int = 1) -> bool:
    # Clients take 0 for no timeout at all.
    return isinstance(time, int | float) and 0 < time <= SHORT * per_second


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
