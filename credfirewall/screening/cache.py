"""The shared cache: bounded patience, authenticated values, and never an error.

A cache that is slow, broken or lying costs hits, not answers. What is read from it is trusted only
when it authenticates, because a shared cache is easier to write to than the database. It is also
encrypted: who can read a range can look up in the public corpus which prefix was asked for.
"""

import asyncio
import base64
import logging
import os
import struct
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from enum import Enum
from functools import lru_cache
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings
from django.core.cache import caches
from django.core.cache.backends.base import BaseCache
from django.core.cache.backends.dummy import DummyCache
from django.core.cache.backends.locmem import LocMemCache
from django.db import close_old_connections
from django.utils.module_loading import import_string

from credfirewall.conf import conf
from credfirewall.corpus.layout import LayoutError, PackedRange
from credfirewall.keys import derive
from credfirewall.screening import metrics
from credfirewall.screening.bounded import BoundedPool, Saturated
from credfirewall.screening.clients import has_to_look_up, loose_options, pool_mates
from credfirewall.screening.deadline import Deadline
from credfirewall.screening.steps import Steps, Turn

if TYPE_CHECKING:
    from django_redis.client import DefaultClient

logger = logging.getLogger("credfirewall.screening")
T = TypeVar("T")

PATIENCE = 0.25
"""Seconds that one cache operation may take, and at most an eighth of HIBP_DEADLINE."""
FIRST_PATIENCE = 1.0
"""The same for the first, which imports the client and connects, and half of HIBP_DEADLINE."""
AVOID = 5.0
"""Seconds for which a cache that used up its patience is not asked again."""
_NONCE_BYTES = 12

_pool = BoundedPool("cache", threads=8, backlog=256)


class Reach(Enum):
    """How a cache backend may be called without waiting for it too long."""

    IN_PROCESS = "in process"
    """It answers from memory."""
    BOUNDED = "bounded"
    """Its client has short timeouts, no retries and no name to look up: callers may block on it."""
    UNBOUNDED = "unbounded"
    """Only a thread of the pool may wait for it."""

    @classmethod
    def of(cls, config: Mapping[str, Any], caches: Mapping[str, Mapping[str, Any]]) -> "Reach":
        """Read an entry of ``caches``, of django-redis or of Django's own Redis backend."""
        try:
            backend = import_string(config.get("BACKEND", ""))
        except ImportError:
            return cls.UNBOUNDED
        if isinstance(backend, type) and issubclass(backend, LocMemCache | DummyCache):
            return cls.IN_PROCESS
        clients = [config, *pool_mates(config, caches).values()]
        unbounded = has_to_look_up(config) or any(map(loose_options, clients))
        return cls.UNBOUNDED if unbounded else cls.BOUNDED


class SharedCache:
    """The alias ``CREDFIREWALL["CACHE"]``, as steps."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self.reset()

    def reset(self) -> None:
        """Forget how the cache has behaved so far."""
        self._avoid_until = 0.0
        self._failing = self._used = False
        self._failed_at = 0.0
        self._config: Mapping[str, Any] | None = None
        self._reach = Reach.UNBOUNDED
        self._backend: BaseCache | None = None

    def call(self, operation: Callable[[BaseCache], T], default: T) -> "CacheCall[T]":
        """Return a step that performs ``operation``; a cache that fails yields ``default``."""
        return CacheCall(self, operation, default)

    def get(self, key: str) -> Steps[object]:
        """Return what is at ``key``, or None. From memory that takes no step."""
        if self.reach is Reach.IN_PROCESS and self._backend is not None:
            try:
                return self._backend.get(key)
            except Exception as error:  # noqa: BLE001 - whatever a cache raises is a miss
                self.failed(error)
                return None
        return (yield self.call(lambda cache: _read(cache, key), None))

    def add(self, key: str, seconds: int) -> "CacheCall[bool]":
        """Claim ``key``. Without a working cache everybody wins: a lock only saves work.

        Some caches say "not added" when they are broken, so only a lock that is there counts.
        """
        return self.call(lambda cache: cache.add(key, 1, seconds) or not cache.has_key(key), True)

    def put(
        self, key: str, value: bytes, seconds: int, *, release: str, deadline: Deadline | None
    ) -> "CachePut":
        """Store ``value``, then give up the lock ``release``.

        Nobody waits for it without a ``deadline``, or when that is near.
        """
        return CachePut(self, lambda cache: _write(cache, key, value, seconds, release), deadline)

    def delete(self, *keys: str) -> None:
        """Remove ``keys``."""
        self.soon(lambda cache: [cache.delete(key) for key in keys])

    def soon(self, operation: Callable[[BaseCache], object]) -> None:
        """Perform a write that nobody waits for: now if it is to memory, else in the pool."""
        if self.reach is Reach.IN_PROCESS:
            self.directly(operation, None)
        elif not self.avoided:
            try:
                self.submit(operation).add_done_callback(self._done)
            except Saturated as error:
                self.failed(error)

    def _done(self, future: Future[object]) -> None:
        error = future.exception()
        if isinstance(error, Exception):
            self.failed(error)

    @property
    def reach(self) -> Reach:
        config = settings.CACHES.get(conf.CACHE, {})
        if config is not self._config:
            self._reach, self._config = Reach.of(config, settings.CACHES), config
            # Memory is shared by all threads; other clients are kept per thread by Django.
            in_process = self._reach is Reach.IN_PROCESS
            self._backend = caches[conf.CACHE] if in_process else None
        return self._reach

    @property
    def avoided(self) -> bool:
        return self.clock() < self._avoid_until

    def patience(self) -> float:
        """Return how long the operation that now begins may take."""
        if self._used:
            return min(PATIENCE, conf.HIBP_DEADLINE / 8)
        return min(FIRST_PATIENCE, conf.HIBP_DEADLINE / 2)

    def succeeded(self) -> None:
        self._used = True
        # One that reads and does not write fails anew at each check: that is still the same row.
        if self._failing and self.clock() - self._failed_at >= AVOID:
            self._failing = False
            logger.info("The cache %r answers again.", conf.CACHE)

    def failed(self, error: Exception) -> None:
        """Note a failure; only the first of a row is logged, by class name."""
        self._failed_at = self.clock()
        metrics.cache_failed()
        if not self._failing:
            self._failing = True
            name = type(error).__name__
            logger.warning("The cache %r fails (%s): going on without it.", conf.CACHE, name)

    def took(self, seconds: float, patience: float) -> None:
        """Note how long an operation kept its caller: a slow cache is left alone for a while."""
        self._used = True
        if seconds >= patience:
            self._avoid_until = self.clock() + AVOID

    def directly(self, operation: Callable[[BaseCache], T], default: T) -> T:
        """Call a cache that bounds itself."""
        if self._backend is not None:
            try:
                return operation(self._backend)
            except Exception as error:  # noqa: BLE001 - whatever a cache raises is a miss
                self.failed(error)
                return default
        started, patience = self.clock(), self.patience()
        try:
            result = operation(caches[conf.CACHE])
        except Exception as error:  # noqa: BLE001 - whatever a cache client raises is a miss
            self.failed(error)
            result = default
        else:
            self.succeeded()
        self.took(self.clock() - started, patience)
        return result

    def submit(self, operation: Callable[[BaseCache], T]) -> Future[T]:
        """Start ``operation`` in the pool. Raises Saturated."""
        alias = conf.CACHE  # resolved in the pool's thread: clients are kept per thread

        def call() -> T:
            close_old_connections()  # of the pool's thread, where the cache is a database's
            try:
                return operation(caches[alias])
            finally:
                close_old_connections()

        return _pool.submit(call)


@dataclass(slots=True)
class CacheCall(Generic[T]):
    """One cache operation, waited for no longer than patience allows."""

    cache: SharedCache
    operation: Callable[[BaseCache], T]
    default: T

    def run(self) -> T:
        reach = self.cache.reach
        if reach is Reach.IN_PROCESS:
            return self.cache.directly(self.operation, self.default)
        if self.cache.avoided:
            return self.default
        # Its timeouts are short beside the usual deadline, and not beside a shorter one.
        if reach is Reach.BOUNDED and conf.HIBP_DEADLINE >= 8 * PATIENCE:
            return self.cache.directly(self.operation, self.default)
        future = None
        started, patience = self.cache.clock(), self.cache.patience()
        try:
            future = self.cache.submit(self.operation)
            result = future.result(patience)
        except Exception as error:  # noqa: BLE001 - whatever a cache client raises is a miss
            return self._failed(error, future, started, patience)
        self.cache.succeeded()
        return result

    async def arun(self) -> T:
        if self.cache.reach is Reach.IN_PROCESS:
            return self.cache.directly(self.operation, self.default)
        await Turn().arun()
        if self.cache.avoided:
            return self.default
        future = None
        started, patience = self.cache.clock(), self.cache.patience()
        try:
            future = self.cache.submit(self.operation)
            async with asyncio.timeout(patience):
                result = await asyncio.wrap_future(future)
        except Exception as error:  # noqa: BLE001 - whatever a cache client raises is a miss
            return self._failed(error, future, started, patience)
        self.cache.succeeded()
        return result

    def _failed(
        self, error: Exception, future: Future[T] | None, started: float, patience: float
    ) -> T:
        if future is not None:
            future.cancel()
        self.cache.failed(error)
        self.cache.took(self.cache.clock() - started, patience)
        return self.default


@dataclass(slots=True)
class CachePut:
    """A write that an event loop does not wait for.

    A blocking caller does, if the client bounds itself and there is time: to hand it to a thread
    costs more.
    """

    cache: SharedCache
    operation: Callable[[BaseCache], None]
    deadline: Deadline | None

    def run(self) -> None:
        has_time = self.deadline is not None and self.deadline.left > 2 * PATIENCE
        if has_time and self.cache.reach is Reach.BOUNDED and not self.cache.avoided:
            self.cache.directly(self.operation, None)
        else:
            self.cache.soon(self.operation)

    async def arun(self) -> None:
        self.cache.soon(self.operation)


def _redis(cache: BaseCache) -> "DefaultClient | None":
    """Return the client of a django-redis cache, unless it is one that spreads or guards keys."""
    client: Any = getattr(cache, "client", None)
    kind: type = type(client)
    return client if _is_plain(kind) else None


@lru_cache
def _is_plain(kind: type) -> bool:
    if kind.__module__ != "django_redis.client.default":
        return False
    from django_redis.client import DefaultClient  # which takes a while to load for nothing

    return kind is DefaultClient


def _read(cache: BaseCache, key: str) -> object:
    # What is sealed is bytes, and needs no serialiser: past it there is nothing to unpickle
    # either, and half of a hit's time is saved.
    if (redis := _redis(cache)) is not None:
        return redis.get_client(write=False).get(redis.make_key(key))
    return cache.get(key)


def _write(cache: BaseCache, key: str, value: bytes, seconds: int, release: str) -> None:
    if (redis := _redis(cache)) is not None:
        with redis.get_client().pipeline(transaction=False) as pipeline:
            if seconds > 0:  # Redis refuses what Django reads as "do not keep"
                pipeline.set(redis.make_key(key), value, ex=seconds)
            pipeline.delete(redis.make_key(release))
            pipeline.execute()
        return
    try:
        cache.set(key, value, seconds)
    except TypeError:  # a serialiser without bytes, such as JSON
        cache.set(key, base64.b64encode(value).decode(), seconds)
    finally:
        cache.delete(release)


def key_for(kind: str, *parts: str) -> str:
    """Return a cache key that does not tell what it is for to who reads the cache."""
    message = "\0".join((kind, *parts)).encode()
    secret = derive(settings.SECRET_KEY, "screening/cache-key/v1")
    return f"credfw:{blake2b(message, digest_size=12, key=secret).hexdigest()}"


def seal(key: str, payload: bytes) -> bytes:
    """Return ``payload`` encrypted and authenticated (AES-256-GCM), bound to the key it is at."""
    nonce = os.urandom(_NONCE_BYTES)
    return nonce + _cipher(settings.SECRET_KEY).encrypt(nonce, payload, key.encode())


def unseal(key: str, value: object) -> bytes | None:
    """Return the payload of a sealed value, or None for anything else."""
    try:
        if isinstance(value, str):
            value = base64.b64decode(value, validate=True)
        if not isinstance(value, bytes):
            return None
        nonce, sealed = value[:_NONCE_BYTES], value[_NONCE_BYTES:]
        return _cipher(settings.SECRET_KEY).decrypt(nonce, sealed, key.encode())
    except (InvalidTag, ValueError):
        return None


@lru_cache(maxsize=4)
def _cipher(secret: str) -> AESGCM:
    return AESGCM(derive(secret, "screening/cache-value/v1"))


shared = SharedCache()
"""The one of this process: what one source learns of the cache's health, the others need not."""


_HEADER = struct.Struct(">BQHI")
_VERSION = 2
_STEP = 1024
"""Bytes. The exact length of a range tells of nearly every one which it is."""


@dataclass(slots=True)
class Entry:
    """A cached range: when it was fetched (Unix time in seconds) and what it held."""

    fetched_at: float
    packed: PackedRange = field(repr=False)

    def sealed(self, key: str) -> bytes:
        microseconds = int(self.fetched_at * 1_000_000)
        block = self.packed.block
        header = _HEADER.pack(_VERSION, microseconds, self.packed.n, len(block))
        padding = bytes(-(len(header) + len(block)) % _STEP)
        return seal(key, b"".join((header, block, padding)))

    @classmethod
    def opened(cls, key: str, value: object) -> "Entry | None":
        """Read a cached value. Anything not sealed by us for this key is a miss."""
        payload = unseal(key, value)
        if payload is None or len(payload) < _HEADER.size:
            return None
        version, microseconds, n, size = _HEADER.unpack_from(payload)
        if version != _VERSION:
            return None
        try:
            packed = PackedRange(n, payload[_HEADER.size : _HEADER.size + size])
        except LayoutError:
            return None
        return cls(microseconds / 1_000_000, packed)
