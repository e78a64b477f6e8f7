"""Signals for host projects. They are extension points: nothing in credfirewall depends on them."""

from django.dispatch import Signal

password_breached = Signal()
"""A password was found breached. Arguments: ``verdict``, ``user`` (or None). Never the password."""

source_degraded = Signal()
"""A source changed state. Arguments: ``source``, ``state`` ("degraded", "open" or "recovered") and
``reason``. Sent on transitions only, by each process that sees one: "degraded" when a source stops
answering, "open" when its circuit breaker opens, "recovered" when it answers again."""

exposure_found = Signal()
"""A known account was found to use a breached password. Arguments: ``user``, ``verdict``."""

exposure_resolved = Signal()
"""A breached account changed its password. Arguments: ``user``."""

delivery_redeemed = Signal()
"""A one-time delivery was redeemed. Arguments: ``delivery``."""

delivery_reported = Signal()
"""The holder of a delivery's link said "it was not me". Arguments: ``delivery``."""

audit_recorded = Signal()
"""An audit event was recorded. Arguments: ``event``."""
