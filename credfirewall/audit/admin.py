"""The log in the admin: read, never changed. Each page that is read is an event itself."""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar, cast

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.core.handlers.asgi import ASGIRequest
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    HttpResponseNotAllowed,
    StreamingHttpResponse,
)
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.http import urlencode
from django.utils.translation import gettext as _

from credfirewall.audit import dashboard, denials, evidence, exporting, labels, listing
from credfirewall.audit.events import EVENTS, AuditRead, Code, Party
from credfirewall.audit.identities import Name, Names
from credfirewall.audit.listing import Cursor, Filters, Page, Selection
from credfirewall.audit.models import AuditEvent
from credfirewall.audit.services import record
from credfirewall.audit.text import bounded
from credfirewall.exceptions import AuditUnavailable

TEMPLATES = "admin/credfirewall/auditevent"
FORMATS = {"csv": "text/csv; charset=utf-8", "jsonl": "application/jsonl; charset=utf-8"}
KIND = re.compile("[a-z][a-z_]{0,15}")
"""Of a party."""
LONGEST_SHOWN = 2000
"""Code points of a detail that is shown: in a row that was tampered with it may be anything."""
UNLISTED = ("details", "user_agent", "mac", "log", "schema", "key")

View = TypeVar("View", bound=Callable[..., HttpResponseBase])

if TYPE_CHECKING:
    ModelAdmin = admin.ModelAdmin[AuditEvent]
else:
    ModelAdmin = admin.ModelAdmin


def unrecorded_unread(view: View) -> View:
    """Show nothing of the log where that cannot be recorded, and has to be."""

    @wraps(view)
    def guarded(self: Any, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        try:
            return view(self, request, *args, **kwargs)
        except AuditUnavailable:
            context = {"title": _("The audit log cannot be reached")}
            page: HttpResponseBase = self._render(request, "unavailable", context, status=503)
            return page

    return cast("View", guarded)


@admin.register(AuditEvent)
class AuditEventAdmin(ModelAdmin):
    """Nobody adds, changes or deletes, whatever their permissions."""

    actions = None

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_export_permission(self, request: HttpRequest) -> bool:
        """Whether rows may leave with this user, who may also see them."""
        user = request.user
        return self.has_view_permission(request) and user.has_perm("credfirewall.export_auditevent")

    def get_urls(self) -> list[URLPattern]:
        own = {
            "overview": self.overview_view,
            "timeline": self.timeline_view,
            "export": self.export_view,
        }
        pages = [
            *(
                path(
                    f"{name}/",
                    self.admin_site.admin_view(view),
                    name=f"credfirewall_auditevent_{name}",
                )
                for name, view in own.items()
            ),
            *super().get_urls(),
        ]
        return denials.watched(pages)

    # Pages

    @unrecorded_unread
    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """List events, newest first."""
        if refusal := self._refusal(request):
            return refusal
        using, now = self._using(), datetime.now(UTC)
        filters = Filters.of(request.GET)
        page = self._page(request, listing.select(filters, using, now))
        context = {
            **self._rows(page, Names.of(page.rows, using), filters.given()),
            "title": _("Audit events"),
            "filters": filters,
            "choices": self._choices(filters, using),
            "times": self._times(filters, using),
            "can_export": self.has_export_permission(request),
            "formats": FORMATS,
            **(extra_context or {}),
        }
        self._read(request, "list", filters.codes())
        return self._render(request, "change_list", context)

    @unrecorded_unread
    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Show one event."""
        if object_id is None:
            raise PermissionDenied
        if refusal := self._refusal(request):
            return refusal
        row = self.get_object(request, object_id)
        if row is None:
            raise Http404(_("There is no such event."))
        using = self._using()
        context = {
            "title": labels.event(row.event),
            "subtitle": None,
            "row": self._row(row, Names.of([row], using)),
            "event": row,
            "details": _details(row),
            "findings": evidence.findings(row, using),
            **(extra_context or {}),
        }
        self._read(request, "event", subject=Party("event", row.pk.hex))
        return self._render(request, "event", context)

    @unrecorded_unread
    def timeline_view(self, request: HttpRequest) -> HttpResponse:
        """List all events by or about somebody."""
        if refusal := self._refusal(request):
            return refusal
        kind = bounded(request.GET.get("type", ""), 16)
        identity = bounded(request.GET.get("id", ""), 64)
        if not (KIND.fullmatch(kind) and identity):
            raise Http404(_("A timeline is somebody's."))
        filters = Filters(party=f"{kind}:{identity}")
        using = self._using()
        page = self._page(request, listing.select(filters, using, datetime.now(UTC)))
        if (
            not page.rows
        ):  # who is on record is no invention of whoever asks, and reading is recorded
            raise Http404(_("A timeline is somebody's."))
        names = Names.of(page.rows, using)
        context = {
            **self._rows(page, names, {"type": kind, "id": identity}),
            "title": _("Timeline of %(who)s") % {"who": labels.party(kind, identity)},
            "texts": names.texts(page.rows, (kind, identity)),
        }
        self._read(request, "timeline", subject=Party(kind, identity))
        return self._render(request, "timeline", context)

    @unrecorded_unread
    def overview_view(self, request: HttpRequest) -> HttpResponse:
        """Show the panels."""
        if refusal := self._refusal(request):
            return refusal
        span = dashboard.SPANS.get(request.GET.get("span", ""), dashboard.SPANS[dashboard.DEFAULT])
        window = dashboard.Window(span, datetime.now(UTC), self._using())
        context = {
            "title": _("Audit overview"),
            "panels": dashboard.panels(window),
            "window": window,
            "spans": dashboard.SPANS,
        }
        self._read(request, "overview")
        return self._render(request, "overview", context)

    @unrecorded_unread
    def export_view(self, request: HttpRequest) -> HttpResponseBase:
        """Send what the filters let through. The export records itself."""
        if not self.has_export_permission(request):
            raise PermissionDenied
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        form = request.POST.get("format", "")
        if form not in FORMATS:
            raise Http404(_("There is no such format."))
        filters, now = Filters.of(request.POST), datetime.now(UTC)
        export = exporting.export(
            form,
            queryset=listing.select(filters, self._using(), now).queryset(),
            filters=filters.codes(),
            names="names" in request.POST,
            request=request,
        )
        content = exporting.AsyncExport(export) if isinstance(request, ASGIRequest) else export
        response = StreamingHttpResponse(content, content_type=FORMATS[form])
        name = f"audit-{now:%Y%m%dT%H%M%SZ}.{form}"
        response["Content-Disposition"] = f'attachment; filename="{name}"'
        return response

    def history_view(self, request: HttpRequest, *_: Any, **__: Any) -> HttpResponse:
        """Refuse: there is no history of what cannot change."""
        raise PermissionDenied

    # What they share

    def _refusal(self, request: HttpRequest) -> HttpResponse | None:
        if not self.has_view_permission(request):
            raise PermissionDenied
        if request.method not in {"GET", "HEAD"}:
            return HttpResponseNotAllowed(["GET", "HEAD"])
        # Reading is an event: a foreign page's image must not write some in a reader's name.
        foreign = request.headers.get("Sec-Fetch-Site", "") in {"cross-site", "same-site"}
        if foreign and request.headers.get("Sec-Fetch-Mode") != "navigate":
            raise denials.AskedElsewhere
        return None

    def _using(self) -> str:
        return AuditEvent.objects.all().db

    def _read(
        self, request: HttpRequest, view: str, filters: tuple[Code, ...] = (), subject: Any = None
    ) -> None:
        record(AuditRead(view=Code(view), filters=filters), subject=subject, request=request)

    def _page(self, request: HttpRequest, selection: Selection) -> Page:
        places = (Cursor.read(request.GET.get(name, "")) for name in ("before", "after"))
        before, after = places
        slim = Selection(selection.base.defer(*UNLISTED), selection.branches)
        return slim.page(before=before, after=after)

    def _rows(self, page: Page, names: Names, query: dict[str, str]) -> dict[str, Any]:
        """Return the context of a list of rows."""
        return {
            "rows": [self._row(row, names) for row in page.rows],
            "newest": urlencode(query),
            "newer": page.newer and urlencode({**query, "after": str(page.newer)}),
            "older": page.older and urlencode({**query, "before": str(page.older)}),
        }

    def _row(self, row: AuditEvent, names: Names) -> dict[str, Any]:
        at = row.at.astimezone(UTC)
        return {
            "id": row.pk,
            # As texts: a template would turn times into those of the site's own zone.
            "at": f"{at:%Y-%m-%d %H:%M:%S}",
            "exactly": f"{at:%Y-%m-%d %H:%M:%S.%f}",
            "iso": at.isoformat(),
            "event": labels.event(row.event),
            "outcome": row.outcome,
            "outcome_label": labels.outcome(row.outcome),
            "source": labels.source(row.source),
            "address": row.address,
            "actor": _party(row.actor_type, row.actor_id, names.actor(row)),
            "subject": _party(row.subject_type, row.subject_id, names.subject(row)),
        }

    def _choices(self, filters: Filters, using: str) -> list[tuple[str, str, list[Any]]]:
        """Return name, label and options of the filters that are chosen from a list."""
        events = sorted(((name, str(labels.event(name))) for name in EVENTS), key=lambda e: e[1])
        outcomes = [(name, str(label)) for name, label in labels.OUTCOMES.items()]
        found = sorted(filter(None, listing.values("source", using)))
        sources = [(name, str(labels.source(name))) for name in found]
        offered = [
            ("event", _("Event"), events),
            ("outcome", _("Outcome"), outcomes),
            ("source", _("Source"), sources),
        ]
        for name, _label, options in offered:
            chosen = getattr(filters, name)
            if chosen and chosen not in dict(options):
                options.append((chosen, chosen))
        return offered

    def _times(self, filters: Filters, using: str) -> dict[str, Any]:
        """Return the links to times: those in between, those around, and the recent ones."""
        given = filters.given()
        chosen = given.pop("time", "")

        def link(time: str, label: str) -> dict[str, Any]:
            query = urlencode({**given, "time": time} if time else given)
            return {"query": query, "label": label, "chosen": time == chosen}

        recent = {"": _("Any time"), "today": _("Today"), "7d": _("7 days"), "30d": _("30 days")}
        around = ["-".join(chosen.split("-")[:n]) for n in range(1, chosen.count("-") + 1)]
        return {
            "recent": [link(time, label) for time, label in recent.items()],
            "around": [link(time, time) for time in around],
            "chosen": chosen if chosen not in recent else "",
            "within": [link(time, time) for time in listing.periods(chosen, using)],
        }

    def _render(
        self, request: HttpRequest, name: str, context: dict[str, Any], status: int = 200
    ) -> HttpResponse:
        common = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "is_list": name == "change_list",
        }
        request.current_app = self.admin_site.name
        return TemplateResponse(
            request, f"{TEMPLATES}/{name}.html", {**common, **context}, status=status
        )


def _party(kind: str, identity: str, name: Name) -> dict[str, Any] | None:
    if not kind:
        return None
    return {
        "text": labels.party(kind, identity, name.text),
        "query": urlencode({"type": kind, "id": identity}) if identity else "",
        "missing": labels.missing(name),
    }


def _details(row: AuditEvent) -> list[tuple[str, str]]:
    """Return the details by name; as they are where they cannot be read."""
    try:
        details = json.loads(row.details)
    except (ValueError, RecursionError):
        details = None
    if not isinstance(details, dict):
        return [("", bounded(row.details, LONGEST_SHOWN))]
    return [
        (bounded(name, LONGEST_SHOWN), bounded(_value(value), LONGEST_SHOWN))
        for name, value in sorted(details.items())
    ]


def _value(value: object) -> str:
    if value is None:
        return "—"
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "—"
    return str(value)
