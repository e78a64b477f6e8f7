"""Whether a source works, told to the outside on transitions only."""

import logging
import threading
from enum import StrEnum

from credfirewall.screening import metrics
from credfirewall.screening.steps import Send, Steps
from credfirewall.signals import source_degraded

logger = logging.getLogger("credfirewall.screening")


class State(StrEnum):
    WORKING = "recovered"
    DEGRADED = "degraded"
    OPEN = "open"


class Health:
    """The state of one source in this process, told in the log and by a signal when it changes."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._state = State.WORKING
        self._lock = threading.Lock()
        metrics.state(source, self._state.name.lower())

    @property
    def state(self) -> State:
        return self._state

    def becomes(self, state: State, reason: str = "") -> Steps[None]:
        """Log and tell what is news. "open" stays until there is an answer."""
        with self._lock:
            if state is self._state or (self._state, state) == (State.OPEN, State.DEGRADED):
                return
            self._state = state
        metrics.changed(self._source, state.name.lower())
        if state is State.WORKING:
            logger.info("The source %r answers again.", self._source)
        else:
            logger.warning("The source %r is %s (%s).", self._source, state.value, reason)
        arguments = {"source": self._source, "state": state.value, "reason": reason}
        yield Send(source_degraded, arguments)
