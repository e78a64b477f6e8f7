"""Text from outside, made fit for a log: bounded, on one line, storable everywhere. Pure."""

import re

_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def bounded(value: object, length: int) -> str:
    """Return ``value`` as at most ``length`` code points without control characters.

    Among these are NUL, which PostgreSQL refuses, CR and LF, which would forge a line, and lone
    surrogates, which have no UTF-8 form.
    """
    return _CONTROLS.sub("\ufffd", str(value)[:length])
