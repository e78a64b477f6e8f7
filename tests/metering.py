"""Reading metrics: those of this process, and those on the page."""

import prometheus_client

from credfirewall.metrics import exposition


def value(name: str, **labels: str) -> float:
    """What a metric of this process is now."""
    return prometheus_client.REGISTRY.get_sample_value(f"credfirewall_{name}", labels) or 0.0


class Growth:
    """How much a metric has grown since."""

    def __init__(self, name: str, **labels: str) -> None:
        self._name, self._labels = name, labels
        self._before = value(name, **labels)

    @property
    def now(self) -> float:
        return value(self._name, **self._labels) - self._before


def shown() -> dict[str, float]:
    """What is on the page, by name and labels."""
    lines = exposition()[0].decode().splitlines()
    samples = (line.rpartition(" ") for line in lines if not line.startswith("#"))
    return {name: float(number) for name, _, number in samples}
