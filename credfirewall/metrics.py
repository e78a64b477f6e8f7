"""Numbers for Prometheus, where prometheus-client is installed (the extra ``metrics``).

Each feature declares what it counts in a module ``metrics`` of its own. What is counted is in the
default registry, as ``credfirewall_...``, so that an exporter which a project already has shows it
too. What has to be looked up (``asked``) is read by ``exposition`` only, when somebody asks.

A label is a name from source code: what is none becomes "other", as does what comes after many
values, so that nothing which a person typed can become one. Counting never fails its caller.
"""

import importlib.util
import logging
import os
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

logger = logging.getLogger("credfirewall.metrics")

ENABLED = importlib.util.find_spec("prometheus_client") is not None
PREFIX = "credfirewall_"
OTHER = "other"
MOST = 200
"""Combinations of labels that one metric keeps apart."""
DIRECTORY = "PROMETHEUS_MULTIPROC_DIR"
"""Names, in the environment, the folder in which many processes count together."""

_LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}", re.ASCII)
_making = threading.Lock()
_failing: set[str] = set()

Labels = tuple[str, ...]


def label(value: str) -> str:
    """Return ``value`` if it is a name, else "other"."""
    return value if _LABEL.fullmatch(value) else OTHER


class Metric:
    """One metric, with a child for each combination of labels.

    The library is loaded for the first of them: most commands of a project count nothing.
    """

    kind = ""

    def __init__(self, name: str, text: str, *labels: str, **options: Any) -> None:
        self._name, self._text, self._labels, self._options = PREFIX + name, text, labels, options
        self._made: Any = None
        self._children: dict[Labels, Any] = {}

    def _child(self, labels: Labels) -> Any:
        child = self._children.get(labels)
        return self._new(labels) if child is None else child

    def _new(self, labels: Labels) -> Any:
        if self._made is None:
            self._make()
        if len(self._children) >= MOST:
            return self._made.labels(*(OTHER for _ in labels))
        allowed = tuple(map(label, labels))
        child = self._made.labels(*allowed) if allowed else self._made
        if allowed == labels:
            self._children[labels] = child
        return child

    def _make(self) -> None:
        import prometheus_client

        with _making:
            if self._made is None:
                kind = getattr(prometheus_client, self.kind)
                self._made = kind(self._name, self._text, self._labels, **self._options)


class Counter(Metric):
    """What only grows."""

    kind = "Counter"

    def add(self, *labels: str) -> None:
        """Count one."""
        if ENABLED:
            try:
                self._child(labels).inc()
            except Exception as error:  # noqa: BLE001 - a full disk, say
                _failed(self._name, error)


class Gauge(Metric):
    """How something is now; of many processes that are alive, the sum."""

    kind = "Gauge"

    def __init__(self, name: str, text: str, *labels: str) -> None:
        super().__init__(name, text, *labels, multiprocess_mode="livesum")

    def set(self, value: float, *labels: str) -> None:
        """Say how it is."""
        if ENABLED:
            try:
                self._child(labels).set(value)
            except Exception as error:  # noqa: BLE001 - see Counter
                _failed(self._name, error)


class Histogram(Metric):
    """How something is spread, in ``buckets`` that each count what is at most so large."""

    kind = "Histogram"

    def __init__(self, name: str, text: str, *labels: str, buckets: tuple[float, ...]) -> None:
        super().__init__(name, text, *labels, buckets=buckets)

    def observe(self, value: float, *labels: str) -> None:
        """Count ``value``."""
        if ENABLED:
            try:
                self._child(labels).observe(value)
            except Exception as error:  # noqa: BLE001 - see Counter
                _failed(self._name, error)


@dataclass(frozen=True, slots=True)
class Reading:
    """The value of a gauge that was looked up; one name has the same labels each time."""

    name: str
    text: str
    value: float
    labels: Mapping[str, str] = field(default_factory=dict)


LookUp = Callable[[], Iterable[Reading]]
_asked: dict[str, LookUp] = {}


def asked(name: str, look_up: LookUp) -> None:
    """Have ``exposition`` look up gauges. What fails is left out, and the rest is shown."""
    _asked[name] = look_up


def exposition(accept: str = "") -> tuple[bytes, str]:
    """Return all metrics of credfirewall as text, and its content type.

    With PROMETHEUS_MULTIPROC_DIR set, those of all processes that share the folder.
    """
    from prometheus_client.exposition import choose_encoder

    try:
        encode, content_type = choose_encoder(accept)
    except TypeError:  # what it makes of a version that is none
        encode, content_type = choose_encoder("")
    return encode(_Ours()), content_type


class _Ours:
    """What the encoders take for a registry."""

    def collect(self) -> Iterator[Any]:
        for family in _counted():
            if family.name.startswith(PREFIX):
                yield family
        for name, look_up in tuple(_asked.items()):
            yield from _read(name, look_up)


def _counted() -> Iterable[Any]:
    import prometheus_client
    from prometheus_client.multiprocess import MultiProcessCollector

    if os.environ.get(DIRECTORY):
        collected: Iterable[Any] = MultiProcessCollector(None).collect()  # type: ignore[no-untyped-call]
        return collected
    return prometheus_client.REGISTRY.collect()


def _read(name: str, look_up: LookUp) -> Iterable[Any]:
    from prometheus_client.core import GaugeMetricFamily

    families: dict[str, Any] = {}
    try:
        for each in look_up():
            family = families.get(each.name)
            if family is None:
                family = GaugeMetricFamily(PREFIX + each.name, each.text, labels=[*each.labels])
                families[each.name] = family
            family.add_metric([label(value) for value in each.labels.values()], each.value)
    except Exception as error:  # noqa: BLE001 - the database is away, say
        _failed(name, error)
        return ()
    return families.values()


def _failed(name: str, error: Exception) -> None:
    """Log the first failure of each metric, by class only."""
    if name not in _failing:
        _failing.add(name)
        logger.warning("The metric %s fails (%s).", name, type(error).__name__)
