"""Make the demo's accounts and print their passwords, once."""

import argparse
import contextlib
import os
import secrets
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.views.decorators.debug import sensitive_variables

from credfirewall.screening import screen
from credfirewall.screening.verdict import Status

ACCOUNTS: dict[str, dict[str, Any]] = {
    "demo": {"email": "demo@example.com", "first_name": "Dana"},
    "admin": {"email": "admin@example.com", "is_staff": True, "is_superuser": True},
}
PASSWORD_BYTES = 16
"""128 bits, so no breach can hold it and nobody can guess it."""

EXAMPLES = """\
examples:
  manage.py demo_data            make the accounts that are missing, print their passwords
  manage.py demo_data --reset    give every demo account a new password and print it
"""


def reset_command() -> str:
    """Return what gives new passwords when it is typed where this command runs."""
    python = Path(sys.executable)
    with contextlib.suppress(ValueError):
        python = python.relative_to(Path.cwd())
    words = [str(python), "manage.py", "demo_data", "--reset"]
    return subprocess.list2cmdline(words) if os.name == "nt" else shlex.join(words)


class Command(BaseCommand):
    help = (
        "Makes the demo's accounts with random passwords and prints these once. A second run keeps "
        "what is there. Says also whether the breach service answers."
    )

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        return super().create_parser(
            prog_name,
            subcommand,
            epilog=EXAMPLES,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            **kwargs,
        )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--reset",
            action="store_true",
            help="Give the accounts that exist a new password as well.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if not getattr(settings, "DEMO", False):
            raise CommandError(
                "These settings are not the demo's: accounts with printed passwords have no place "
                "here. Use createsuperuser."
            )
        self.stdout.write(self.style.MIGRATE_HEADING("Demo accounts"))
        reset = options["reset"]
        new = [self.provide(username, fields, reset=reset) for username, fields in ACCOUNTS.items()]
        if not all(new):
            self.stdout.write(f"  New passwords: {reset_command()}")
        self.stdout.write(self.style.MIGRATE_HEADING("Screening"))
        self.report_screening()

    @sensitive_variables("password")
    def provide(self, username: str, fields: dict[str, Any], *, reset: bool) -> bool:
        """Make the account if there is none, and print its password if that is new.

        Return whether it is.
        """
        user, created = User.objects.get_or_create(username=username, defaults=fields)
        role = "administrator, signs in at /admin/ too" if user.is_staff else "ordinary account"
        about = f"({user.email}, {role})"
        if not created and not reset:
            self.stdout.write(f"  {username:<8} is there, and its password stays   {about}")
            return False
        password = secrets.token_urlsafe(PASSWORD_BYTES)
        user.set_password(password)
        user.save(update_fields=["password"])
        self.stdout.write(f"  {username:<8} {self.style.SUCCESS(password)}   {about}")
        return True

    @sensitive_variables("password")
    def report_screening(self) -> None:
        """Ask about a password that nobody has, which takes HIBP_DEADLINE at the most."""
        password = secrets.token_urlsafe(PASSWORD_BYTES)
        verdict = screen(password)
        if verdict.status is Status.UNKNOWN:
            self.stdout.write(
                self.style.WARNING(
                    f"  The breach service did not answer ({verdict.reason}): only the "
                    "bundled list refuses passwords now."
                )
            )
        else:
            self.stdout.write(f"  {verdict.source} answers: breached passwords are refused.")
