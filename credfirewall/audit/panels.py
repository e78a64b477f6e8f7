"""The log's own panels: what happened, who acted, which limits were hit, how far it is sealed."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime

from django.urls import reverse
from django.utils.html import format_html
from django.utils.http import urlencode
from django.utils.safestring import mark_safe
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from credfirewall.audit import charts, dashboard, evidence, identities, labels, listing
from credfirewall.audit.dashboard import Panel, Table, Window
from credfirewall.audit.events import EVENTS
from credfirewall.audit.models import AuditVerification
from credfirewall.conf import conf

MOST = 10
TONES = {"success": 1, "refused": 0, "failed": 3, "notice": 2}
"""The colour of each outcome. See charts.Series."""


def register() -> None:
    """Register the panels of the log itself."""
    dashboard.register("audit-seals", seals, order=10)
    dashboard.register("audit-events", events, order=20)
    dashboard.register("audit-limits", limits, order=60)
    dashboard.register("audit-actors", actors, order=70)
    dashboard.register("audit-addresses", addresses, order=80)


def clock(at: datetime, now: datetime) -> str:
    """Return a time of today as 14:02, another one with its date. UTC."""
    at = at.astimezone(UTC)
    return f"{at:%H:%M}" if at.date() == now.date() else f"{at:%Y-%m-%d %H:%M}"


def seals(window: Window) -> Panel:
    """Say how far the log is sealed and verified."""
    now, sealed, number = window.now, window.sealed, len(window.waiting)
    if sealed is None or not sealed.position:
        parts = [_("nothing sealed yet")]
    else:
        parts = [_("sealed to %(time)s") % {"time": clock(sealed.at, now)}]
    if number >= dashboard.NEWEST:
        parts.append(_("more than %(number)d rows waiting") % {"number": number})
    else:
        parts.append(ngettext("%d row waiting", "%d rows waiting", number) % number)
    alert = ""
    if sealed is not None and not evidence.is_genuine(sealed):
        alert = _("The newest seal is not the one that was made: run verify_audit.")
    verified = AuditVerification.objects.using(window.using).order_by("-pk").first()
    if verified is None or sealed is None:
        parts.append(_("never verified"))
    elif not evidence.was_verified(verified, sealed.log.hex):
        parts.append(_("never verified"))
        alert = alert or _("Somebody forged the record of a verification: run verify_audit.")
    else:
        parts.append(_("verified %(time)s") % {"time": clock(verified.at, now)})
        if verified.findings:
            text = ngettext(
                "The last verification found %d thing wrong: run verify_audit.",
                "The last verification found %d things wrong: run verify_audit.",
                verified.findings,
            )
            alert = text % verified.findings
    words = ", ".join(parts)
    sentences = [words[:1].upper() + words[1:] + "."]
    if conf.AUDIT_ANCHOR is None:
        sentences.append(_("There is no anchor: the log is not proven against truncation."))
    return Panel(gettext_lazy("Seals"), sentences, alert=alert, wide=True)


def events(window: Window) -> Panel:
    """Show what happened, by outcome."""
    found = window.series([*EVENTS])
    totals: Counter[str] = Counter()
    series = []
    for outcome in labels.OUTCOMES:
        steps = [0] * window.span.steps
        for value, numbers in found.items():
            if value.split(" ")[1] == outcome:
                steps = [a + b for a, b in zip(steps, numbers, strict=True)]
                totals[value.split(" ")[0]] += sum(numbers)
        if any(steps):
            series.append(charts.Series(str(labels.outcome(outcome)), steps, TONES[outcome]))
    title = gettext_lazy("Events")
    number = sum(totals.values())
    words = [ngettext("%d event.", "%d events.", number) % number]
    if not number:
        return Panel(title, words)
    chart, legend = dashboard.columns(
        "audit-events", title, _("Events by outcome over the time shown, in UTC."), window, series
    )
    return Panel(title, words, chart, legend, dashboard.over_time(window, _("From (UTC)"), series))


def limits(window: Window) -> Panel:
    """Show when limits were hit."""
    title = gettext_lazy("Limits hit")
    found = window.series(["limit_hit"])
    steps = [sum(numbers) for numbers in zip(*found.values(), strict=True)]
    number = sum(steps)
    words = [
        ngettext("A limit was hit %d time.", "Limits were hit %d times.", number) % number
        if number
        else _("No limit was hit.")
    ]
    if not number:
        return Panel(title, words)
    series = [charts.Series(_("Limits hit"), steps)]
    about = _("How often limits were hit over the time shown, in UTC.")
    chart, legend = dashboard.columns("audit-limits", title, about, window, series)
    return Panel(title, words, chart, legend, dashboard.over_time(window, _("From (UTC)"), series))


def actors(window: Window) -> Panel:
    """Show who acted most."""
    top = window.top("actor", MOST)
    counts = {
        (kind, identity): n for value, n in top for kind, _, identity in [value.partition(" ")]
    }
    names = identities.current(list(counts), window.using)
    rows = []
    for (kind, identity), count in counts.items():
        query = urlencode({"type": kind, "id": identity})
        url = f"{reverse('admin:credfirewall_auditevent_timeline')}?{query}"
        name = names.get((kind, identity), identities.NONE)
        link = format_html('<a href="{}">{}</a>', url, labels.party(kind, identity, name.text))
        if missing := labels.missing(name):
            link = format_html("{} <em>({})</em>", link, missing)
        rows.append((link, count))
    return _ranking(gettext_lazy("Top actors"), _("Actor"), rows, _("Nobody acted."))


def addresses(window: Window) -> Panel:
    """Show from where most came."""
    rows = []
    for value, count in window.top("address", MOST):
        url = reverse("admin:credfirewall_auditevent_changelist")
        query = urlencode(listing.Filters(address=value).given())
        rows.append((format_html('<a href="{}?{}">{}</a>', url, query, value), count))
    return _ranking(
        gettext_lazy("Top addresses"), _("Address"), rows, _("No address was recorded.")
    )


def _ranking(
    title: labels.Text, head: labels.Text, rows: Sequence[tuple[str, int]], none: labels.Text
) -> Panel:
    if not rows:
        return Panel(title, [none])
    most = rows[0][1]
    cells = [
        (name, count, mark_safe(charts.bar(count / most)))  # noqa: S308 - made of a number
        for name, count in rows
    ]
    return Panel(title, table=Table([head, _("Events"), ""], cells), opened=True)
