"""Metrics: no text of a person in them, many processes, none without the library."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import prometheus_client
import pytest
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from pytest_django import Settings

from credfirewall import metrics
from credfirewall.audit import metrics as audit_metrics
from credfirewall.audit.events import Code, LimitHit
from credfirewall.exceptions import SourceUnavailable
from credfirewall.metrics import MOST, Counter, Reading, exposition
from credfirewall.screening import metrics as screening_metrics
from credfirewall.screening import screen
from credfirewall.screening.digest import Candidate
from credfirewall.screening.sources import chain
from credfirewall.screening.verdict import Answer
from credfirewall.testing import breached, unknown
from credfirewall.validators import BreachedPasswordValidator
from dev import ROOT
from tests.canary.detector import ascii_canary, leaks
from tests.metering import Growth, shown, value

CLEAN = "nobody has thought of this one"


class TestRegistration:
    @pytest.fixture
    def asked(self, monkeypatch: pytest.MonkeyPatch) -> Callable[[metrics.LookUp], None]:
        monkeypatch.setattr(metrics, "_asked", {})
        return lambda look_up: metrics.asked("ours", look_up)

    def test_a_feature_adds_what_is_looked_up(
        self, asked: Callable[[metrics.LookUp], None]
    ) -> None:
        def deliveries() -> Iterator[Reading]:
            yield Reading("deliveries", "By state.", 3, {"state": "open"})
            yield Reading("deliveries", "By state.", 4, {"state": "used"})

        asked(deliveries)
        assert shown()['credfirewall_deliveries{state="open"}'] == 3
        assert shown()['credfirewall_deliveries{state="used"}'] == 4

    def test_one_that_fails_is_left_out(
        self, asked: Callable[[metrics.LookUp], None], caplog: pytest.LogCaptureFixture
    ) -> None:
        def failing() -> Iterator[Reading]:
            yield Reading("good", "Good.", 3)
            raise ValueError("canary 4711")

        monkeypatched = metrics._failing.copy()
        asked(failing)
        before = {name for name in shown() if "good" not in name}
        assert "credfirewall_good" not in shown()
        assert before
        assert caplog.text.count("The metric ours fails (ValueError).") == 1
        assert "4711" not in caplog.text
        metrics._failing.clear()
        metrics._failing.update(monkeypatched)

    def test_only_ours_are_on_the_page(self) -> None:
        prometheus_client.Counter("elsewhere_things", "Not ours.").inc()
        assert {name.split("_")[0] for name in shown()} <= {"credfirewall"}


class TestSafety:
    def test_no_text_becomes_a_label(self) -> None:
        canary = ascii_canary()
        counter = Counter(f"probe_{os.urandom(4).hex()}", "A probe.", "word")
        for text in (canary.text, "", "a b", "é", "x" * 65, "a\n", "\ud800"):
            counter.add(text)
        assert shown()[f'{counter._name}_total{{word="other"}}'] == 7
        assert leaks([canary], [exposition()[0]]) == []

    def test_words_are_bounded(self) -> None:
        counter = Counter(f"probe_{os.urandom(4).hex()}", "A probe.", "number")
        for number in range(MOST + 50):
            counter.add(str(number))
        mine = [name for name in shown() if name.startswith(f"{counter._name}_total")]
        assert len(mine) == MOST + 1

    @pytest.mark.django_db
    def test_a_password_is_nowhere_however_much_a_source_talks(self, settings: Settings) -> None:
        canary = ascii_canary()
        settings.CREDFIREWALL = {"SOURCES": [f"{__name__}.Talkative", "bundled"]}
        chain.forget()
        with pytest.raises(ValidationError), breached(canary.text):
            BreachedPasswordValidator().validate(canary.text, User(username=canary.text))
        screen(canary.text)
        screen(canary.words[0])
        assert value("source_state", source="talkative", state="degraded") == 1
        assert leaks([canary], [exposition()[0]], prefix=True) == []

    def test_a_reason_of_a_hosts_own_is_other(self) -> None:
        other = Growth("checks_unknown_total", reason="other")
        with unknown("hunter2"):
            screen(CLEAN)
        assert other.now == 1
        assert b"hunter2" not in exposition()[0]

    def test_counting_that_fails_is_nobodys_failure(
        self, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        def fail(self: Counter, labels: object) -> Any:
            raise OSError("no space left")

        monkeypatch.setattr(metrics, "_failing", set())
        monkeypatch.setattr(metrics.Metric, "_child", fail)
        with breached():
            assert screen(CLEAN).status == "clean"
            assert screen(CLEAN).status == "clean"
        assert caplog.text.count("The metric credfirewall_checks fails (OSError).") == 1


class Talkative:
    """A source whose reason is the password itself."""

    name = "talkative"
    authoritative = True

    def lookup(self, candidate: Candidate) -> Answer:
        raise SourceUnavailable(candidate.folded)


PRELUDE = """
import os, sys
import django
from django.conf import settings
settings.configure(
    SECRET_KEY="x" * 50, INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth",
    "credfirewall"], CREDFIREWALL={"SOURCES": ["bundled"]},
)
if "without" in sys.argv:
    sys.modules["prometheus_client"] = None
django.setup()
from credfirewall import metrics
from credfirewall.screening import screen
"""


def python(code: str, *arguments: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", PRELUDE + code, *arguments],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
class TestProcesses:
    def test_without_the_library_nothing_is_counted_and_all_works(self) -> None:
        said = python("print(metrics.ENABLED, screen('iloveyouiloveyou').status.value)", "without")
        assert said == "False breached\n"

    def test_the_library_is_loaded_when_something_is_counted(self) -> None:
        code = "print('prometheus_client' in sys.modules); screen('x' * 20); "
        assert python(code + "print('prometheus_client' in sys.modules)") == "False\nTrue\n"

    def test_many_processes_count_together(self, tmp_path: Path) -> None:
        several = {"PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
        code = "[screen('iloveyouiloveyou') for _ in range(int(sys.argv[1]))]"
        python(code, "3", **several)
        python(code, "4", **several)
        forked = """
screen('iloveyouiloveyou')
if not os.fork():
    screen('iloveyouiloveyou')
    os._exit(0)
os.wait()
metrics._asked.clear()
print(metrics.exposition()[0].decode())
"""
        said = python(forked, **several)
        line = 'credfirewall_checks_total{outcome="breached",source="bundled"}'
        assert f"{line} 9.0" in said
        assert 'credfirewall_check_seconds_count{outcome="breached"} 9.0' in said
        assert 'credfirewall_source_state{source="bundled",state="working"} 4.0' in said

    def test_a_folder_that_is_gone_stops_no_check(self, tmp_path: Path) -> None:
        several = {"PROMETHEUS_MULTIPROC_DIR": str(tmp_path / "gone")}
        said = python("print(screen('iloveyouiloveyou').status.value)", **several)
        assert said == "breached\n"


def test_every_metric_is_described_and_no_other() -> None:
    text = (ROOT / "docs/metrics.md").read_text(encoding="utf-8")
    described = {
        name: (kind, re.findall(r"`(\w+)`", labels))
        for name, kind, labels in re.findall(
            r"^\| `credfirewall_(\w+)` \| (\w+) \| ([^|]*)\|", text, re.MULTILINE
        )
    }
    declared = {}
    for module in (screening_metrics, audit_metrics):
        for each in vars(module).values():
            if isinstance(each, metrics.Metric):
                name = each._name.removeprefix("credfirewall_")
                total = "_total" * (each.kind == "Counter")
                declared[name + total] = (each.kind.lower(), list(each._labels))
    declared |= {f"audit_unsealed_{unit}": ("gauge", []) for unit in ("rows", "seconds")}
    assert described == declared


def test_alerts_name_what_there_is() -> None:
    text = (ROOT / "docs/metrics.md").read_text(encoding="utf-8")
    rows = set(re.findall(r"^\| `(credfirewall_\w+)`", text, re.MULTILINE))
    assert {
        name for name in re.findall(r"\bcredfirewall_\w+", text) if name != "credfirewall_"
    } <= rows


def test_details_of_limits_are_json() -> None:
    """What the counter reads."""
    assert json.loads(LimitHit(rate=Code("check")).canonical_details()) == {"rate": "check"}
