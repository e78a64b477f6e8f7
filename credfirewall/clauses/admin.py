"""The conformance report in the admin: read, and made anew each time."""

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.translation import gettext_lazy as _

from credfirewall import conformance
from credfirewall.clauses.models import ConformanceReport
from credfirewall.conformance import AREAS, Result, State, Text
from credfirewall.passwords import profiles
from credfirewall.passwords.profiles import PROFILES

STATES: dict[State, tuple[Text, str]] = {
    State.MET: (_("met"), "success"),
    State.NOT_MET: (_("not met"), "failed"),
    State.HOST: (_("yours to see to"), "notice"),
}
"""How a state is called, and the style of its mark."""

if TYPE_CHECKING:
    ModelAdmin = admin.ModelAdmin[ConformanceReport]
else:
    ModelAdmin = admin.ModelAdmin


@admin.register(ConformanceReport)
class ConformanceReportAdmin(ModelAdmin):
    """One page, for who has the permission to view it. There is nothing to add or to change."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_urls(self) -> list[URLPattern]:
        name = f"{self.opts.app_label}_{self.opts.model_name}_changelist"
        return [path("", self.admin_site.admin_view(self.changelist_view), name=name)]

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show the report by the profile of the settings, or by ``?profile=``."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        if request.method not in {"GET", "HEAD"}:
            return HttpResponseNotAllowed(["GET", "HEAD"])
        active = profiles.active()
        profile = PROFILES.get(request.GET.get("profile", ""), active)
        found = conformance.results(profile.name)
        numbers = conformance.count(found)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": _("Conformance"),
            "profile": profile,
            "active": active,
            "profiles": PROFILES.values(),
            "totals": [(*STATES[state], numbers[state]) for state in State],
            "areas": _by_area(found),
            **(extra_context or {}),
        }
        request.current_app = self.admin_site.name
        template = "admin/credfirewall/conformancereport/change_list.html"
        return TemplateResponse(request, template, context)


def _by_area(found: list[Result]) -> list[tuple[str, Text, list[dict[str, Any]]]]:
    """Return key, title and rows of each area."""
    rows: dict[str, list[dict[str, Any]]] = {}
    for result in found:
        state, style = STATES[result.finding.state]
        row = {"state": state, "style": style, "row": result.row, "finding": result.finding}
        rows.setdefault(result.row.area, []).append(row)
    return [(area, AREAS[area], each) for area, each in rows.items()]
