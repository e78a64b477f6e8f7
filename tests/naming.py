"""Names of parametrised tests."""

import re


def same_everywhere(value: object) -> str:
    """Its repr without addresses: the processes that share the tests must give the same names."""
    return re.sub(r" at 0x[0-9a-f]+", "", repr(value))
