"""A web process in miniature: started by a test, it screens what it is told to.

A command per line of standard input, an answer per line of standard output, both JSON.
"""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from credfirewall.screening import Verdict

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Answer:
    verdict: Verdict
    seconds: float


class Worker:
    """The test's end."""

    def __init__(self, cache_url: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__, cache_url],
            cwd=ROOT,
            env={**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    @property
    def runs(self) -> bool:
        return self._process.poll() is None

    def configure(self, **keys: Any) -> None:
        self._tell("configure", **keys)
        self._hear()

    def forward(self, seconds: float) -> None:
        """Let its breaker believe that it is later."""
        self._tell("forward", seconds=seconds)
        self._hear()

    def start(self, *passwords: str, how: str = "screen") -> None:
        """Let it ask in turn, and do not wait for that."""
        self._tell("ask", passwords=passwords, how=how)

    def answers(self) -> list[Answer]:
        return [Answer(Verdict(*verdict), seconds) for verdict, seconds in self._hear()]

    def ask(self, *passwords: str, how: str = "screen") -> list[Answer]:
        self.start(*passwords, how=how)
        return self.answers()

    def kill(self) -> None:
        self._process.send_signal(signal.SIGKILL)
        self.stop()

    def stop(self) -> None:
        self._process.communicate()

    def _tell(self, command: str, **arguments: Any) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps([command, arguments]) + "\n")
        self._process.stdin.flush()

    def _hear(self) -> Any:
        assert self._process.stdout is not None
        return json.loads(self._process.stdout.readline())


def main(cache_url: str) -> None:
    import django
    from django.conf import settings
    from django.core.cache import caches

    django.setup()
    serializer = "django_redis.serializers.json.JSONSerializer"
    settings.CACHES = {
        "default": {
            "BACKEND": "django_redis.cache.RedisCache",
            "LOCATION": cache_url,
            "OPTIONS": {"SERIALIZER": serializer},
        }
    }
    caches["default"].get("warm up")
    for line in sys.stdin:
        command, arguments = json.loads(line)
        result = COMMANDS[command](**arguments)
        sys.stdout.write(json.dumps(result) + "\n")
        sys.stdout.flush()


def configure(**keys: Any) -> None:
    from django.conf import settings

    settings.CREDFIREWALL = {"SOURCES": ["hibp"], **keys}


def forward(seconds: float) -> None:
    from credfirewall.screening.sources import chain

    source: Any = chain.source("hibp")
    before = source.breaker._clock
    source.breaker._clock = lambda: before() + seconds


def ask(passwords: list[str], how: str) -> list[Any]:
    from credfirewall.screening import ascreen, screen

    results = []
    for password in passwords:
        started = time.monotonic()
        verdict = screen(password) if how == "screen" else asyncio.run(ascreen(password))
        told = [verdict.status, verdict.count, verdict.source, verdict.reason]
        results.append([told, time.monotonic() - started])
    return results


COMMANDS: dict[str, Callable[..., Any]] = {"configure": configure, "forward": forward, "ask": ask}

if __name__ == "__main__":
    main(*sys.argv[1:])
