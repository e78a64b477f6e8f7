"""A web process in miniature: many threads ask at once, and it tells what they were answered.

``python -m tests.api.limiter CACHE_URL``; a line on standard input starts it.
"""

import json
import logging
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

RATES = {"health": "30/99999d"}
THREADS, EACH = 24, 3


def main(cache_url: str) -> None:
    import django
    from django.conf import settings

    django.setup()
    from django.core.cache import caches
    from django.db import connections
    from django.test import Client

    settings.CACHES = {
        "default": {"BACKEND": "django_redis.cache.RedisCache", "LOCATION": cache_url}
    }
    settings.ROOT_URLCONF = "tests.api.urls"
    settings.CREDFIREWALL = {**settings.CREDFIREWALL, "RATES": RATES}
    events: Counter[str] = Counter()

    class Counting(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            row: Any = getattr(record, "audit", None)
            if row is not None:
                events[row.event] += 1

    logger = logging.getLogger("credfirewall.audit")
    logger.addHandler(Counting())
    logger.setLevel(logging.INFO)
    logger.propagate = False
    barrier = Barrier(THREADS)

    def ask(_number: int) -> list[int]:
        client = Client(headers={"Host": "localhost"})
        caches["default"].get("warm up")
        barrier.wait()
        try:
            return [client.get("/healthz").status_code for _ in range(EACH)]
        finally:
            connections.close_all()

    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    with ThreadPoolExecutor(THREADS) as pool:
        statuses = Counter(status for each in pool.map(ask, range(THREADS)) for status in each)
    sys.stdout.write(json.dumps([statuses, events]) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
