"""The API benchmark: its arithmetic, what it says where something is missing, and all of it."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from benchmarks import _api_load as load
from benchmarks import _api_peers as peers
from benchmarks._api_contenders import OURS
from benchmarks._api_load import Load, LoadError, Sample
from benchmarks._api_profiling import place, shares
from benchmarks.api import efficiency
from credfirewall.testing.server import RangeServer

ROOT = Path(__file__).parents[2]
needs_wrk = pytest.mark.skipif(load.wrk() is None, reason="wrk is not installed")


def run(*arguments: str, **more: str) -> "subprocess.CompletedProcess[str]":
    """Run it as a process of its own: it is a Django project of its own."""
    environment = {name: os.environ[name] for name in os.environ if not name.startswith("DJANGO_")}
    return subprocess.run(
        [sys.executable, "-m", "benchmarks.api", *arguments],
        cwd=ROOT,
        env={**environment, **more},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def sample(cpu: float) -> Sample:
    return Sample(handled=1, rate=1, cpu=cpu, behind=0, p50=0, p99=0)


def test_a_load_generator_that_is_not_there_is_named(tmp_path: Path) -> None:
    done = run("--sizes=smoke", PATH=str(tmp_path))
    assert done.returncode == 1
    assert done.stderr == "wrk is not installed. On Debian: apt-get install wrk\n"


@pytest.mark.parametrize(("name", "lock"), [("fastapi", "fastapi.txt"), ("granian", "server.txt")])
def test_what_is_wanted_is_what_is_locked(name: str, lock: str) -> None:
    lines = (peers.SOURCES / lock).read_text().splitlines()
    assert f"{name}=={peers.versions()[name]} \\" in lines


def test_what_is_wanted_of_express_is_what_is_locked() -> None:
    lock = json.loads((peers.SOURCES / "express" / "package-lock.json").read_text())
    for name in ("express", "express-rate-limit"):
        assert lock["packages"][f"node_modules/{name}"]["version"] == peers.versions()[name]


def test_half_of_the_cpu_is_twice_as_efficient() -> None:
    measured = {OURS: [sample(2), sample(1), sample(3)], "peer": [sample(4), sample(3), sample(3)]}
    assert efficiency(measured, "peer").median == 2


def test_the_middle_of_each_figure() -> None:
    found = load.median([Sample(*map(float, range(at, at + 6))) for at in (9, 0, 1)])  # type: ignore[arg-type]
    assert found == Sample(1, 2.0, 3.0, 4.0, 5.0, 6.0)


def test_all_that_is_handled_counts() -> None:
    def work() -> Load:
        began = time.process_time()
        while time.process_time() - began < 0.2:
            pass
        return Load(requests=7, seconds=2.0, failed=0, p50=0.5, p99=1.0)

    found = load.measure(work, lambda found: found.requests + 3, [os.getpid()], [])
    assert found.handled == 10
    assert found.rate == 3.5
    assert found.cpu == pytest.approx(0.02, rel=0.25)
    assert (found.behind, found.p50, found.p99) == (0, 0.5, 1.0)


def test_what_the_children_of_a_server_spend_counts() -> None:
    burn = "import time\nwhile time.process_time() < 0.2: pass\ninput()"
    with subprocess.Popen(
        [
            sys.executable,
            "-c",
            f"import subprocess, sys; subprocess.run([sys.executable, '-c', {burn!r}])",
        ],
        stdin=subprocess.PIPE,
    ) as parent:
        load.settle([parent.pid])
        spent = load.spent([parent.pid])
        parent.communicate(b"\n")
    assert spent >= 0.2


def test_what_is_started_meanwhile_runs_on_the_cores_that_are_given() -> None:
    before = os.sched_getaffinity(0)
    core = min(before)
    with load.on({core}):
        assert os.sched_getaffinity(0) == {core}
    with load.on(set()):
        assert os.sched_getaffinity(0) == before
    assert os.sched_getaffinity(0) == before


def test_the_worker_shares_its_core_with_nobody() -> None:
    worker, others = load.split()
    assert not worker & others
    assert worker | others in (os.sched_getaffinity(0), set())


@needs_wrk
def test_wrk_reports_what_it_sees() -> None:
    with RangeServer({}, filler=3) as server:
        found = load.apply(f"{server.url}00000", "Bearer x", 2, 1)
    assert found.requests > 1
    assert found.seconds == pytest.approx(1, abs=0.5)
    assert 0 < found.p50 <= found.p99 < 1


@needs_wrk
def test_answers_that_are_errors_are_no_measurement() -> None:
    with RangeServer({}) as server, pytest.raises(LoadError, match="failed"):
        load.apply(f"{server.url}nothing", "", 2, 1)


def test_the_shares_of_samples() -> None:
    own, whole = shares("run (a.py);work (b.py) 3\nrun (a.py) 1\nrun (a.py);run (a.py) 4\n")
    assert own == {"work (b.py)": 0.375, "run (a.py)": 0.625}
    assert whole == {"work (b.py)": 0.375, "run (a.py)": 1.0}


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        (f"{ROOT}/credfirewall/conf.py", "credfirewall/conf.py"),
        ("x/site-packages/redis/client.py", "redis/client.py"),
        (json.__file__, "json/__init__.py"),
    ],
)
def test_where_a_function_is(path: str, shown: str) -> None:
    assert place(path) == shown


@pytest.mark.slow
@needs_wrk
@pytest.mark.skipif(not peers.are_installed(), reason="its peers are installed by the benchmark")
def test_all_parts(tmp_path: Path) -> None:
    kept = tmp_path / "folder" / "api.json"
    done = run("--sizes=smoke", f"--json={kept}")
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(kept.read_text())
    assert len(found["figures"]["generate"]) == 3 + peers.has_node()
    assert all(each["cpu"] > 0 for each in found["figures"]["generate"].values())
    assert found["figures"]["peers"]["fastapi"]
    assert len(found["targets"]) == 2
    missed = [target for target in found["targets"] if not target["met"]]
    said = [line for line in done.stdout.splitlines() if line.startswith("missed: ")]
    assert len(said) == len(missed)


@pytest.mark.slow
@needs_wrk
@pytest.mark.skipif(not peers.are_installed(), reason="its peers are installed by the benchmark")
def test_a_profile(tmp_path: Path) -> None:
    done = run("--sizes=smoke", "--profile", "--path=/healthz", f"--json={tmp_path / 'api.json'}")
    assert done.returncode == 0, done.stderr
    assert "credfirewall/api/views.py" in done.stdout
    assert (tmp_path / "api.prof").exists()
