"""Generate passwords that the project takes, on standard output."""

import argparse
import json
from collections.abc import Mapping
from typing import Any

from django.core.management.base import CommandParser
from django.views.decorators.debug import sensitive_variables

from credfirewall.exceptions import RandomnessFailed, SpecInvalid
from credfirewall.management.audit_command import FAILED, AuditCommand
from credfirewall.management.streams import abandon
from credfirewall.passwords.generator import KINDS, MOST, Generated
from credfirewall.passwords.services import Issued, issue
from credfirewall.passwords.specs import DEFAULT_KIND, Spec, read

TEXTS = {
    "length": ("N", "Characters: 4 to 128. Default: 20; pin 6, pronounceable 40."),
    "exclude": ("CHARACTERS", "Leave these out (password, pin, pronounceable)."),
    "alphabet": ("CHARACTERS", "Draw from these, in place of the four classes (password)."),
    "words": ("N", "Words: 3 to 32. Default: 10 (passphrase)."),
    "separator": ("TEXT", 'Between words. Default: "-" (passphrase).'),
}
CLASSES = {
    "lowercase": "a to z (password).",
    "uppercase": "A to Z (password).",
    "digits": "0 to 9 (password).",
    "special": "The other 32 visible characters of ASCII (password).",
}
SWITCHES = {
    "exclude_ambiguous": "Leave out what is easily taken for something else (password).",
    "require_each": "One character of each class at least (password).",
    "capitals": "Begin each word with a capital letter (passphrase).",
    "digit": "Append a digit to one of the words (passphrase).",
}


class Command(AuditCommand):
    help = (
        "Generates passwords, passphrases, PINs or pronounceable values: one on each line of "
        "standard output. The audit log is told what was asked for, and never a value."
    )
    examples = """\
examples:
  manage.py generate_password                                20 of all 94 visible characters
  manage.py generate_password --length 32 --no-special --count 5
  manage.py generate_password --exclude='"\\`' --require-each
  manage.py generate_password --alphabet 0123456789abcdef --length 64
  manage.py generate_password --kind passphrase --words 6 --separator ' ' --json
  manage.py generate_password --kind pin --count 20 | gpg --encrypt --recipient ann > pins.gpg

Values that begin with a dash are given with an equals sign: --separator=--
exit status: 0 generated, 1 refused: nothing that is drawn like this meets the project's policy,
3 the command itself failed
"""

    _called_from_command_line: bool

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        kinds = [each.kind for each in KINDS]
        parser.add_argument(
            "--kind", metavar="KIND", help=f"{', '.join(kinds)}. Default: {DEFAULT_KIND}."
        )
        for name, (metavar, text) in TEXTS.items():
            parser.add_argument(f"--{name}", metavar=metavar, help=text)
        for name, text in CLASSES.items():
            parser.add_argument(f"--{name}", action=argparse.BooleanOptionalAction, help=text)
        for name, text in SWITCHES.items():
            # None when not given: it may be an option of another kind.
            parser.add_argument(_option(name), action="store_const", const=True, help=text)
        parser.add_argument(
            "--count", metavar="N", default="1", help=f"Values: 1 to {MOST}. Default: 1."
        )

    @sensitive_variables()
    def perform(self, options: Mapping[str, Any]) -> int:
        try:
            spec = Spec.parse(_given(options))
            count: Any = read("count", str(options["count"]), int)
            issued = issue(spec, count=count)
        except SpecInvalid as error:
            text = f"{_option(error.field)}: {error.problem}."
            return self._fail(FAILED, error.code, text, options)
        except RandomnessFailed as error:
            return self._fail(FAILED, error.code, str(error), options)
        return self._show(issued, options)

    @sensitive_variables()
    def _show(self, issued: Issued, options: Mapping[str, Any]) -> int:
        """Print the values and return the exit status. What is said about them is for people."""
        lines = [each.value for each in issued.values]
        if options["json"]:
            lines = [json.dumps({"passwords": [_facts(each, issued) for each in issued.values]})]
        try:
            self.stdout.write("\n".join(lines))
            self.stdout.flush()
        except (OSError, ValueError) as error:  # broken, or not able to show these characters
            if self._called_from_command_line:
                abandon(self.stdout)
            text = f"The output takes no more ({type(error).__name__}): what was made is lost."
            return self._fail(FAILED, "output", text, {**options, "json": False})
        if self.stdout.isatty() and options["verbosity"] and not options["json"]:
            self.stderr.write(f"{issued.values[0].entropy_bits:.1f} bits", str)
        return 0


def _facts(each: Generated, issued: Issued) -> dict[str, Any]:
    return {
        "password": each.value,
        "kind": each.kind,
        "length": each.length,
        "entropy_bits": each.entropy_bits,
        "policy_checked": issued.policy_checked,
    }


def _given(options: Mapping[str, Any]) -> dict[str, str]:
    """Return the options that were given, as text."""
    names = ("kind", *TEXTS, *CLASSES, *SWITCHES)
    return {name: str(options[name]) for name in names if options[name] is not None}


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"
