"""A Django project for the audit benchmark: PostgreSQL, also a durable one, and SQLite."""

import itertools
import os
import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest import mock

import django
from django.conf import settings
from django.core.management import call_command

from project import environment
from tests import servers

DURABLE = {
    "autovacuum": "on",
    "fsync": "on",
    "full_page_writes": "on",
    "shared_buffers": "128MB",
    "synchronous_commit": "on",
}
"""What PostgreSQL comes with, where the tests' server is set up to be fast."""
USER_AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
USERS, ADDRESSES = 5000, 20_000
DAYS = 30
AT_ONCE = 10_000


class Router:
    """Sends everything to one database at a time."""

    using = "postgresql"

    def db_for_read(self, *_: Any, **__: Any) -> str:
        return Router.using

    db_for_write = db_for_read


def start_durable_postgres() -> servers.Server:
    """A PostgreSQL that survives a power cut."""

    def durable(command: list[str], *where: Any, **how: Any) -> servers.Server:
        names = tuple(f"{name}=" for name in DURABLE)
        flags = [each for each in command if not each.startswith(names)]
        kept = [
            each
            for each, following in itertools.pairwise([*flags, ""])
            if each != "-c" or "=" in following
        ]
        more = [part for name, value in DURABLE.items() for part in ("-c", f"{name}={value}")]
        return server(kept + more, *where, **how)

    server = servers.Server
    with mock.patch.object(servers, "Server", durable):
        return servers.start_postgres()


def configure(databases: Mapping[str, str], directory: Path) -> None:
    """Set Django up with ``databases``, URLs by alias."""
    entries = {alias: environment.database(url) for alias, url in databases.items()}
    settings.configure(
        SECRET_KEY="for a benchmark, which guards nothing: 3f0d6a52c4",
        ALLOWED_HOSTS=["testserver"],
        ROOT_URLCONF="tests.urls",
        INSTALLED_APPS=[
            "django.contrib.admin",
            "django.contrib.auth",
            "django.contrib.contenttypes",
            "django.contrib.sessions",
            "django.contrib.messages",
            "django.contrib.staticfiles",
            "rest_framework",
            "credfirewall",
        ],
        MIDDLEWARE=[
            "django.middleware.security.SecurityMiddleware",
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.middleware.locale.LocaleMiddleware",
            "django.middleware.common.CommonMiddleware",
            "django.middleware.csrf.CsrfViewMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
            "credfirewall.audit.middleware.AuditMiddleware",
            "django.contrib.messages.middleware.MessageMiddleware",
        ],
        TEMPLATES=[
            {
                "BACKEND": "django.template.backends.django.DjangoTemplates",
                "APP_DIRS": True,
                "OPTIONS": {
                    "context_processors": [
                        "django.template.context_processors.request",
                        "django.contrib.auth.context_processors.auth",
                        "django.contrib.messages.context_processors.messages",
                    ]
                },
            }
        ],
        STATIC_URL="/static/",
        DATABASES={"default": {}, **entries},
        DATABASE_ROUTERS=["benchmarks._audit_project.Router"],
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        USE_TZ=True,
        CREDFIREWALL={
            "AUDIT_KEY": "w4Zc7Nq1Rt8Yv2Kd5Hb9Xf3Ls6Pm0Gj",
            "AUDIT_ANCHOR": directory / "heads.jsonl",
        },
    )
    django.setup()
    Router.using = next(iter(databases))


def migrate(alias: str) -> None:
    """Make the tables of ``alias``, and the bare twin of the log's."""
    from django.db import connections

    with use(alias):
        call_command("migrate", database=alias, verbosity=0)
    with connections[alias].schema_editor() as editor:
        editor.create_model(twin())


@contextmanager
def use(alias: str) -> Iterator[None]:
    """Send everything to ``alias``."""
    before, Router.using = Router.using, alias
    try:
        yield
    finally:
        Router.using = before


_twin: list[Any] = []


def twin() -> Any:
    """Return a model with the columns and the indexes of the log, and with nothing else to it."""
    from django.db import models

    from credfirewall.audit.models import AuditEvent

    if not _twin:
        indexes = [
            models.Index(fields=index.fields, name=index.name.replace("credfirewall", "benchmark"))
            for index in AuditEvent._meta.indexes
        ]
        meta = type("Meta", (), {"app_label": "benchmarks", "indexes": indexes})
        columns = {field.name: field.clone() for field in AuditEvent._meta.fields}
        _twin.append(
            type("Twin", (models.Model,), {"__module__": __name__, "Meta": meta, **columns})
        )
    return _twin[0]


class Someone:
    """A user, as far as the log looks."""

    is_authenticated = True

    def __init__(self, number: int) -> None:
        self.pk = number
        self._name = f"user{number}@example.com"

    def get_username(self) -> str:
        return self._name


def origin(number: int = 7) -> Any:
    """Return where a request of a browser comes from."""
    from credfirewall.audit.events import Party
    from credfirewall.audit.origin import Origin

    meta = {
        "REMOTE_ADDR": f"198.51.{number % 256}.{number % 199 + 1}",
        "HTTP_USER_AGENT": USER_AGENT,
        "HTTP_X_REQUEST_ID": f"req-{number:032x}",
    }
    return Origin.of_meta(meta, lambda: Party.of(Someone(number)))


def events() -> list[Callable[[random.Random], Any]]:
    """Return makers of events, as often as they come."""
    from credfirewall.audit.events import (
        Code,
        DeliveryCreated,
        LimitHit,
        LoginRefused,
        PasswordGenerated,
        ScreeningRefused,
        ScreeningUnknown,
    )

    sources = [Code("hibp"), Code("bundled"), Code("blocklist")]

    def refused(chance: random.Random) -> Any:
        return ScreeningRefused(source=chance.choice(sources), count=chance.randrange(1, 10**6))

    def generated(chance: random.Random) -> Any:
        length = chance.randrange(8, 65)
        return PasswordGenerated(
            kind=Code("random"), count=1, length=length, entropy_bits=length * 6.4
        )

    def delivered(chance: random.Random) -> Any:
        return DeliveryCreated(
            delivery=Code(f"{chance.getrandbits(64):016x}"),
            mode=Code("reveal"),
            channel=Code("email"),
            ttl=600,
        )

    unknown = ScreeningUnknown(reason=Code("timeout"), accepted=True)
    limit, login = LimitHit(rate=Code("check")), LoginRefused(reason=Code("breached"))
    return [
        *[refused] * 6,
        *[generated] * 6,
        *[delivered] * 4,
        *[lambda _: login] * 2,
        lambda _: unknown,
        lambda _: limit,
    ]


def seed(alias: str, number: int, step: Callable[[], object], *, days: float = DAYS) -> None:
    """Fill the log: ``number`` rows over the last ``days``, sealed as they come.

    Few people and addresses make most of it, as it is with sites. The rows are those that
    ``record`` would have made.
    """
    from credfirewall.audit import chain, rows, sealing, seals
    from credfirewall.audit.events import Party
    from credfirewall.audit.keys import ring
    from credfirewall.audit.models import SCHEMA, AuditEvent, AuditIdentity

    chance, key, kinds = random.Random(42), ring().first, events()
    log = chain.log_id(alias)
    parties = [Party.of(Someone(each)) for each in range(USERS)]
    refs = [seals.commitment(f"{at:032x}", p.type, p.id, p.text) for at, p in enumerate(parties)]
    AuditIdentity.objects.using(alias).bulk_create(
        [
            AuditIdentity(ref=ref, salt=f"{at:032x}", type=p.type, party_id=p.id, text=p.text)
            for at, (ref, p) in enumerate(zip(refs, parties, strict=True))
        ],
        batch_size=500,
    )
    now = datetime.now(UTC)
    spacing = timedelta(days=days) / number
    for begin in range(0, number, AT_ONCE):
        made = []
        for place in range(begin, min(begin + AT_ONCE, number)):
            event = chance.choice(kinds)(chance)
            who, whom, where = (
                min(int(chance.paretovariate(0.6)), most) - 1 for most in (USERS, USERS, ADDRESSES)
            )
            row = AuditEvent(
                log=log,
                schema=SCHEMA,
                at=now - spacing * (number - place),
                event=event.name,
                outcome=event.outcome.value,
                source=str(getattr(event, "source", "")),
                actor_type="user",
                actor_id=parties[who].id,
                actor=refs[who],
                subject_type="user",
                subject_id=parties[whom].id,
                subject=refs[whom],
                address=f"10.{where // 256}.{where % 256}.0/24",
                user_agent=USER_AGENT,
                request_id=f"req-{place:032x}",
                details=event.canonical_details(),
            )
            rows.authenticate(row, key)
            made.append(row)
        insert = AuditEvent._base_manager.using(alias).bulk_create
        insert(made, batch_size=1000)
        sealed = sum(seal.count for seal in sealing.seal(alias, since=made[0].at))
        if sealed != len(made):
            raise RuntimeError(f"{len(made)} rows were seeded, {sealed} of them sealed")
        step()


def renew(alias: str) -> None:
    """Empty the log, as nobody can who does not drop its triggers."""
    from django.db import connections

    from credfirewall.audit import chain, models, services, triggers

    connection = connections[alias]
    tables = (
        models.AuditEvent,
        models.AuditIdentity,
        models.AuditSeal,
        models.AuditMember,
        models.AuditTally,
        models.AuditVerification,
    )
    triggers.remove(connection)
    empty = "DELETE FROM" if connection.vendor == "sqlite" else "TRUNCATE"
    with connection.cursor() as cursor:
        for table in tables:
            cursor.execute(f"{empty} {table._meta.db_table}")
    triggers.install(connection)
    chain.forget()
    services.forget_identities()


def backend(alias: str) -> tuple[int, ...]:
    """Return the process that serves this process's connection to ``alias``, if it is another."""
    from django.db import connections

    connection = connections[alias]
    if connection.vendor != "postgresql":
        return ()
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return (cursor.fetchone()[0],)


def analyze(alias: str) -> None:
    """Let the database look at its tables, as autovacuum or a nightly job does."""
    from django.db import connections

    statement = "VACUUM ANALYZE" if connections[alias].vendor == "postgresql" else "ANALYZE"
    with connections[alias].cursor() as cursor:
        cursor.execute(statement)


def python_environment() -> dict[str, str]:
    """Return the environment for processes that the benchmark starts."""
    return {name: os.environ[name] for name in os.environ if not name.startswith("DJANGO_")}
