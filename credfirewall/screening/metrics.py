"""What screening counts: see docs/metrics.md. Nothing here knows a password."""

from time import perf_counter

from credfirewall import metrics
from credfirewall.metrics import Counter, Gauge, Histogram
from credfirewall.screening.verdict import Reason, Status, Verdict

BUCKETS = (
    0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05,
    0.1, 0.25, 0.5, 1.0, 2.0, 4.0,
)  # fmt: skip
"""Seconds: from an answer out of memory to the longest usual deadline, twice."""
STATES = ("working", "degraded", "open")
NONE = "none"
"""In place of the source that decided, where none could."""

_checks = Counter("checks", "Checks by the source that decided, and outcome.", "source", "outcome")
_seconds = Histogram("check_seconds", "How long checks took.", "outcome", buckets=BUCKETS)
_unknown = Counter("checks_unknown", "Checks that no source could answer, by reason.", "reason")
_state = Gauge("source_state", "Processes that see the source in the state.", "source", "state")
_changes = Counter("source_changes", "Changes of a source's state.", "source", "state")
_breaker = Gauge("breaker_open", "Processes in which the circuit breaker is open.", "source")
_cache = Counter("cache_requests", "Look-ups in the shared cache.", "result")
_failures = Counter("cache_failures", "Failures of the shared cache.")
_stale = Counter("cache_stale", "Answers from an entry past its time, for want of a fresh one.")

_REASONS = frozenset(value for name, value in vars(Reason).items() if name.isupper())


def begin() -> float:
    """Return the time at which a check begins."""
    return perf_counter() if metrics.ENABLED else 0.0


def checked(verdict: Verdict, began: float) -> None:
    """Count a check."""
    if not metrics.ENABLED:
        return
    outcome = verdict.status.value
    _checks.add(verdict.source or NONE, outcome)
    _seconds.observe(perf_counter() - began, outcome)
    if verdict.status is Status.UNKNOWN:
        # A source of the host's may give any word for a reason.
        _unknown.add(verdict.reason if verdict.reason in _REASONS else metrics.OTHER)


def state(source: str, now: str) -> None:
    """Say how a source is, in this process."""
    for each in STATES:
        _state.set(each == now, source, each)


def changed(source: str, now: str) -> None:
    """Count a change of a source's state."""
    state(source, now)
    _changes.add(source, now)


def breaker(source: str, *, is_open: bool) -> None:
    """Say how a source's circuit breaker is, in this process."""
    _breaker.set(is_open, source)


def cached(*, hit: bool) -> None:
    """Count a look-up in the shared cache."""
    _cache.add("hit" if hit else "miss")


def stale() -> None:
    """Count an answer that is older than it should be."""
    _stale.add()


def cache_failed() -> None:
    """Count a failure of the shared cache."""
    _failures.add()
