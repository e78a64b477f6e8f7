"""Say which clauses of NIST SP 800-63B-4, OWASP ASVS and PCI DSS the project meets."""

import argparse
import json
import sys
import textwrap
from typing import Any, NoReturn

from django.core.management.base import BaseCommand, CommandError, CommandParser, no_translations

from credfirewall import conformance
from credfirewall.conf import SETTINGS, conf
from credfirewall.conformance import AREAS, Result, State
from credfirewall.passwords import profiles
from credfirewall.passwords.profiles import PROFILES, Profile

NOT_ALL_MET, UNKNOWN, FAILED = 1, 2, 3
WIDTH = 100
MARKS = {State.MET: "met", State.NOT_MET: "NOT MET", State.HOST: "yours"}
EXAMPLES = """\
examples:
  manage.py conformance                   by the profile that the settings name
  manage.py conformance --profile pci     as if CREDFIREWALL["PROFILE"] were "pci"
  manage.py conformance --json

"yours" is for the project to see to: nothing here can tell.
exit status: 0 nothing that could be looked at is unmet, 1 something is, 2 nothing is, but something
could not be looked at (the log says why), 3 the command itself failed
"""


class Command(BaseCommand):
    help = (
        "Says which clauses of the standards the project meets as it is configured, with the "
        "evidence, and what to do about the others. Asks no network and changes nothing."
    )
    # A project that has something wrong with it is the one that wants to know.
    requires_system_checks = []

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        parser = super().create_parser(
            prog_name,
            subcommand,
            epilog=EXAMPLES,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            **kwargs,
        )
        leave = parser.exit  # argparse would exit with 2

        def leave_as_failed(status: int = 0, message: str | None = None) -> NoReturn:
            leave(FAILED if status else 0, message)

        parser.exit = leave_as_failed  # type: ignore[method-assign]
        return parser

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="Print one JSON object.")
        parser.add_argument(
            "--profile", choices=tuple(PROFILES), help="The standard, in place of the settings'."
        )

    @no_translations
    def handle(self, *args: Any, **options: Any) -> None:
        try:
            profile = PROFILES[options["profile"]] if options["profile"] else _configured()
            found = conformance.results(profile.name)
            lines = [json.dumps(as_data(profile, found))] if options["json"] else None
            for line in lines or self._report(profile, found):
                self.stdout.write(line)
        except OSError as error:
            text = f"The report could not be written: {error.strerror}."
            raise CommandError(text, returncode=FAILED) from error
        unmet = [each.finding for each in found if each.finding.state is State.NOT_MET]
        if unmet:
            sys.exit(UNKNOWN if all(each.failed for each in unmet) else NOT_ALL_MET)

    def _report(self, profile: Profile, found: list[Result]) -> list[str]:
        lines = [f"Profile {profile.name}: {profile.title}"]
        lines += [f"Departs from NIST SP 800-63B-4: {each}" for each in profile.departures]
        area = ""
        for result in found:
            if result.row.area != area:
                area = result.row.area
                lines += ["", self.style.MIGRATE_HEADING(str(AREAS[area]))]
            lines += self._lines(result)
        numbers = conformance.count(found)
        total = ", ".join(f"{numbers[state]} {mark.lower()}" for state, mark in MARKS.items())
        style = self.style.ERROR if numbers[State.NOT_MET] else self.style.SUCCESS
        return [*lines, "", style(f"{total}.")]

    def _lines(self, result: Result) -> list[str]:
        row, finding = result.row, result.finding
        style = {
            State.MET: self.style.SUCCESS,
            State.NOT_MET: self.style.ERROR,
            State.HOST: self.style.WARNING,
        }[finding.state]
        mark = f"{MARKS[finding.state]:>8}"
        lines = [f"{style(mark)}  {row.demand}", *_wrapped("", f"{', '.join(row.clauses)}")]
        if finding.evidence:
            lines += _wrapped("seen: ", str(finding.evidence))
        if finding.fix:
            lines += _wrapped("to do: ", str(finding.fix))
        return lines


def _configured() -> Profile:
    """Return the profile of the settings. Raises CommandError where they name none."""
    if problem := SETTINGS["PROFILE"].problem(conf.PROFILE):
        text = f'CREDFIREWALL["PROFILE"] {problem}. Correct it, or name one with --profile.'
        raise CommandError(text, returncode=FAILED)
    return profiles.active()


def _wrapped(label: str, text: str) -> list[str]:
    indent = " " * 10
    return textwrap.wrap(
        f"{label}{text}",
        WIDTH,
        initial_indent=indent,
        subsequent_indent=indent + " " * len(label),
        break_long_words=False,
        break_on_hyphens=False,
    )


def as_data(profile: Profile, found: list[Result]) -> dict[str, Any]:
    """Return the report as plain data."""
    return {
        "profile": profile.name,
        "title": profile.title,
        "departures": [str(each) for each in profile.departures],
        **conformance.count(found),
        "rows": [
            {
                "key": each.row.key,
                "area": each.row.area,
                "clauses": list(each.row.clauses),
                "force": each.row.force.value,
                "demand": str(each.row.demand),
                "state": each.finding.state.value,
                "evidence": str(each.finding.evidence),
                "fix": str(each.finding.fix),
                "failed": each.finding.failed,
            }
            for each in found
        ],
    }
