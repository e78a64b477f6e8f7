"""How often somebody may ask: exact counts by django-ratelimit, in the cache that it is given.

Rates that are high are leased from the same cache: see ``leases``.

Each request counts for its address before anything else is known of it, and for its user and its
API key once they are. Whoever guesses at credentials has a limit of their own.
"""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_network
from typing import Any

from django.conf import settings
from django.core.cache import DEFAULT_CACHE_ALIAS, caches
from django.http import HttpRequest
from django_ratelimit.core import get_usage

from credfirewall.addresses import client_address
from credfirewall.api.leases import LEAST, leases
from credfirewall.api.log import log
from credfirewall.api.models import ApiKey
from credfirewall.api.problems import LIMITS_UNAVAILABLE, RATE_LIMITED, Refusal
from credfirewall.api.unfailing import unfailing
from credfirewall.conf import Rate, conf

logger = logging.getLogger("credfirewall.api")

AUTH_FAILURE = "auth_failure"
NETWORK = 64
"""Bits of an IPv6 address: who has one has all that begin like it."""
SLOW = 0.1
"""Seconds. A cache that takes longer to fail is left alone for AVOID."""
AVOID = 1.0


class RateLimited(Refusal):
    """Come back in ``wait`` seconds."""

    def __init__(self, wait: int) -> None:
        super().__init__(RATE_LIMITED)
        self.wait = wait


@dataclass(frozen=True, slots=True)
class Bucket:
    """What is counted together: requests under one rate, of one address, user or key."""

    rate: str
    per: str
    value: str

    @property
    def name(self) -> str:
        return f"{self.rate}-{self.per}"


@dataclass(frozen=True, slots=True)
class Usage:
    """How much of a bucket is used, and the seconds after which it is empty again.

    ``is_first``: this request is the first of the window that is one too many.
    """

    count: int
    limit: Rate
    wait: int
    is_first: bool


class Outage:
    """Whether the cache has just kept somebody waiting, to fail in the end."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._until = 0.0
        self._failing = False

    def count(self, bucket: Bucket, request: HttpRequest, increment: bool) -> Usage | None:
        """Return the usage of ``bucket``, or None if it cannot be known."""
        started = self._clock()
        if started < self._until:
            return None
        try:
            usage = _counted(bucket, request, increment)
        except Exception as error:  # noqa: BLE001 - whatever a cache client raises
            self._failed(type(error).__name__, started)
            return None
        if usage is None:
            self._failed("no count", started)
        elif self._failing:
            self._failing = False
            logger.info("Limits are counted again.")
        return usage

    def _failed(self, reason: str, started: float) -> None:
        """Log the first failure of a row, and spare the next requests a long one."""
        now = self._clock()
        if now - started >= SLOW:
            self._until = now + AVOID
        if not self._failing:
            self._failing = True
            logger.error("Limits cannot be counted (%s): see RATES_ON_FAILURE.", reason)


outage = Outage()


def _counted(bucket: Bucket, request: HttpRequest, increment: bool) -> Usage | None:
    rate = conf.usable_rate(bucket.rate)
    if rate.limit >= LEAST * rate.seconds and bucket.rate != AUTH_FAILURE:
        return _leased(bucket, rate)
    found = get_usage(
        request,
        group=f"credfirewall:{bucket.name}",
        key=lambda *_: f":{bucket.value}:",
        rate=(rate.limit, rate.seconds),
        increment=increment,
    )
    if found is None or not found["limit"]:  # how django-ratelimit says that the cache failed
        return None
    # A window lasts until the end of the second that it names.
    count = found["count"]
    return Usage(count, rate, found["time_left"] + 1, count == rate.limit + 1)


def _leased(bucket: Bucket, rate: Rate) -> Usage | None:
    cache = caches[getattr(settings, "RATELIMIT_USE_CACHE", DEFAULT_CACHE_ALIAS)]
    spent = leases.spend(f"{bucket.name}:{bucket.value}", rate, cache)
    if spent is None:
        return None
    count = rate.limit - spent.left if spent.passes else rate.limit + 1
    return Usage(count, rate, spent.wait, spent.is_first)


class Limits:
    """What one request uses up under the rate that its view names."""

    def __init__(self, rate: str, request: HttpRequest) -> None:
        self._rate, self._request = rate, request
        self._used: dict[str, Usage] = {}
        self._address = address_bucket(request.META)

    def of_address(self) -> None:
        """Count for the address. Raises Refusal, as do the others."""
        self._spend(Bucket(self._rate, "address", self._address), None)

    def of_caller(self, user: Any, key: object) -> None:
        """Count for who has signed in, and for the API key with which."""
        if isinstance(key, ApiKey):
            self._spend(Bucket(self._rate, "key", key.public_id), key)
        if user is not None and user.is_authenticated:
            caller = key if isinstance(key, ApiKey) else user
            self._spend(Bucket(self._rate, "user", str(user.pk)), caller)

    def before_credentials(self) -> None:
        """Look at no credentials of an address that has failed too often.

        Else what is refused and what is not would tell which of them are right.
        """
        rate = conf.usable_rate(AUTH_FAILURE)
        wait = unfailing.wait(self._address, rate)
        if wait is not None:
            self._used[self._failures.name] = Usage(0, rate, wait, is_first=False)
            return
        usage = self._count(self._failures, increment=False)
        if usage is not None and not usage.count:
            unfailing.note(self._address, rate, usage.wait)
        elif usage is not None and usage.count >= usage.limit.limit:
            self.after_failure()

    def after_failure(self) -> None:
        """Count credentials that were wrong."""
        unfailing.forget(self._address)
        self._spend(self._failures, None)

    def headers(self) -> Mapping[str, str]:
        """Return RateLimit-Policy and RateLimit, as draft-ietf-httpapi-ratelimit-headers has them.

        Both are lists: q is the limit, w the window in seconds, r what is left, t when there is
        the whole limit again.
        """
        if not self._used:
            return {}
        policies, left = [], []
        for name, usage in self._used.items():
            policies.append(f'"{name}";q={usage.limit.limit};w={usage.limit.seconds}')
            left.append(f'"{name}";r={max(0, usage.limit.limit - usage.count)};t={usage.wait}')
        return {"RateLimit-Policy": ", ".join(policies), "RateLimit": ", ".join(left)}

    @property
    def _failures(self) -> Bucket:
        return Bucket(AUTH_FAILURE, "address", self._address)

    def _spend(self, bucket: Bucket, caller: Any) -> None:
        usage = self._count(bucket, increment=True)
        if usage is None:
            return
        if usage.is_first:
            log().limit_hit(bucket.rate, caller, self._request)
        if usage.count > usage.limit.limit:
            raise RateLimited(usage.wait)

    def _count(self, bucket: Bucket, *, increment: bool) -> Usage | None:
        if not getattr(settings, "RATELIMIT_ENABLE", True):
            return None
        usage = outage.count(bucket, self._request, increment)
        if usage is not None:
            self._used[bucket.name] = usage
        elif conf.closed_without_cache(bucket.rate):
            raise Refusal(LIMITS_UNAVAILABLE)
        return usage


def address_bucket(meta: Mapping[str, object]) -> str:
    """Return what counts as one address: of IPv6 the network of 64 bits."""
    address = client_address(meta)
    if isinstance(address, IPv6Address):
        return str(ip_network((address, NETWORK), strict=False))
    return str(address or "unknown")
