"""Cached ranges: small, sealed, good for a day, and for a week more when nobody else answers."""

import base64
import pickle
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.core.cache import cache, caches
from django.core.cache.backends.locmem import LocMemCache
from django.test import override_settings
from django_redis.cache import RedisCache
from pytest_django import Settings
from redis import Redis

from credfirewall.corpus.layout import PackedRange, pack
from credfirewall.screening.cache import Entry, key_for, seal, unseal
from credfirewall.screening.digest import Digest
from credfirewall.screening.ranges import parse
from credfirewall.screening.verdict import Reason
from credfirewall.testing import faults
from credfirewall.testing.ranges import Ranges
from credfirewall.testing.server import RangeServer
from tests.conftest import redis_cache
from tests.screening.asking import BREACHED, CLEAN, Check, eventually, unknown
from tests.servers import Server

DAY, WEEK = 86_400, 604_800
PACKED = pack([b"0" * 35 + b":1", b"8" * 35 + b":99999", b"F" * 35 + b":20"])
KEY = key_for("range", "http://hibp/", "ABCDE")
NOW = 1_800_000_000.5


def key_of(password: str, server: RangeServer) -> str:
    return key_for("range", server.url, Digest.of(password).prefix)


class TestSealing:
    def test_it_comes_back(self) -> None:
        assert Entry.opened(KEY, Entry(NOW, PACKED).sealed(KEY)) == Entry(NOW, PACKED)

    def test_it_comes_back_as_text(self) -> None:
        text = base64.b64encode(Entry(NOW, PACKED).sealed(KEY)).decode()
        assert Entry.opened(KEY, text) == Entry(NOW, PACKED)

    def test_the_same_is_sealed_otherwise_each_time(self) -> None:
        """A nonce that came twice would give the key away."""
        sealed = {seal(KEY, b"same") for _ in range(1000)}
        assert len({each[:12] for each in sealed}) == 1000

    def test_a_bit_that_flipped(self) -> None:
        sealed = Entry(NOW, PACKED).sealed(KEY)
        for at in range(len(sealed)):
            spoilt = bytearray(sealed)
            spoilt[at] ^= 1 << at % 8
            assert Entry.opened(KEY, bytes(spoilt)) is None

    def test_a_part_or_more_than_all(self) -> None:
        sealed = Entry(NOW, PACKED).sealed(KEY)
        for length in range(len(sealed)):
            assert Entry.opened(KEY, sealed[:length]) is None
        assert Entry.opened(KEY, sealed + b"\0") is None
        assert Entry.opened(KEY, b"\0" + sealed) is None

    def test_that_of_another_prefix_service_or_kind(self) -> None:
        sealed = Entry(NOW, PACKED).sealed(KEY)
        for parts in (
            ("range", "http://hibp/", "ABCDF"),
            ("range", "http://other/", "ABCDE"),
            ("lock", "http://hibp/", "ABCDE"),
            ("range", "http://hibp/ABCDE"),
        ):
            assert Entry.opened(key_for(*parts), sealed) is None

    def test_that_of_another_secret(self) -> None:
        with override_settings(SECRET_KEY="another"):
            sealed = Entry(NOW, PACKED).sealed(KEY)
            assert Entry.opened(KEY, sealed) is not None
        assert Entry.opened(KEY, sealed) is None

    @pytest.mark.parametrize(
        "value",
        [None, True, 0, 1.5, "", "no base64!", "\udc80", "é", [], {}, (b"",), b"", bytes(5),
         bytes(12), bytes(28), bytes(1000), bytearray(100), memoryview(bytes(100)), object(),
         PACKED, Entry(NOW, PACKED), pickle.dumps([1])],
        ids=lambda value: type(value).__name__,
    )  # fmt: skip
    def test_anything_else_is_a_miss(self, value: object) -> None:
        assert Entry.opened(KEY, value) is None

    @pytest.mark.parametrize(
        "payload",
        [b"", b"\1", bytes(11), b"\0" + bytes(600), b"\2" + bytes(600), b"\1" + bytes(9) + b"\1"],
    )
    def test_what_we_sealed_for_another_purpose_or_version(self, payload: bytes) -> None:
        assert unseal(KEY, seal(KEY, payload)) == payload
        assert Entry.opened(KEY, seal(KEY, payload)) is None

    def test_two_thousand_rows_are_small(self) -> None:
        packed = parse(Ranges(filler=2000).body("ABCDE"))
        assert packed.n == 2000
        assert len(Entry(NOW, packed).sealed(KEY)) <= 13_000

    def test_the_length_does_not_tell_which_it_is(self) -> None:
        rows = [f"{number:035X}:{number}".encode() for number in range(1, 900, 7)]
        ranges = [pack(rows[:length]) for length in range(1, len(rows))]
        sizes = {len(Entry(NOW, packed).sealed(KEY)) for packed in ranges}
        assert len(sizes) <= 2
        for packed in ranges:
            opened = Entry.opened(KEY, Entry(NOW, packed).sealed(KEY))
            assert opened is not None
            assert opened.packed == packed

    def test_nothing_of_the_range_shows(self) -> None:
        """Who can read it can look up in the public corpus which prefix was asked for."""
        row = PACKED.block[510:520]
        assert row in PACKED.block
        sealed = Entry(NOW, PACKED).sealed(KEY)
        assert row not in sealed
        assert repr(Entry(NOW, PACKED)) == f"Entry(fetched_at={NOW})"


class TestKeys:
    def test_they_do_not_tell_the_prefix(self) -> None:
        keys = {key_for("range", "http://hibp/", f"{number:05X}") for number in range(1000)}
        assert len(keys) == 1000
        assert not any("ABCDE" in each.upper() or "hibp" in each for each in keys)

    def test_they_are_keyed(self) -> None:
        with override_settings(SECRET_KEY="another"):
            assert key_for("range", "http://hibp/", "ABCDE") != KEY
        assert key_for("range", "http://hibp/", "ABCDE") == KEY

    def test_parts_cannot_be_shifted(self) -> None:
        assert key_for("a", "bc") != key_for("ab", "c") != key_for("a", "b", "c")

    def test_any_backend_takes_them(self) -> None:
        assert KEY.isascii()
        assert KEY.isprintable()
        assert " " not in KEY
        assert len(KEY) < 100

    def test_a_dump_shows_no_prefix_and_no_hash(self, check: Check, hibp: RangeServer) -> None:
        check.each("hunter2", "another one")
        local = caches["default"]
        assert isinstance(local, LocMemCache)
        dump = repr([list(local._cache.items()), list(local._expire_info)])  # type: ignore[attr-defined]  # the stubs leave them out
        dump = dump.upper() + str(list(local._cache.values())).upper()  # type: ignore[attr-defined]  # as above
        for password in ("hunter2", "another one"):
            digest = Digest.of(password)
            assert digest.prefix not in dump
            assert digest.suffix[:8] not in dump
            assert bytes.fromhex(digest.suffix[2:12]) not in b"".join(local._cache.values())  # type: ignore[attr-defined]  # as above


def swap(mine: Any, others: Any) -> Any:
    return others


def flip(mine: Any, others: Any) -> Any:
    return mine[:100] + bytes([mine[100] ^ 1]) + mine[101:]


CORRUPTIONS: dict[str, Callable[[Any, Any], Any]] = {
    "swapped with another": swap,
    "a flipped bit": flip,
    "cut": lambda mine, others: mine[: len(mine) // 2],
    "emptied": lambda mine, others: b"",
    "text": lambda mine, others: "0" * 35 + ":0",
    "a raw body": lambda mine, others: b"0" * 35 + b":0",
    "a pickled object": lambda mine, others: PackedRange(1, bytes(600)),
    "None": lambda mine, others: None,
    "of another secret": lambda mine, others: forged(),
}


def forged() -> bytes:
    with override_settings(SECRET_KEY="another"):
        return Entry(NOW, PACKED).sealed(KEY)


@pytest.mark.parametrize("corrupt", CORRUPTIONS.values(), ids=CORRUPTIONS)
def test_a_corrupted_entry_is_a_miss(
    check: Check, hibp: RangeServer, corrupt: Callable[[Any, Any], Any]
) -> None:
    check.each("hunter2", "another one")
    mine, other = key_of("hunter2", hibp), key_of("another one", hibp)
    cache.set(mine, corrupt(cache.get(mine), cache.get(other)))
    hibp.fault = faults.Status(503)
    assert check("hunter2") == unknown(Reason.HTTP_SERVER_ERROR)
    hibp.fault = None
    hibp.reset()
    assert check.each("hunter2", "hunter2", "another one") == [BREACHED, BREACHED, CLEAN]
    assert hibp.count == 1


class Trap:
    """Whoever unpickles it has run the code of whoever wrote it."""

    sprung = False

    def __reduce__(self) -> tuple[Any, ...]:
        return setattr, (Trap, "sprung", True)


class TestOnValkey:
    """Where nobody waits for what is written."""

    @pytest.fixture
    def config(self, valkey: Server, settings: Settings, patient: None) -> Iterator[dict[str, Any]]:
        config: dict[str, Any] = redis_cache(valkey)
        settings.CACHES = {"default": config}
        yield config
        default = caches["default"]
        assert isinstance(default, RedisCache)
        default.client.get_client().connection_pool.disconnect()

    @pytest.mark.parametrize(
        "serializer",
        ["json.JSONSerializer", "msgpack.MSGPackSerializer", "pickle.PickleSerializer"],
    )
    def test_any_serializer(
        self, check: Check, hibp: RangeServer, config: dict[str, Any], serializer: str
    ) -> None:
        config["OPTIONS"]["SERIALIZER"] = f"django_redis.serializers.{serializer}"
        assert check("hunter2") == BREACHED
        assert eventually(lambda: cache.has_key(key_of("hunter2", hibp)))
        assert check.each("hunter2", "hunter2") == [BREACHED] * 2
        assert hibp.count == 1

    @pytest.mark.parametrize("client", ["default.DefaultClient", "herd.HerdClient"])
    def test_any_client(
        self, check: Check, hibp: RangeServer, config: dict[str, Any], client: str
    ) -> None:
        config["OPTIONS"] |= {
            "CLIENT_CLASS": f"django_redis.client.{client}",
            "SERIALIZER": "django_redis.serializers.pickle.PickleSerializer",
        }
        assert check("hunter2") == BREACHED
        assert eventually(lambda: cache.has_key(key_of("hunter2", hibp)))
        assert check.each("hunter2", "hunter2") == [BREACHED] * 2
        assert hibp.count == 1

    def test_what_lies_there_is_never_unpickled(
        self, check: Check, hibp: RangeServer, config: dict[str, Any]
    ) -> None:
        config["OPTIONS"]["SERIALIZER"] = "django_redis.serializers.pickle.PickleSerializer"
        cache.set(key_of("hunter2", hibp), Trap())
        assert check("hunter2") == BREACHED
        assert not Trap.sprung
        assert hibp.count == 1

    def test_an_entry_that_is_not_to_be_kept(
        self, check: Check, hibp: RangeServer, config: dict[str, Any], settings: Settings
    ) -> None:
        settings.CREDFIREWALL |= {"CACHE_TTL": 0, "CACHE_STALE": 0}
        assert check.each("hunter2", "hunter2") == [BREACHED] * 2
        assert not cache.has_key(key_of("hunter2", hibp))
        lock = key_for("lock", key_of("hunter2", hibp))
        assert eventually(lambda: cache.get(lock) is None)

    def test_a_lock_goes_when_the_range_is_there(
        self, check: Check, hibp: RangeServer, config: dict[str, Any]
    ) -> None:
        assert check("hunter2") == BREACHED
        lock = key_for("lock", key_of("hunter2", hibp))
        assert eventually(lambda: cache.get(lock) is None)
        assert cache.has_key(key_of("hunter2", hibp))

    def test_a_lock_goes_when_there_is_no_answer(
        self, check: Check, hibp: RangeServer, config: dict[str, Any]
    ) -> None:
        hibp.faults([faults.Status(503)])
        assert check("hunter2") == unknown(Reason.HTTP_SERVER_ERROR)
        lock = key_for("lock", key_of("hunter2", hibp))
        assert eventually(lambda: cache.get(lock) is None)
        assert check("hunter2") == BREACHED

    def test_it_stays_for_a_day_and_a_week(
        self, check: Check, hibp: RangeServer, config: dict[str, Any]
    ) -> None:
        check("hunter2")
        client = Redis.from_url(config["LOCATION"])
        with client:
            assert eventually(lambda: cache.has_key(key_of("hunter2", hibp)))
            times = [client.ttl(each) for each in client.keys("*")]
        assert max(times) == pytest.approx(DAY + WEEK, abs=5)
