"""What a forked child makes of a thing that it got from its parent."""

import os
import signal
import traceback
import warnings
from collections.abc import Callable

SECONDS = 20


def holds_in_child(claim: Callable[[], bool]) -> bool:
    """Whether ``claim`` is true in a child of this process, which has many threads by now."""
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
        child = os.fork()  # Python 3.12 warns of the threads
    if child == 0:
        status = 1
        try:
            signal.alarm(SECONDS)  # a deadlock must not outlive the test
            status = 0 if claim() else 1
        except BaseException:  # noqa: BLE001 - nothing but the status leaves the child
            traceback.print_exc()
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
