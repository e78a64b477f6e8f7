#!/usr/bin/env python3
"""Django's command line for the demo site."""

import os
import sys
from collections.abc import Sequence


def main(arguments: Sequence[str]) -> None:
    """Run a management command; Ctrl-C is no error."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
    try:
        from django.core.management import execute_from_command_line

        execute_from_command_line(["manage.py", *arguments])
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main(sys.argv[1:])
