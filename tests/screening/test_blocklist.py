"""The project's own words: from the settings and the table, through an in-process snapshot."""

import unicodedata
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from typing import Any, TypeVar

import pytest
from django.contrib.auth.models import User
from django.core.cache import caches
from django.core.cache.backends.base import BaseCache
from django.core.exceptions import SynchronousOnlyOperation, ValidationError
from django.core.management import call_command
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.test import SimpleTestCase
from pytest_django import DjangoAssertNumQueries, Settings

from credfirewall.exceptions import SourceUnavailable
from credfirewall.screening.digest import Candidate
from credfirewall.screening.models import BlockedWord
from credfirewall.screening.sources import blocklist
from credfirewall.screening.sources.blocklist import (
    LOOK_EVERY,
    RELOAD_EVERY,
    RETRY_AFTER,
    VERSION_KEY,
    BlocklistSource,
)
from credfirewall.screening.verdict import Answer, Reason
from tests.screening.crowd import Crowd

T = TypeVar("T")


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def source(clock: Clock) -> BlocklistSource:
    return BlocklistSource(clock)


@pytest.fixture
def absent_table(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """The table is not there; undo the patch and it is."""
    with monkeypatch.context() as patch:
        patch.setattr(BlockedWord._meta, "db_table", "credfirewall_not_migrated")
        yield patch


def is_found(source: BlocklistSource, password: str) -> bool:
    """Ask as the chain does."""
    if not source.ready():
        source.refresh()
    return source.lookup(Candidate.of(password)).found


def block_elsewhere(word: str) -> None:
    """Block a word as another process does: nothing in this one hears of it."""
    BlockedWord.objects.bulk_create([BlockedWord(word=word)])


def unavailable() -> AbstractContextManager[Any]:
    return pytest.raises(SourceUnavailable, match=f"^{Reason.DATABASE}$")


def elsewhere(call: Callable[[], T]) -> T:
    """Call in another thread, with a connection of its own."""

    def call_and_hang_up() -> T:
        try:
            return call()
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(call_and_hang_up).result(30)


class BrokenCache(BaseCache):
    """Raises what no other backend does."""

    def __init__(self, location: str, params: dict[str, Any]) -> None:
        super().__init__(params)

    def get(self, *args: Any, **kwargs: Any) -> Any:
        raise ZeroDivisionError

    set = get


@pytest.fixture
def broken_cache(settings: Settings) -> None:
    settings.CACHES = {"default": {"BACKEND": f"{__name__}.BrokenCache"}}


# What is compared


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("word", "password"),
    [
        ("Excelsior", "Excelsior"),
        ("Excelsior", "eXCELSIOR"),
        ("Straße", "STRASSE"),
        ("STRASSE", "straße"),
        ("İstanbul", "i\u0307STANBUL"),
        (unicodedata.normalize("NFD", "Zoë's café"), unicodedata.normalize("NFC", "ZOË'S CAFÉ")),
        (unicodedata.normalize("NFC", "Zoë's café"), unicodedata.normalize("NFD", "ZOË'S CAFÉ")),
        ("two words", "Two Words"),
    ],
)
def test_words_are_compared_folded_and_normalised(
    source: BlocklistSource, settings: Settings, word: str, password: str
) -> None:
    BlockedWord.objects.create(word=word)
    assert is_found(source, password)
    BlockedWord.objects.all().delete()
    settings.CREDFIREWALL = {"CONTEXT_WORDS": [word]}
    assert is_found(source, password)


@pytest.mark.django_db
def test_only_the_whole_value_counts(source: BlocklistSource, settings: Settings) -> None:
    BlockedWord.objects.create(word="excelsior")
    settings.CREDFIREWALL = {"CONTEXT_WORDS": ["anvil"]}
    for password in ("excelsior1", "excelsio", " excelsior", "an anvil", "anvils", ""):
        assert not is_found(source, password)


@pytest.mark.django_db
def test_answers_without_a_count_and_without_authority(source: BlocklistSource) -> None:
    BlockedWord.objects.create(word="excelsior")
    source.refresh()
    assert source.lookup(Candidate.of("excelsior")) == Answer(found=True, count=None)
    assert not source.authoritative


def test_words_of_the_settings_need_no_database(
    source: BlocklistSource, settings: Settings
) -> None:
    settings.CREDFIREWALL = {"CONTEXT_WORDS": ["Acme"]}
    assert source.lookup(Candidate.of("acme")).found
    settings.CREDFIREWALL = {"CONTEXT_WORDS": ("anvil",)}
    assert source.lookup(Candidate.of("anvil")).found


@pytest.mark.django_db
def test_what_counts_is_the_word_even_when_its_folded_form_was_left_behind(
    source: BlocklistSource,
) -> None:
    BlockedWord.objects.create(word="excelsior")
    BlockedWord.objects.update(word="Anvil")
    blocklist.invalidate()
    assert is_found(source, "anvil")
    assert not is_found(source, "excelsior")


# How changes are seen


@pytest.mark.parametrize(
    "_mode",
    [
        pytest.param("committed", marks=pytest.mark.django_db(transaction=True)),
        pytest.param("uncommitted", marks=pytest.mark.django_db),
    ],
)
def test_the_process_sees_its_own_change_at_once(source: BlocklistSource, _mode: str) -> None:
    assert not is_found(source, "excelsior")
    word = BlockedWord.objects.create(word="excelsior")
    assert is_found(source, "excelsior")
    word.word = "anvil"
    word.save()
    assert not is_found(source, "excelsior")
    assert is_found(source, "anvil")
    BlockedWord.objects.all().delete()
    assert not is_found(source, "anvil")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("in_transaction", [False, True])
def test_bulk_operations_are_seen_after_invalidate(
    source: BlocklistSource, in_transaction: bool
) -> None:
    assert not is_found(source, "excelsior")
    with transaction.atomic() if in_transaction else nullcontext():
        BlockedWord.objects.bulk_create([BlockedWord(word="excelsior")])
        assert not is_found(source, "excelsior")
        blocklist.invalidate()
        assert is_found(source, "excelsior")
    assert is_found(source, "excelsior")


@pytest.mark.django_db(transaction=True)
def test_other_processes_are_told_after_the_commit(clock: Clock) -> None:
    cache = caches["default"]
    with transaction.atomic():
        BlockedWord.objects.create(word="excelsior")
        assert cache.get(VERSION_KEY) is None
    first = cache.get(VERSION_KEY)
    assert first
    BlockedWord.objects.all().delete()
    assert cache.get(VERSION_KEY) not in (None, first)


@pytest.mark.django_db(transaction=True)
def test_what_is_rolled_back_leaves_no_trace(source: BlocklistSource) -> None:
    kept = BlockedWord.objects.create(word="kept")
    with transaction.atomic():
        BlockedWord.objects.create(word="excelsior")
        kept.delete()
        assert is_found(source, "excelsior")
        assert not is_found(source, "kept")
        transaction.set_rollback(True)
    assert not is_found(source, "excelsior")
    assert is_found(source, "kept")


@pytest.mark.django_db(transaction=True)
def test_threads_do_not_hide_each_others_changes(source: BlocklistSource) -> None:
    """Another thread may load what this one's transaction has changed already, without it."""
    source.refresh()
    with transaction.atomic():
        BlockedWord.objects.create(word="excelsior")
        assert not elsewhere(source.ready)
        assert not elsewhere(lambda: is_found(source, "excelsior"))
        assert elsewhere(source.ready)
        assert not source.ready()
        assert is_found(source, "excelsior")
        assert not elsewhere(lambda: is_found(source, "excelsior"))
    assert is_found(source, "excelsior")


@pytest.mark.django_db
def test_uncommitted_changes_are_read_where_they_were_made(
    source: BlocklistSource, settings: Settings
) -> None:
    settings.DATABASE_ROUTERS = [f"{__name__}.Replica"]
    with unavailable():
        source.refresh()
    BlockedWord.objects.using("default").create(word="excelsior")
    assert is_found(source, "excelsior")


@pytest.mark.django_db
def test_what_a_savepoint_takes_back_leaves_no_trace(source: BlocklistSource) -> None:
    assert not is_found(source, "excelsior")
    with transaction.atomic():
        BlockedWord.objects.create(word="excelsior")
        assert is_found(source, "excelsior")
        transaction.set_rollback(True)
    assert not is_found(source, "excelsior")
    assert source.ready()


@pytest.mark.django_db
def test_uncommitted_words_are_never_taken_for_current(source: BlocklistSource) -> None:
    BlockedWord.objects.create(word="excelsior")
    source.refresh()
    assert not source.ready()
    assert source.lookup(Candidate.of("excelsior")).found


@pytest.mark.django_db
def test_a_change_elsewhere_is_seen_within_five_seconds(
    source: BlocklistSource,
    clock: Clock,
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    assert not is_found(source, "excelsior")
    block_elsewhere("excelsior")
    caches["default"].set(VERSION_KEY, "set by another process")
    clock.now += LOOK_EVERY - 0.1
    with django_assert_num_queries(0):
        assert not is_found(source, "excelsior")
    clock.now += 0.2
    with django_assert_num_queries(3):  # one SELECT, in a savepoint of the test's transaction
        assert is_found(source, "excelsior")
        assert is_found(source, "excelsior")


@pytest.mark.django_db
def test_an_unchanged_version_costs_no_query(
    source: BlocklistSource,
    clock: Clock,
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    caches["default"].set(VERSION_KEY, "some version")
    source.refresh()
    with django_assert_num_queries(0):
        for _look in range(11):
            clock.now += LOOK_EVERY
            assert not source.ready()
            source.refresh()
            assert source.ready()


@pytest.mark.django_db
@pytest.mark.parametrize("version", [None, "gone"])
def test_without_a_shared_cache_the_table_is_read_again_every_minute(
    source: BlocklistSource, clock: Clock, version: str | None
) -> None:
    if version:
        caches["default"].set(VERSION_KEY, version)
    assert not is_found(source, "excelsior")
    block_elsewhere("excelsior")
    clock.now += RELOAD_EVERY - 0.1
    assert not is_found(source, "excelsior")
    clock.now += 0.2
    assert is_found(source, "excelsior")


@pytest.mark.django_db
def test_an_emptied_cache_means_reading_again(source: BlocklistSource, clock: Clock) -> None:
    caches["default"].set(VERSION_KEY, "some version")
    assert not is_found(source, "excelsior")
    block_elsewhere("excelsior")
    caches["default"].clear()
    clock.now += LOOK_EVERY
    assert is_found(source, "excelsior")


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("broken_cache")
def test_a_broken_cache_is_no_error(
    source: BlocklistSource, clock: Clock, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    assert not is_found(source, "anvil")
    BlockedWord.objects.create(word="anvil")
    assert is_found(source, "anvil")
    block_elsewhere("excelsior")
    with django_assert_num_queries(0):
        clock.now += LOOK_EVERY
        assert not is_found(source, "excelsior")
    clock.now += RELOAD_EVERY
    assert is_found(source, "excelsior")


@pytest.mark.django_db
def test_a_cache_that_breaks_is_not_taken_for_a_change(
    source: BlocklistSource,
    clock: Clock,
    settings: Settings,
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    caches["default"].set(VERSION_KEY, "some version")
    source.refresh()
    settings.CACHES = {"default": {"BACKEND": f"{__name__}.BrokenCache"}}
    clock.now += LOOK_EVERY
    with django_assert_num_queries(0):
        source.refresh()
    assert source.ready()


@pytest.mark.django_db
def test_the_version_is_read_before_the_table(
    source: BlocklistSource, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A change that comes between the two readings has to show at the next look."""
    read = blocklist._read_words

    def read_and_be_overtaken(alias: str) -> frozenset[str]:
        words = read(alias)
        block_elsewhere("excelsior")
        caches["default"].set(VERSION_KEY, "newer")
        return words

    with monkeypatch.context() as patch:
        patch.setattr(blocklist, "_read_words", read_and_be_overtaken)
        assert not is_found(source, "excelsior")
    clock.now += LOOK_EVERY
    assert is_found(source, "excelsior")


@pytest.mark.django_db
def test_lookup_waits_for_nothing_once_loaded(
    source: BlocklistSource, clock: Clock, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    source.lookup(Candidate.of("excelsior"))
    clock.now += 10 * RELOAD_EVERY
    with django_assert_num_queries(0):
        source.lookup(Candidate.of("excelsior"))


def test_threads_that_come_first_together_read_once(
    source: BlocklistSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    crowd = Crowd()
    monkeypatch.setattr(source, "_lock", crowd)
    looks = []
    monkeypatch.setattr(source, "_shared_version", lambda: looks.append(1))
    words = frozenset({"excelsior"})
    monkeypatch.setattr(blocklist, "_read_words", lambda alias: crowd.guarded(lambda: words))
    assert crowd.run(lambda: is_found(source, "excelsior")) == [True] * 8
    assert (crowd.work, len(looks)) == (1, 1)


# What may go wrong


@pytest.mark.django_db
@pytest.mark.parametrize("in_transaction", [False, True])
def test_a_missing_table_leaves_the_callers_transaction_usable(
    source: BlocklistSource, absent_table: pytest.MonkeyPatch, in_transaction: bool
) -> None:
    with transaction.atomic() if in_transaction else nullcontext():
        User.objects.create(username="ada")
        with unavailable():
            source.refresh()
        assert User.objects.get().username == "ada"


@pytest.mark.django_db(transaction=True)
def test_a_missing_table_outside_a_transaction(
    source: BlocklistSource, absent_table: pytest.MonkeyPatch
) -> None:
    with unavailable():
        source.lookup(Candidate.of("excelsior"))
    assert not User.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_reading_opens_no_transaction_of_its_own(
    source: BlocklistSource, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    """With transaction_mode IMMEDIATE, SQLite would lock out every writer for a read."""
    with django_assert_num_queries(1) as captured:
        source.refresh()
    assert captured.captured_queries[0]["sql"].startswith("SELECT")


@pytest.mark.django_db
def test_a_failure_is_remembered_for_five_seconds(
    source: BlocklistSource,
    clock: Clock,
    absent_table: pytest.MonkeyPatch,
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    with unavailable():
        source.refresh()
    absent_table.undo()
    clock.now += RETRY_AFTER - 0.1
    with django_assert_num_queries(0), unavailable():
        source.refresh()
    clock.now += 0.2
    assert not is_found(source, "excelsior")
    assert source.ready()


@pytest.mark.django_db(transaction=True)
def test_a_failure_is_forgotten_when_the_table_arrives(
    source: BlocklistSource, absent_table: pytest.MonkeyPatch
) -> None:
    with unavailable():
        source.refresh()
    absent_table.undo()
    call_command("migrate", verbosity=0)
    assert not is_found(source, "excelsior")


@pytest.mark.django_db
def test_what_is_held_is_refused_while_the_database_fails(
    source: BlocklistSource, clock: Clock, absent_table: pytest.MonkeyPatch
) -> None:
    absent_table.undo()
    block_elsewhere("excelsior")
    source.refresh()
    clock.now += 2 * RELOAD_EVERY
    absent_table.setattr(BlockedWord._meta, "db_table", "credfirewall_not_migrated")
    with unavailable():
        source.refresh()
    assert not source.ready()
    assert source.lookup(Candidate.of("excelsior")).found


@pytest.mark.django_db
def test_a_transaction_that_must_roll_back_is_its_callers_affair(source: BlocklistSource) -> None:
    with transaction.atomic():
        transaction.set_rollback(True)
        with unavailable():
            source.refresh()
    source.refresh()
    assert source.ready()


@pytest.mark.django_db
def test_a_transaction_that_postgresql_gave_up_is_its_callers_affair(
    source: BlocklistSource,
) -> None:
    gave_up = connection.vendor == "postgresql"
    with transaction.atomic():
        with pytest.raises(DatabaseError), connection.cursor() as cursor:
            cursor.execute("SELECT nothing FROM nowhere")
        with unavailable() if gave_up else nullcontext():
            source.refresh()
        transaction.set_rollback(True)
    source.refresh()
    assert source.ready()


def test_a_test_that_may_not_use_the_database_gets_no_error_of_its_own(
    source: BlocklistSource,
) -> None:
    for call in (source.refresh, lambda: source.lookup(Candidate.of("excelsior"))):
        with unavailable():
            call()
    assert source._failed is None


class WithoutDatabase(SimpleTestCase):
    def test_djangos_own_way_to_forbid_the_database(self) -> None:
        source = BlocklistSource()
        with unavailable():
            source.refresh()
        assert source._failed is None


class Replica:
    """Reads from a database that the settings do not have."""

    def db_for_read(self, model: object, **hints: object) -> str:
        return "absent"


class Nowhere(Replica):
    """Writes there as well."""

    db_for_write = Replica.db_for_read


def test_a_database_that_is_not_configured(source: BlocklistSource, settings: Settings) -> None:
    settings.DATABASE_ROUTERS = [f"{__name__}.Nowhere"]
    with unavailable():
        source.refresh()


@pytest.mark.parametrize("error", [SynchronousOnlyOperation, DatabaseError])
def test_whatever_the_database_raises_is_unavailable(
    source: BlocklistSource, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    def fail(alias: str) -> frozenset[str]:
        raise error

    monkeypatch.setattr(blocklist, "_read_words", fail)
    with unavailable():
        source.refresh()


# The table


def test_is_folded_on_every_way_in(db: None) -> None:
    assert BlockedWord.objects.create(word="Straße").folded == "strasse"
    BlockedWord.objects.bulk_create([BlockedWord(word="ÅNGSTRÖM")])
    words = BlockedWord.objects.order_by("id")
    assert list(words.values_list("folded", flat=True)) == ["strasse", "ångström"]
    assert [str(word) for word in words] == ["Straße", "ÅNGSTRÖM"]


@pytest.mark.django_db
@pytest.mark.parametrize(
    "store",
    [
        lambda word: BlockedWord.objects.create(word=word),
        lambda word: BlockedWord.objects.bulk_create([BlockedWord(word=word)]),
    ],
    ids=["create", "bulk_create"],
)
def test_no_word_is_stored_twice_or_empty(store: Callable[[str], object]) -> None:
    store("Straße")
    for word in ("STRASSE", ""):
        with pytest.raises(IntegrityError), transaction.atomic():
            store(word)
    assert BlockedWord.objects.count() == 1


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("EXCELSIOR", "This word is blocked already, in this or another case."),
        ("ß" * 128, "This word is too long."),
        ("\ud800", "This is not text that can be stored."),
        ("", "This field cannot be blank."),
    ],
)
def test_what_is_wrong_is_said_of_the_word(word: str, message: str) -> None:
    BlockedWord.objects.create(word="Excelsior")
    with pytest.raises(ValidationError) as caught:
        BlockedWord(word=word).full_clean()
    assert caught.value.message_dict == {"word": [message]}


@pytest.mark.django_db
def test_a_word_may_stay_as_it_is() -> None:
    word = BlockedWord.objects.create(word="Excelsior")
    word.word = "EXCELSIOR"
    word.full_clean()
    word.save()
