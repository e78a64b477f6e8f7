"""The settings of production for the API benchmark, whose limits are counted and never met."""

import os
import sys

from credfirewall.conf import DEFAULT_RATES
from project.production import *  # noqa: F403
from project.production import CREDFIREWALL as PRODUCTION

# As without the extra `metrics`, of which the peers have no like.
sys.modules["prometheus_client"] = None  # type: ignore[assignment]  # how to say "not installed"

CREDFIREWALL = {
    **PRODUCTION,
    "HIBP_URL": "http://127.0.0.1:9/range/",
    "RATES": dict.fromkeys(DEFAULT_RATES, f"{os.environ['RATE']}/m"),
}
"""Nobody listens at that port: a request must not ask anybody outside."""
