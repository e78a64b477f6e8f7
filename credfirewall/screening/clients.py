"""What the entries of CACHES say about their Redis clients: how long one may keep its caller."""

from collections.abc import Mapping
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from django.utils.module_loading import import_string

SHORT = 0.5
"""Seconds that a client may wait for a connection, and for an answer, to count as bounded."""
TIMEOUTS = ("socket_connect_timeout", "socket_timeout")


def loose_options(config: Mapping[str, Any]) -> dict[str, object]:
    """Return the options that let a client wait for longer or try again, as OPTIONS name them."""
    options = _mapping(config.get("OPTIONS"))
    named = {name: (name, options.get(name)) for name in (*TIMEOUTS, "retry")}
    if uses_django_redis(config):
        pool = _mapping(options.get("CONNECTION_POOL_KWARGS"))
        for name in named:
            if name in pool or name == "retry":
                named[name] = (f'CONNECTION_POOL_KWARGS["{name}"]', pool.get(name))
            else:
                named[name] = (name.upper(), options.get(name.upper()))
    label, retry = named.pop("retry")
    found = {name: seconds for name, seconds in named.values() if not _is_short(seconds)}
    return found if retries(retry) == 0 else {**found, label: retry}


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


def _is_short(seconds: object) -> bool:
    # Clients take 0 for no timeout at all.
    return isinstance(seconds, int | float) and 0 < seconds <= SHORT


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
