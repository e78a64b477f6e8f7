"""An accident in each function that a call goes through, one at a time."""

import sys
from collections.abc import Callable
from types import CodeType, FrameType
from typing import Any

from tests.canary.site import Accident

Tracer = Callable[[FrameType, str, Any], None]


def visited(call: Callable[[], object], *roots: str) -> list[CodeType]:
    """The functions in files below ``roots`` that ``call`` goes through in this thread."""
    found: dict[CodeType, None] = {}

    def trace(frame: FrameType, event: str, argument: Any) -> None:
        if frame.f_code.co_filename.startswith(roots):
            found.setdefault(frame.f_code)

    _traced(call, trace)
    return list(found)


def struck(call: Callable[[], object], code: CodeType) -> BaseException | None:
    """Let ``code`` fail as it is entered; return what leaves ``call``."""

    def trace(frame: FrameType, event: str, argument: Any) -> None:
        if frame.f_code is code:
            sys.settrace(None)
            raise Accident(f"in {code.co_qualname}")

    try:
        _traced(call, trace)
    except BaseException as error:  # noqa: BLE001 - whatever it is, it has left
        return error
    return None


def _traced(call: Callable[[], object], trace: Tracer) -> None:
    before = sys.gettrace()
    sys.settrace(trace)
    try:
        call()
    finally:
        sys.settrace(before)
