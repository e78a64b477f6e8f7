"""The chain of sources: which answers decide, and what an undecided verdict means."""

import asyncio
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import FrozenInstanceError, dataclass, field
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import connection
from django.test.utils import CaptureQueriesContext

import credfirewall.screening
from credfirewall.exceptions import SourceUnavailable
from credfirewall.screening import Status, Verdict, ascreen, screen
from credfirewall.screening.digest import Candidate
from credfirewall.screening.services import is_refused, screen_locally
from credfirewall.screening.sources import Source, chain
from credfirewall.screening.verdict import Answer, Reason
from credfirewall.signals import password_breached, source_degraded
from credfirewall.testing.server import RangeServer
from tests.screening.asking import BREACHED, CLEAN, Check, unknown
from tests.screening.conftest import Configure

FOUND, ABSENT = Answer(found=True), Answer(found=False)
NEVER_ASKED = Answer(found=True, count=666)


def seen(count: int) -> Answer:
    return Answer(found=count > 0, count=count)


DOWN, LATE = SourceUnavailable("connect"), SourceUnavailable("timeout")


@dataclass
class Told:
    """A source that says what it is told to."""

    name: str
    authoritative: bool
    answer: Any = ABSENT
    asked: list[Candidate] = field(default_factory=list)

    def lookup(self, candidate: Candidate) -> Answer:
        self.asked.append(candidate)
        if isinstance(self.answer, Exception):
            raise self.answer
        if callable(self.answer):
            self.answer = self.answer()
        answer: Answer = self.answer
        return answer


CORPORA = [Told("corpus", True), Told("mirror", True)]
LISTS = [Told("list", False), Told("other", False)]
CORPUS, MIRROR, LIST, OTHER = (
    f"{__name__}.{name}" for name in ("Corpus", "Mirror", "List", "Other")
)


def Corpus() -> Told:  # noqa: N802 - SOURCES names classes
    return CORPORA[0]


def Mirror() -> Told:  # noqa: N802
    return CORPORA[1]


def List() -> Told:  # noqa: N802
    return LISTS[0]


def Other() -> Told:  # noqa: N802
    return LISTS[1]


@pytest.fixture(autouse=True)
def _silent() -> Iterator[None]:
    yield
    for told in (*CORPORA, *LISTS):
        told.answer = ABSENT
        told.asked.clear()


@pytest.fixture
def told(configure: Configure) -> Callable[..., list[Told]]:
    """Set SOURCES, and what they say."""

    def tell(*sources: tuple[str, Any]) -> list[Told]:
        configure(SOURCES=[path for path, _ in sources])
        each = [chain.import_string(path)() for path, _ in sources]  # type: ignore[attr-defined]
        for one, (_, answer) in zip(each, sources, strict=True):
            one.answer = answer
        return each

    return tell


def clean(source: str, count: int | None = None, reason: str = "") -> Verdict:
    return Verdict(Status.CLEAN, count, source, reason)


def breached(source: str, count: int | None = None, reason: str = "") -> Verdict:
    return Verdict(Status.BREACHED, count, source, reason)


DECISIONS: dict[str, tuple[list[tuple[str, Any]], Verdict]] = {
    "not in the corpus": ([(CORPUS, seen(0))], clean("corpus", 0)),
    "in the corpus": ([(CORPUS, seen(5))], breached("corpus", 5)),
    "on a list first": ([(LIST, FOUND), (CORPUS, NEVER_ASKED)], breached("list")),
    "in the corpus first": ([(CORPUS, seen(2)), (LIST, NEVER_ASKED)], breached("corpus", 2)),
    "on a list last": ([(CORPUS, seen(0)), (LIST, FOUND)], breached("list")),
    "on a list while the corpus is down": ([(CORPUS, DOWN), (LIST, FOUND)], breached("list")),
    "on no list": ([(LIST, ABSENT), (CORPUS, seen(0)), (OTHER, ABSENT)], clean("corpus", 0)),
    "a list is down": ([(LIST, DOWN), (CORPUS, seen(0))], clean("corpus", 0)),
    "a list is down, later": ([(CORPUS, seen(0)), (LIST, DOWN)], clean("corpus", 0)),
    "the corpus is down": ([(CORPUS, DOWN)], unknown("connect")),
    "a list says no while it is": ([(LIST, ABSENT), (CORPUS, DOWN)], unknown("connect")),
    "a list says no afterwards": ([(CORPUS, DOWN), (LIST, ABSENT)], unknown("connect")),
    "all are down": ([(LIST, DOWN), (CORPUS, LATE), (OTHER, DOWN)], unknown("timeout")),
    "both corpora are down": ([(CORPUS, DOWN), (MIRROR, LATE)], unknown("timeout")),
    "a mirror stands in": ([(CORPUS, DOWN), (MIRROR, seen(0))], clean("mirror", 0)),
    "a mirror knows": ([(CORPUS, DOWN), (MIRROR, seen(3))], breached("mirror", 3)),
    "a mirror is for outages": ([(CORPUS, seen(0)), (MIRROR, NEVER_ASKED)], clean("corpus", 0)),
    "lists alone say no": ([(LIST, ABSENT), (OTHER, ABSENT)], clean("other")),
    "lists alone say yes": ([(LIST, ABSENT), (OTHER, FOUND)], breached("other")),
    "one of them is down": ([(LIST, ABSENT), (OTHER, DOWN)], unknown("connect")),
    "the first is down": ([(LIST, LATE), (OTHER, ABSENT)], unknown("timeout")),
    "down, and on the other": ([(LIST, DOWN), (OTHER, FOUND)], breached("other")),
    "no source": ([], unknown(Reason.NO_SOURCE)),
    "an old answer": (
        [(CORPUS, Answer(found=True, count=3, note="stale"))],
        breached("corpus", 3, "stale"),
    ),
    "an old no": (
        [(CORPUS, Answer(found=False, count=0, note="stale"))],
        clean("corpus", 0, "stale"),
    ),
    "an error": ([(CORPUS, ZeroDivisionError("hunter2"))], unknown(Reason.ERROR)),
    "an error, and a mirror": ([(CORPUS, KeyError()), (MIRROR, seen(0))], clean("mirror", 0)),
    "a chatty error": ([(CORPUS, SourceUnavailable("hunter2, sorry"))], unknown(Reason.ERROR)),
    **{
        f"{answer!r} is no answer": ([(CORPUS, answer)], unknown(Reason.ERROR))
        for answer in (None, True, "clean", 5, (True, 5), Answer(True, "5"))  # type: ignore[arg-type]
    },
}


@pytest.mark.parametrize(("sources", "verdict"), DECISIONS.values(), ids=DECISIONS)
def test_who_decides(
    check: Check, told: Callable[..., list[Told]], sources: Any, verdict: Verdict
) -> None:
    each = told(*sources)
    assert check("hunter2") == verdict
    assert not any(one.asked for one in each if one.answer is NEVER_ASKED)


class TestMinCount:
    @pytest.mark.parametrize(
        ("sources", "verdict"),
        [
            ([(CORPUS, seen(4))], clean("corpus", 4, Reason.BELOW_MIN_COUNT)),
            ([(CORPUS, seen(5))], breached("corpus", 5)),
            ([(CORPUS, seen(0))], clean("corpus", 0)),
            ([(LIST, FOUND)], breached("list")),
            ([(CORPUS, seen(4)), (LIST, FOUND)], breached("list")),
            ([(LIST, seen(4)), (CORPUS, seen(5))], breached("corpus", 5)),
        ],
    )
    def test_counts_are_held_to_it_and_lists_are_not(
        self, check: Check, told: Callable[..., list[Told]], configure: Configure,
        sources: Any, verdict: Verdict,
    ) -> None:  # fmt: skip
        told(*sources)
        configure(MIN_COUNT=5)
        assert check("hunter2") == verdict

    @pytest.mark.parametrize(("least", "status"), [(17, "breached"), (18, "clean")])
    def test_of_hibp(
        self, check: Check, hibp: RangeServer, configure: Configure, least: int, status: str
    ) -> None:
        configure(MIN_COUNT=least)
        verdict = check("hunter2")
        assert (verdict.status, verdict.count) == (status, 17)


class TestVerdict:
    @pytest.mark.parametrize("status", Status)
    def test_it_has_no_truth_value(self, status: Status) -> None:
        with pytest.raises(TypeError, match=r"verdict\.status"):
            bool(Verdict(status))
        with pytest.raises(TypeError):
            assert not Verdict(status)

    def test_it_is_frozen(self) -> None:
        verdict = Verdict(Status.BREACHED, 1, "hibp")
        with pytest.raises(FrozenInstanceError):
            verdict.status = Status.CLEAN  # type: ignore[misc]  # that is the point
        with pytest.raises((AttributeError, TypeError)):
            verdict.note = "x"  # type: ignore[attr-defined]  # that is the point
        assert {verdict: 1}[Verdict(Status.BREACHED, 1, "hibp")] == 1

    def test_a_status_is_its_word(self) -> None:
        assert [str(status) for status in Status] == ["clean", "breached", "unknown"]
        assert Status("unknown") is Status.UNKNOWN

    @pytest.mark.parametrize(
        ("status", "policy", "refused"),
        [
            (Status.CLEAN, "allow", False),
            (Status.CLEAN, "reject", False),
            (Status.BREACHED, "allow", True),
            (Status.BREACHED, "reject", True),
            (Status.UNKNOWN, "allow", False),
            (Status.UNKNOWN, "reject", True),
        ],
    )
    def test_what_it_means(
        self, configure: Configure, status: Status, policy: str, refused: bool
    ) -> None:
        configure(ON_UNKNOWN=policy)
        assert is_refused(Verdict(status)) is refused

    @pytest.mark.parametrize("misspelt", ["Reject", "deny", "", None, True])
    def test_no_other_word_allows_it(self, configure: Configure, misspelt: object) -> None:
        configure(ON_UNKNOWN=misspelt)
        assert is_refused(Verdict(Status.UNKNOWN))

    def test_unknown_is_allowed_by_default(self, configure: Configure) -> None:
        assert not is_refused(unknown("timeout"))


class TestSignals:
    def test_a_breach_is_told_once_with_the_user(self, check: Check, hibp: RangeServer) -> None:
        heard, user = [], object()

        def listen(**arguments: object) -> None:
            heard.append(arguments)

        password_breached.connect(listen)
        try:
            check("hunter2", user=user)
            check("hunter3", user=user)
            check("hunter2")
        finally:
            password_breached.disconnect(listen)
        common = {"signal": password_breached, "sender": None, "verdict": BREACHED}
        assert heard == [{**common, "user": user}, {**common, "user": None}]

    def test_a_receiver_that_fails_changes_no_verdict(
        self, check: Check, hibp: RangeServer
    ) -> None:
        def fail(**arguments: object) -> None:
            raise RuntimeError("no")

        password_breached.connect(fail)
        try:
            assert check("hunter2") == BREACHED
        finally:
            password_breached.disconnect(fail)

    def test_a_custom_source_is_told_of_on_transitions(
        self, check: Check, told: Callable[..., list[Told]]
    ) -> None:
        heard = []

        def listen(state: str, reason: str, **arguments: object) -> None:
            heard.append((arguments["source"], state, reason))

        source_degraded.connect(listen)
        try:
            for answer in (seen(0), DOWN, LATE, ValueError(), seen(1), seen(0)):
                told((CORPUS, answer))
                check("hunter2")
        finally:
            source_degraded.disconnect(listen)
        assert heard == [("corpus", "degraded", "connect"), ("corpus", "recovered", "")]


def Moody() -> Told:  # noqa: N802
    mood = MOODS.pop(0)
    if isinstance(mood, Exception):
        raise mood
    return mood


MOODS: list[Exception | Told] = []


def Late() -> Told:  # noqa: N802
    BOTH.wait(10)
    return Told("late", True)


BOTH = threading.Barrier(2)
"""A source is made here only when two threads are making one."""
REPOSITORY = Path(credfirewall.__file__).parent.parent
FIRST_CHECK = """
import asyncio, sys, threading
import django
from django.conf import settings

settings.configure(
    SECRET_KEY="first", CREDFIREWALL={"SOURCES": ["hibp"], "HIBP_URL": "http://127.0.0.1:1/"}
)
django.setup()
from credfirewall.screening import ascreen

def loads(event, arguments):
    if event == "import" and arguments[0] in ("requests", "aiohttp"):
        loaded_in.append(threading.current_thread())

loaded_in = []
sys.addaudithook(loads)
asyncio.run(ascreen("hunter2"))
assert len(loaded_in) == 2, loaded_in
assert threading.main_thread() not in loaded_in, loaded_in
"""


class TestSources:
    def test_a_slow_one_of_the_host_does_not_block_the_loop(
        self, told: Callable[..., list[Told]]
    ) -> None:
        arrived, go_on = threading.Event(), threading.Event()

        def slow() -> Answer:
            arrived.set()
            assert go_on.wait(10)
            return seen(3)

        async def beside() -> Verdict:
            task = asyncio.create_task(ascreen("hunter2"))
            while not arrived.is_set():  # noqa: ASYNC110 - it is set in another thread
                await asyncio.sleep(0.001)
            go_on.set()
            return await task

        told((CORPUS, slow))
        assert asyncio.run(beside()) == breached("corpus", 3)

    @pytest.mark.parametrize(
        "name",
        ["hbip", "", "nowhere.Source", "credfirewall.screening.digest.Nothing",
         "credfirewall.screening.digest.Candidate.of", "builtins.object", "builtins.dict"],
    )  # fmt: skip
    def test_a_name_that_is_none_is_the_project_s_mistake(
        self, check: Check, configure: Configure, name: str
    ) -> None:
        configure(SOURCES=[name])
        with pytest.raises((ImproperlyConfigured, TypeError)):
            check("hunter2")

    def test_one_that_cannot_be_made_is_tried_again(
        self, check: Check, configure: Configure, caplog: pytest.LogCaptureFixture
    ) -> None:
        configure(SOURCES=[f"{__name__}.Moody"])
        MOODS[:] = [FileNotFoundError("hunter2"), Told("moody", True)]
        assert check.each("hunter2", "hunter2") == [unknown(Reason.ERROR), clean("moody")]
        assert [record.message for record in caplog.records] == [
            f"The source '{__name__}.Moody' could not be made: FileNotFoundError."
        ]

    def test_one_is_made_once(self, check: Check, hibp: RangeServer, configure: Configure) -> None:
        configure(SOURCES=["hibp", CORPUS])
        first = list(chain.active())
        check("hunter2")
        assert [one is other for one, other in zip(first, chain.active(), strict=True)] == [
            True
        ] * 2

    def test_two_threads_at_once_get_the_same_one(self, configure: Configure) -> None:
        """What one learns of its service, the other has to know."""
        configure(SOURCES=[f"{__name__}.Late"])
        with ThreadPoolExecutor(2) as pool:
            one, other = pool.map(lambda _: chain.active()[0], range(2))
        assert one is other is chain.active()[0]

    def test_a_loop_does_not_wait_for_the_clients_to_load(self) -> None:
        subprocess.run([sys.executable, "-c", FIRST_CHECK], check=True, cwd=REPOSITORY)

    def test_another_address_is_another_source(
        self, check: Check, hibp: RangeServer, configure: Configure
    ) -> None:
        assert check("hunter2") == BREACHED
        with RangeServer() as other:
            configure(HIBP_URL=other.url)
            assert check("hunter2") == CLEAN
            configure(HIBP_URL=hibp.url)
            assert check("hunter2") == BREACHED
        assert (hibp.count, other.count) == (1, 1)

    def test_ours_have_the_shape(self) -> None:
        assert isinstance(Told("x", True), Source)

    def test_the_package_gives_what_it_names(self) -> None:
        assert credfirewall.screening.screen is screen
        with pytest.raises(AttributeError):
            credfirewall.screening.scream  # noqa: B018


@pytest.mark.django_db
class TestDatabase:
    @pytest.fixture(autouse=True)
    def _all_sources(self, hibp: RangeServer, configure: Configure) -> None:
        hibp.add({"seen on a list of passwords": 3})
        sources = ["blocklist", "bundled", "hibp"]
        configure(SOURCES=sources, CONTEXT_WORDS=["Company Secret"])
        screen("warm up")  # from here on lists answer from memory

    @pytest.mark.parametrize(
        ("password", "source"),
        [
            ("company secret", "blocklist"),
            ("password", "bundled"),
            ("seen on a list of passwords", "hibp"),
            ("nobody has this one", "hibp"),
        ],
    )
    def test_nothing_is_written_or_even_read(
        self, check: Check, password: str, source: str
    ) -> None:
        with CaptureQueriesContext(connection) as queries:
            verdict = check(password)
        assert (len(queries), verdict.source) == (0, source)

    def test_locally_nobody_is_asked(self, hibp: RangeServer) -> None:
        hibp.reset()
        assert screen_locally("seen on a list of passwords").status is Status.CLEAN
        assert screen_locally("company SECRET") == breached("blocklist")
        assert screen_locally("password") == breached("bundled")
        assert hibp.count == 0
