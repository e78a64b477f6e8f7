"""What a command does about output that nobody takes."""

import os
from typing import Any


def abandon(stream: Any) -> None:
    """Give up a stream that nobody reads, so that Python does not complain about it at exit."""
    try:
        descriptor = stream.fileno() if stream else -1
    except (OSError, ValueError, AttributeError):
        return
    if descriptor >= 0:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, descriptor)
        os.close(nowhere)
