"""The list of common passwords: what it refuses, what it lets pass, and what it costs."""

import gzip
import os
import subprocess
import sys
import tracemalloc
import unicodedata
from array import array
from pathlib import Path

import pytest

from credfirewall.exceptions import SourceUnavailable
from credfirewall.screening.digest import MAX_CODE_POINTS, Candidate, fold
from credfirewall.screening.sources import bundled
from credfirewall.screening.sources.bundled import BundledSource, entries, repeated_unit
from credfirewall.screening.verdict import Answer, Reason
from tests.screening.crowd import Crowd


def is_found(password: str) -> bool:
    return BundledSource().lookup(Candidate.of(password)).found


@pytest.fixture(scope="module")
def listed() -> set[str]:
    return set(entries())


@pytest.mark.parametrize(
    "password",
    [
        "123456",
        "kartoffelpuffer",
        "friend of emily",
        "password1234567890password",
        "monkey123456789monkey",
        "password0987654321password",
        "123456789password123456789",
        "1234567890password",
        "password12345678901",
        "passwordpassword123",
        "drowssap12345",
        "password_1234567890",
        "princess12345678",
        "qwertyuiop1234567890",
        "1234567890qwertyuiop",
        "qwertyuiopasdfghjklzxcvbnm",
        "qwertyuioplkjhgfdsa",
        "1qaz2wsx3edc4rfv5tgb",
        "zaq12wsxcde34rfv",
        "!QAZ2wsx#EDC4rfv",
        "1qaz!QAZ2wsx@WSX",
        "qazwsxedcrfvtgbyhn",
        "1q2w3e4r5t6y7u8i9o0p",
        "q1w2e3r4t5y6u7i8",
        "qwerasdfzxcv1234",
        "123qweasdzxc!@#",
        "qwertzuiopasdfghjkl",
        "azertyuiopqsdfghjklm",
        "йцукенгшщзхъфывапролджэ",
        "147258369741",
        "123456789012345678",
        "abcdefghijklmnop",
        "zyxwvutsrqponmlkj",
        "112233445566778899",
        "1234567890987654321",
        "1a2b3c4d5e6f7g8h",
        "abcdefgh12345678",
        "123456789101112131415",
        "2023202420252026",
        "summer2024!",
        "administrator1234567890",
        "p@ssw0rd123456789",
        "iloveyoujessica123",
        "michaelisthebest",
        "passwordprincess",
        "this is my password",
        "thisismypassword123",
        "correct-horse-battery-staple",
        "to be or not to be",
    ],
)
def test_refuses_common_passwords_and_what_people_make_of_them(password: str) -> None:
    assert is_found(password)


@pytest.mark.parametrize(
    "password",
    [
        "a" * 15,
        "a" * MAX_CODE_POINTS,
        "ab" * 40,
        "x7q" * 5,
        "Wolf" * 4,
        "monkey" * 3,
        "password1" * 2,
        "1qaz2wsx" * 8,
        "p@ssw0rd" * 2,
    ],
)
def test_refuses_repetitions_of_little_and_of_listed_words(password: str) -> None:
    assert is_found(password)


@pytest.mark.parametrize(
    "password",
    [
        "correct horse battery staple 7",
        "my password is not a common one",
        "the monkey ate my keyboard in 1999",
        "x password1234567890password",
        "password1234567890password x",
        "Tr0ub4dor&3 and friends",
        "kx7q2" * 3,
        "wolf wolf wolf w",
        "93kd02jsl29dkq1",
        "日本語の長い合言葉です",
        "",
    ],
)
def test_lets_pass_what_only_contains_a_listed_word(password: str) -> None:
    assert not is_found(password)


def test_answers_without_a_count_and_without_authority() -> None:
    assert BundledSource().lookup(Candidate.of("password")) == Answer(found=True, count=None)
    assert not BundledSource.authoritative


def test_compares_in_any_case_and_normal_form() -> None:
    assert is_found(unicodedata.normalize("NFC", "ЙЦУКЕНгшщзхъ"))
    assert is_found(unicodedata.normalize("NFD", "ЙЦУКЕНгшщзхъ"))
    assert is_found("PassWord1234567890PASSWORD")


@pytest.mark.parametrize("length", [8, 12, 15])
def test_asvs_6_2_4_holds_3000_entries_for_each_minimum_length(
    listed: set[str], length: int
) -> None:
    assert sum(len(entry) >= length for entry in listed) >= 3000


def test_long_entries_go_far_beyond_the_required_number(listed: set[str]) -> None:
    assert sum(len(entry) >= 15 for entry in listed) >= 30_000
    assert sum(len(entry) >= 20 for entry in listed) >= 10_000


def test_holds_all_of_djangos_list(listed: set[str]) -> None:
    lines = gzip.decompress(bundled.COMMON_PASSWORDS.read_bytes()).decode().splitlines()
    common = {fold(line.strip()) for line in lines}
    assert len(common) > 19_000
    assert common <= listed


def test_every_entry_is_in_the_form_that_is_compared(listed: set[str]) -> None:
    assert [entry for entry in listed if fold(entry) != entry or entry != entry.strip()] == []


def test_every_entry_is_found(listed: set[str]) -> None:
    table = bundled._list.load()
    assert all(bundled._holds(table, entry) for entry in listed)


def test_the_table_keeps_a_third_of_its_places_free(listed: set[str]) -> None:
    assert len(listed) < bundled.SLOTS * 2 / 3


def test_values_that_want_the_same_place_are_told_apart() -> None:
    last = bundled.SLOTS - 1
    rivals = [last, last + bundled.SLOTS, last + 2 * bundled.SLOTS]
    table = array("q", bytes(8 * bundled.SLOTS))
    for value in rivals:
        table[bundled._slot(table, value)] = value
    assert [table[bundled._slot(table, value)] for value in rivals] == rivals
    assert [bundled._slot(table, value) for value in rivals] == [last, 0, 1]
    assert table[bundled._slot(table, last + 3 * bundled.SLOTS)] == 0


def test_loading_takes_less_than_5_mb_and_keeps_less_than_3() -> None:
    tracemalloc.start()
    try:
        table = bundled._List().load()
        kept, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert any(table)
    assert most < 5_000_000
    assert kept < 3_000_000


def test_nothing_is_loaded_before_it_is_needed() -> None:
    program = (
        "import django; django.setup();"
        "from credfirewall.screening.sources.bundled import BundledSource;"
        "source = BundledSource(); print(source.ready()); source.refresh(); print(source.ready())"
    )
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"}
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environment,
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["False", "True"]


def test_threads_that_come_first_together_load_it_once(monkeypatch: pytest.MonkeyPatch) -> None:
    crowd, fresh, build = Crowd(), bundled._List(), bundled._List._build
    monkeypatch.setattr(fresh, "_lock", crowd)
    monkeypatch.setattr(fresh, "_build", lambda: crowd.guarded(build))
    tables = crowd.run(fresh.load)
    assert crowd.work == 1
    assert all(table is tables[0] for table in tables)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(None, id="missing"),
        pytest.param(b"password\n", id="not gzip"),
        pytest.param(gzip.compress(b"password\n" * 99)[:-9], id="cut off"),
        pytest.param(gzip.compress(b"\xff\xfe\n"), id="not UTF-8"),
        pytest.param(gzip.compress(b"")[:10] + b"\xff" * 20, id="damaged"),
    ],
)
def test_an_unreadable_list_is_unavailable_until_it_can_be_read(
    content: bytes | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "list.gz"
    if content is not None:
        file.write_bytes(content)
    monkeypatch.setattr(bundled, "COMMON_PASSWORDS", file)
    monkeypatch.setattr(bundled, "_list", bundled._List())
    source = BundledSource()
    for call in (source.refresh, lambda: source.lookup(Candidate.of("password"))):
        with pytest.raises(SourceUnavailable) as caught:
            call()
        assert caught.value.reason == Reason.ERROR
    assert not source.ready()
    file.write_bytes(gzip.compress(b"password\nletmein\n"))
    assert source.lookup(Candidate.of("letmein")).found


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        ("abab", "ab"),
        ("aaa", "a"),
        ("abcabc", "abc"),
        ("abcab", ""),
        ("a", ""),
        ("", ""),
        ("aab" * 700 + "aac", ""),
    ],
)
def test_repeated_unit(text: str, unit: str) -> None:
    assert repeated_unit(text) == unit
