"""Make, list, rotate and revoke API keys."""

import argparse
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from django.contrib.auth import get_user_model
from django.core.exceptions import ObjectDoesNotExist, ValidationError
from django.core.management.base import CommandError, CommandParser
from django.db import Error
from django.views.decorators.debug import sensitive_variables

from credfirewall.api import keys
from credfirewall.api.keys import Issued
from credfirewall.api.models import ApiKey
from credfirewall.api.scopes import SCOPES
from credfirewall.exceptions import AuditUnavailable
from credfirewall.management.audit_command import FAILED, FINDING, AuditCommand
from credfirewall.management.streams import abandon

LONGEST_LIFE = 3650
"""Days."""


def whole(low: int, high: int, unit: str) -> Any:
    """Return a reader of numbers for argparse."""

    def read(text: str) -> int:
        if not (text.isascii() and text.isdecimal() and low <= int(text[:9]) <= high):
            raise argparse.ArgumentTypeError(f"must be {low} to {high} {unit}, not {text!r}")
        return int(text)

    return read


class Command(AuditCommand):
    _called_from_command_line: bool
    help = "Makes, lists, rotates and revokes the keys with which programs use the API."
    examples = """\
examples:
  manage.py api_key create "Nightly export" --owner reporter --scope audit:read --days 90
  manage.py api_key list
  manage.py api_key rotate 0123456789abcdef --overlap 24
  manage.py api_key revoke 0123456789abcdef --json

A key is printed once, on standard output; only a digest of it is kept. A new one that the output
does not take is revoked.
exit status: 0 done, 1 refused, 3 the command itself failed
"""

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")

        def action(name: str, text: str) -> CommandParser:
            added: CommandParser = actions.add_parser(name, help=text, description=text)
            # With the status for what is misspelt, which it gets after this.
            added.exit = lambda *how: parser.exit(*how)  # type: ignore[method-assign]
            super(Command, self).add_arguments(added)
            return added

        create = action("create", "Make a key.")
        create.add_argument("name", help="What it is for.")
        create.add_argument("--owner", required=True, help="The user name of who it acts for.")
        create.add_argument(
            "--scope",
            action="append",
            default=[],
            help=f"What it may do; repeatable. There are: {', '.join(SCOPES)}.",
        )
        create.add_argument(
            "--days",
            type=whole(0, LONGEST_LIFE, "days"),
            default=keys.USUAL_LIFE.days,
            help="For how long it is valid; 0 is for ever. (365)",
        )
        action("list", "List keys.")
        rotate = action("rotate", "Give a key a new secret.")
        rotate.add_argument(
            "--overlap",
            type=whole(0, keys.LONGEST_OVERLAP.days * 24, "hours"),
            default=int(keys.USUAL_OVERLAP.total_seconds()) // 3600,
            metavar="HOURS",
            help="For how long the former secret stays valid. (24)",
        )
        revoke = action("revoke", "Take a key back, at once.")
        for each in (rotate, revoke):
            each.add_argument("id", help="Its public id, the 16 digits in the middle of the key.")

    def perform(self, options: Mapping[str, Any]) -> int:
        return int(getattr(self, f"_{options['action']}")(options))

    def _create(self, options: Mapping[str, Any]) -> int:
        model: Any = get_user_model()
        manager = model._default_manager.db_manager(options["database"])
        try:
            owner = manager.get_by_natural_key(options["owner"])
        except (ObjectDoesNotExist, ValueError):
            raise CommandError(f"there is no account {options['owner'][:64]!r}") from None
        name = _named(options["name"])
        end = datetime.now(UTC) + timedelta(days=options["days"]) if options["days"] else None
        issued = keys.create(owner, name, options["scope"], end, using=options["database"])
        shown = self._show(issued, options)
        if not shown:
            try:
                keys.revoke(issued.key)
                self._say_lost(issued, "It was revoked")
            except (AuditUnavailable, Error):
                self._say_lost(issued, "Revoke it: that could not be done")
        return 0 if shown else FAILED

    def _list(self, options: Mapping[str, Any]) -> int:
        found = ApiKey.objects.using(options["database"]).select_related("owner")
        facts = [_facts(key) for key in found]
        lines = ["  ".join(str(value or "-") for value in _line(each)) for each in facts]
        self.report(options, "\n".join(lines) or "There are no keys.", keys=facts)
        return 0

    def _rotate(self, options: Mapping[str, Any]) -> int:
        overlap = timedelta(hours=options["overlap"])
        issued = keys.rotate(self._key(options), overlap)
        shown = self._show(issued, options)
        if not shown:
            self._say_lost(issued, "Rotate it again: nobody has its new secret")
        return 0 if shown else FAILED

    def _revoke(self, options: Mapping[str, Any]) -> int:
        key = self._key(options)
        revoked = keys.revoke(key)
        text = "It opens nothing any more." if revoked else "It was revoked before."
        self.report(options, text, id=key.public_id, revoked=revoked)
        return 0 if revoked else FINDING

    def _key(self, options: Mapping[str, Any]) -> ApiKey:
        keys_there = ApiKey.objects.using(options["database"]).select_related("owner")
        key = keys_there.filter(public_id=options["id"]).first()
        if key is None:
            # Not repeated: somebody may have pasted the whole key.
            raise CommandError("there is no key with this public id: see api_key list")
        return key

    @sensitive_variables("issued")
    def _show(self, issued: Issued, options: Mapping[str, Any]) -> bool:
        """Print the key, and return whether the output took it."""
        try:
            self.report(options, issued.text, key=issued.text, **_facts(issued.key))
            self.stdout.flush()
        except (OSError, ValueError):  # full, broken or closed
            if self._called_from_command_line:
                abandon(self.stdout)
            return False
        return True

    def _say_lost(self, issued: Issued, what: str) -> None:
        text = f"The output takes no more, so the key {issued.key.public_id} is lost. {what}."
        self.stderr.write(self.style.ERROR(text))


def _named(name: str) -> str:
    """Return ``name``. Raises CommandError unless it is one that the admin would take."""
    try:
        ApiKey._meta.get_field("name").clean(name, None)
    except ValidationError as error:
        raise CommandError(f"the name: {' '.join(error.messages)}") from None
    return name


def _facts(key: ApiKey) -> dict[str, Any]:
    def told(moment: datetime | None) -> str | None:
        return moment.astimezone(UTC).isoformat(timespec="seconds") if moment else None

    return {
        "id": key.public_id,
        "name": key.name,
        "owner": key.owner.get_username(),
        "scopes": list(key.scope_names),
        "state": key.state(),
        "expires_at": told(key.expires_at),
        "used_at": told(key.used_at),
    }


def _line(facts: Mapping[str, Any]) -> list[Any]:
    return [
        *(facts[name] for name in ("id", "state", "owner", "name")),
        ",".join(facts["scopes"]),
        f"until {facts['expires_at'] or 'revoked'}",
        f"used {facts['used_at'] or 'never'}",
    ]
