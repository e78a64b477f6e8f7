"""Whether a source works, told to the outside on transitions only."""

import threading
from enum import StrEnum

from credfirewall.screening.steps import Send, Steps
from credfirewall.signals import source_degraded


class State(StrEnum):
    WORKING = "recovered"
    DEGRADED = "degraded"
    OPEN = "open"


class Health:
    """The state of one source in this process."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._state = State.WORKING
        self._lock = threading.Lock()

    @property
    def state(self) -> State:
        return self._state

    def becomes(self, state: State, reason: str = "") -> Steps[None]:
        """Send ``source_degraded`` if this is news. "open" stays until there is an answer."""
        with self._lock:
            if state is self._state or (self._state, state) == (State.OPEN, State.DEGRADED):
                return
            self._state = state
        arguments = {"source": self._source, "state": state.value, "reason": reason}
        yield Send(source_degraded, arguments)
