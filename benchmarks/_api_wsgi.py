"""Our application as the API benchmark serves it. With PROFILE, a file, it is profiled into that.

The profile is of the thread that serves requests, from one request for SWITCH to the next. It
counts CPU: what a request waits for is none of its work.
"""

import cProfile
import os
import time
from collections.abc import Callable, Iterable
from typing import Any

SWITCH = "/_profile"


class Profiled:
    """An application with a switch."""

    def __init__(self, served: Callable[..., Iterable[bytes]], path: str) -> None:
        self._served, self._path = served, path
        self._profile: cProfile.Profile | None = None
        self._handled = 0

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        if environ["PATH_INFO"] == SWITCH:
            handled = self._switch()
            start("200 OK", [("Content-Type", "text/plain")])
            return [str(handled).encode()]
        if self._profile is None:
            return self._served(environ, start)
        self._handled += 1
        self._profile.enable()
        try:
            return self._served(environ, start)
        finally:
            self._profile.disable()

    def _switch(self) -> int:
        """Return how many requests the profile is of, that ends."""
        if self._profile is None:
            self._profile = cProfile.Profile(time.thread_time)
            self._handled = 0
        else:
            self._profile.dump_stats(self._path)
            self._profile = None
        return self._handled


def __getattr__(name: str) -> Any:
    """Load Django only where it is to be served."""
    if name != "application":
        raise AttributeError(name)
    from project.wsgi import application

    return Profiled(application, os.environ["PROFILE"]) if "PROFILE" in os.environ else application
