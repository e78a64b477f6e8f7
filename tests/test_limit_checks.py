"""Checks of what counts for the limits: E024, W022, W023."""

from typing import Any

import pytest

from tests.checked import CACHE, ids, only

CORE = "django.core.cache.backends"


def cache(backend: str) -> dict[str, Any]:
    return {"BACKEND": f"{CORE}.{backend}", "LOCATION": "/nowhere"}


@pytest.mark.parametrize("alias", ["counts", None, 3, ["default"]])
def test_a_cache_that_is_not_there(alias: object) -> None:
    message = only(RATELIMIT_USE_CACHE=alias)
    assert message.id == "credfirewall.E024"
    assert repr(alias) in message.msg


def test_one_that_is_missed_already_is_not_missed_twice() -> None:
    assert ids(CACHES={}) == ["E013"]
    assert ids({"CACHE": "screening"}, CACHES={"screening": CACHE}) == ["E024"]


@pytest.mark.parametrize(
    ("backend", "problem"),
    [
        ("dummy.DummyCache", "no limits"),
        ("db.DatabaseCache", "more than the limit"),
        ("filebased.FileBasedCache", "more than the limit"),
        ("locmem.LocMemCache", "not shared"),
    ],
)
def test_a_cache_that_cannot_count_for_all(backend: str, problem: str) -> None:
    settings = {"CACHES": {"default": CACHE, "counts": cache(backend)}}
    message = only(RATELIMIT_USE_CACHE="counts", **settings)
    assert message.id == "credfirewall.W022"
    assert problem in message.msg and "'counts'" in message.msg
    assert ids(RATELIMIT_USE_CACHE="counts", DEBUG=True, **settings) == []


def test_memory_is_enough_for_one_process() -> None:
    caches = {"default": CACHE, "counts": cache("locmem.LocMemCache")}
    one = {"SINGLE_PROCESS": True}
    assert ids(one, RATELIMIT_USE_CACHE="counts", CACHES=caches) == []


def test_of_the_cache_for_everything_w008_speaks() -> None:
    assert ids(CACHES={"default": cache("locmem.LocMemCache")}) == ["W008"]


@pytest.mark.parametrize("backend", ["memcached.PyMemcacheCache", "no.such.Cache"])
def test_of_other_caches_nothing_is_said(backend: str) -> None:
    caches = {"default": CACHE, "counts": cache(backend)}
    assert ids(RATELIMIT_USE_CACHE="counts", CACHES=caches) == []


def test_limits_that_are_switched_off() -> None:
    assert only(RATELIMIT_ENABLE=False).id == "credfirewall.W023"
    assert ids(RATELIMIT_ENABLE=False, DEBUG=True) == []
    assert ids(RATELIMIT_ENABLE=True) == []


@pytest.mark.parametrize(
    ("rates", "said"),
    [
        ({"RATES": {"check": "5/x"}}, "'5/x', which is not a rate"),
        ({"RATES": {"chek": "5/m"}}, "unknown rate 'chek'"),
        ({"RATES": {"check": 5}}, "which is not a rate"),
        ({"RATES_ON_FAILURE": {"hibp": "open"}}, "unknown rate 'hibp'"),
        ({"RATES_ON_FAILURE": {"check": "shut"}}, 'neither "open" nor "closed"'),
        ({"RATES_ON_FAILURE": ["check"]}, "must be a dict"),
        ({"RATES_ON_FAILURE": {"check": ["open"]}}, 'neither "open" nor "closed"'),
    ],
)
def test_rates_that_are_none(rates: dict[str, Any], said: str) -> None:
    message = only(rates)
    assert message.id == "credfirewall.E003"
    assert said in message.msg
