"""How often somebody may ask: exact counts by django-ratelimit, in the cache that it is given.

Rates that are high are leased from the same cache: see ``leases``.

Each request counts for its address before anything else is known of it, and for its user and its
API key once they are. Whoever guesses at credentials has a limit of their own: see ``failures``.
"""

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from ipaddress import IPv6Address, ip_network
from typing import Any, NoReturn

from django.conf import settings
from django.core.cache import DEFAULT_CACHE_ALIAS, BaseCache, caches
from django.http import HttpRequest
from django_ratelimit.core import get_usage
from rest_framework.exceptions import AuthenticationFailed

from credfirewall.addresses import client_address
from credfirewall.api import failures
from credfirewall.api.leases import LEAST, leases
from credfirewall.api.log import log
from credfirewall.api.models import ApiKey
from credfirewall.api.problems import LIMITS_UNAVAILABLE, RATE_LIMITED, Refusal
from credfirewall.api.trials import Place, trials
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

    ``is_first``: this request is the first of the window that is one too many. What may be given
    back has the ``key`` under which it is counted.
    """

    count: int
    limit: Rate
    wait: int
    is_first: bool
    key: str = ""


class Outage:
    """Whether the cache has just kept somebody waiting, to fail in the end."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._until = 0.0
        self._failing = False

    def count(self, bucket: Bucket, request: HttpRequest) -> Usage | None:
        """Count one, and return the usage of ``bucket``, or None if it cannot be known."""
        started = self._clock()
        if started < self._until:
            return None
        try:
            usage = _counted(bucket, request)
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


def _cache() -> BaseCache:
    cache: BaseCache = caches[getattr(settings, "RATELIMIT_USE_CACHE", DEFAULT_CACHE_ALIAS)]
    return cache


def _counted(bucket: Bucket, request: HttpRequest) -> Usage | None:
    rate = conf.usable_rate(bucket.rate)
    if bucket.rate == AUTH_FAILURE:
        return _charged(bucket, rate)
    if rate.limit >= LEAST * rate.seconds:
        return _leased(bucket, rate)
    found = get_usage(
        request,
        group=f"credfirewall:{bucket.name}",
        key=lambda *_: f":{bucket.value}:",
        rate=(rate.limit, rate.seconds),
        increment=True,
    )
    if found is None or not found["limit"]:  # how django-ratelimit says that the cache failed
        return None
    # A window lasts until the end of the second that it names.
    count = found["count"]
    return Usage(count, rate, found["time_left"] + 1, count == rate.limit + 1)


def _leased(bucket: Bucket, rate: Rate) -> Usage | None:
    spent = leases.spend(f"{bucket.name}:{bucket.value}", rate, _cache())
    if spent is None:
        return None
    count = rate.limit - spent.left if spent.passes else rate.limit + 1
    return Usage(count, rate, spent.wait, spent.is_first)


def _charged(bucket: Bucket, rate: Rate) -> Usage | None:
    made = failures.charge(f"{bucket.name}:{bucket.value}", rate, _cache())
    if made is None:
        return None
    return Usage(made.count, rate, made.wait, made.is_first, made.key)


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

    @contextmanager
    def trying(self, credentials: str) -> Iterator[None]:
        """Count ``credentials`` as wrong while somebody looks at them, and if that raises
        AuthenticationFailed.

        An address that has failed too often has none looked at: else what is refused and what is
        not would tell which of them are right. Raises Refusal.
        """
        rate = conf.usable_rate(AUTH_FAILURE)
        place = trials.place(self._address, credentials)
        known = trials.known(place, rate)
        if known is None:
            with trials.in_turn(place):
                known = trials.known(place, rate)
                if known is None:
                    with self._charging(place):
                        yield
                    return
        self._used[self._failures.name] = Usage(known[0], rate, known[1], is_first=False)
        try:
            yield
        except AuthenticationFailed:
            self.after_failure()
            raise

    @contextmanager
    def _charging(self, place: Place) -> Iterator[None]:
        usage = self._count(self._failures)
        if usage is None:
            yield
            return
        if usage.count > usage.limit.limit:
            trials.forget(self._address)
            failures.give_back(usage.key, _cache())
            self._refuse(self._failures, usage, None)
        try:
            yield
        except AuthenticationFailed:
            trials.forget(self._address)
            raise
        except BaseException:  # which says nothing of the credentials
            failures.give_back(usage.key, _cache())
            raise
        failures.give_back(usage.key, _cache())
        left = replace(usage, count=usage.count - 1)
        self._used[self._failures.name] = left
        trials.right(place, left.limit, left.count, left.wait)

    def after_failure(self) -> None:
        """Count credentials that were wrong, and not counted before."""
        trials.forget(self._address)
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
        usage = self._count(bucket)
        if usage is not None and usage.count > usage.limit.limit:
            self._refuse(bucket, usage, caller)

    def _refuse(self, bucket: Bucket, usage: Usage, caller: Any) -> NoReturn:
        if usage.is_first:
            log().limit_hit(bucket.rate, caller, self._request)
        raise RateLimited(usage.wait)

    def _count(self, bucket: Bucket) -> Usage | None:
        if not getattr(settings, "RATELIMIT_ENABLE", True):
            return None
        usage = outage.count(bucket, self._request)
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
