"""The demo's mail: nothing leaves the machine."""

import sys

from django.core.mail import EmailMessage
from django.core.mail.backends.filebased import EmailBackend as FileBackend

RULE = "-" * 79


class EmailBackend(FileBackend):
    """Keep each message as a file and show it in the terminal, in both as a person reads it.

    Django's own backends write what goes over the wire, where a long link may be broken in two.
    """

    def write_message(self, message: EmailMessage) -> None:
        text = "\n".join(
            [
                f"To: {', '.join(message.to)}",
                f"Subject: {message.subject}",
                "",
                str(message.body),
                RULE,
                "",
            ]
        )
        self.stream.write(text.encode())  # type: ignore[arg-type]  # a binary file
        sys.stdout.write(f"\n{RULE}\n{text}")
        sys.stdout.flush()
