"""The demo's mail: nothing leaves the machine."""

import sys
from typing import TextIO

from django.core.mail import EmailMessage
from django.core.mail.backends.filebased import EmailBackend as FileBackend


class EmailBackend(FileBackend):
    """Keep each message as a file of EMAIL_FILE_PATH and show it in the terminal."""

    terminal: TextIO | None = None

    def write_message(self, message: EmailMessage) -> None:
        super().write_message(message)
        terminal = self.terminal or sys.stdout
        terminal.write(f"\n{message.message().as_string()}\n{'-' * 79}\n")
        terminal.flush()
