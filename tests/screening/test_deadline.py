"""One budget of time for all that a check does."""

import threading

import pytest
from django.core.cache import cache

from credfirewall.exceptions import SourceUnavailable
from credfirewall.screening.cache import key_for
from credfirewall.screening.deadline import Deadline
from credfirewall.screening.digest import Digest
from credfirewall.screening.verdict import Reason
from credfirewall.testing import faults
from credfirewall.testing.server import RangeServer
from tests.screening.asking import BREACHED, DEADLINE, LEISURE, Check, Clock, in_time, unknown
from tests.screening.conftest import Configure


def test_it_runs_out() -> None:
    clock = Clock(100.0)
    deadline = Deadline.after(2.0, clock)
    assert (deadline.remaining(), deadline.expired) == (2.0, False)
    clock.forward(1.5)
    assert (deadline.remaining(), deadline.expired) == (0.5, False)
    for seconds in (0.5, 1.0):
        clock.forward(seconds)
        assert deadline.expired
        with pytest.raises(SourceUnavailable) as caught:
            deadline.remaining()
        assert caught.value.reason == Reason.TIMEOUT


def test_its_clock_cannot_be_set_back() -> None:
    """The machine's clock may jump; this one does not."""
    assert Deadline.after(1).clock.__name__ == "monotonic"


def test_two_forms_of_a_password_share_one(
    check: Check, hibp: RangeServer, configure: Configure
) -> None:
    """As typed and composed: two questions, each of which would be in time by itself."""
    configure(HIBP_DEADLINE=DEADLINE)
    hibp.fault = faults.Delay(DEADLINE * 0.75)
    assert in_time(DEADLINE, lambda: check("pa\u0308ssword")) == unknown(Reason.TIMEOUT)


def test_so_do_waiting_and_asking(check: Check, hibp: RangeServer, configure: Configure) -> None:
    """Half the time goes on somebody else's lock."""
    configure(HIBP_DEADLINE=DEADLINE)
    lock = key_for("lock", key_for("range", hibp.url, Digest.of("hunter2").prefix))
    hibp.fault = faults.Hang()

    def wait_and_ask() -> object:
        cache.add(lock, 1, 60)
        timer = threading.Timer(DEADLINE / 2, cache.delete, [lock])
        timer.start()
        try:
            return check("hunter2")
        finally:
            timer.join()

    assert in_time(DEADLINE, wait_and_ask) == unknown(Reason.TIMEOUT)
    assert hibp.count > 0


@pytest.mark.parametrize("seconds", [0.05, 0.15])
def test_it_is_the_setting_s(
    check: Check, hibp: RangeServer, configure: Configure, seconds: float
) -> None:
    configure(HIBP_DEADLINE=seconds)
    hibp.fault = faults.Hang()
    assert in_time(seconds + 0.05, lambda: check("hunter2")) == unknown(Reason.TIMEOUT)
    configure(HIBP_DEADLINE=LEISURE)
    hibp.fault = faults.Delay(DEADLINE)
    assert check("hunter2") == BREACHED
