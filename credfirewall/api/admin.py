"""API keys in the admin: made, rotated and revoked; each secret is on one page, once."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar, cast

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.text import capfirst
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_variables

from credfirewall.api import keys
from credfirewall.api.keys import Issued
from credfirewall.api.models import ApiKey
from credfirewall.api.scopes import SCOPES
from credfirewall.exceptions import AuditUnavailable, KeyNotUsable

if TYPE_CHECKING:
    ModelForm = forms.ModelForm[ApiKey]
    ModelAdmin = admin.ModelAdmin[ApiKey]
else:
    ModelForm, ModelAdmin = forms.ModelForm, admin.ModelAdmin

STATES = {
    "active": _("valid"),
    "expired": _("expired"),
    "revoked": _("revoked"),
    "idle": _("owner inactive"),
}
OVERLAPS = {
    0: _("not at all"),
    1: _("for an hour"),
    24: _("for a day"),
    168: _("for a week"),
}
"""Hours for which a former secret stays valid."""


View = TypeVar("View", bound=Callable[..., HttpResponse])


def unrecorded_undone(view: View) -> View:
    """Say so where something was not done because it could not be recorded."""

    @wraps(view)
    def guarded(self: Any, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            return view(self, request, *args, **kwargs)
        except AuditUnavailable:
            messages.error(request, _("This could not be recorded, so it was not done."))
            return HttpResponseRedirect(reverse("admin:credfirewall_apikey_changelist"))

    return cast(View, guarded)


class NewKeyForm(ModelForm):
    """Scopes are boxes to tick; a key without an end has to be asked for by emptying the field."""

    scopes = forms.MultipleChoiceField(required=False, widget=forms.CheckboxSelectMultiple)

    class Meta:
        model = ApiKey
        fields = ("name", "owner", "scopes", "expires_at")

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        field: Any = self.fields["scopes"]
        field.label = capfirst(ApiKey._meta.get_field("scopes").verbose_name)
        field.choices = [(name, f"{label} ({name})") for name, label in SCOPES.items()]

    def clean_scopes(self) -> str:
        return " ".join(self.cleaned_data["scopes"])

    def clean_expires_at(self) -> datetime | None:
        at: datetime | None = self.cleaned_data["expires_at"]
        if at is not None and at <= datetime.now(UTC):
            raise forms.ValidationError(_("This time is over."), code="over")
        return at


class RotationForm(forms.Form):
    overlap = forms.TypedChoiceField(
        label=_("The former secret stays valid"),
        choices=[*OVERLAPS.items()],
        coerce=int,
        initial=24,
    )


@admin.register(ApiKey)
class ApiKeyAdmin(ModelAdmin):
    """People have their own keys here, superusers everybody's: a key is its owner's rights."""

    list_display = ("name", "public_id", "owner", "scopes", "state", "expires_at", "used_at")
    list_select_related = ("owner",)
    search_fields = ("name", "public_id")
    raw_id_fields = ("owner",)
    change_form_template = "admin/credfirewall/apikey/change_form.html"
    shown = (
        *("name", "public_id", "owner", "scopes", "state"),
        *("created_at", "expires_at", "used_at", "revoked_at"),
    )

    @admin.display(description=_("state"))
    def state(self, key: ApiKey) -> Any:
        return STATES[key.state()]

    def get_queryset(self, request: HttpRequest) -> Any:
        found = super().get_queryset(request)
        user: Any = request.user
        return found if user.is_superuser else found.filter(owner=user)

    def get_form(
        self, request: HttpRequest, obj: ApiKey | None = None, change: bool = False, **kw: Any
    ) -> type[ModelForm]:
        if obj is None:
            kw["form"] = NewKeyForm
        return super().get_form(request, obj, change=change, **kw)

    def get_fields(self, request: HttpRequest, obj: ApiKey | None = None) -> Any:
        if obj is not None:
            return self.shown
        user: Any = request.user
        chosen = ("name", "owner", "scopes", "expires_at")
        return chosen if user.is_superuser else [each for each in chosen if each != "owner"]

    def get_readonly_fields(self, request: HttpRequest, obj: ApiKey | None = None) -> Any:
        return self.shown if obj is not None else ()

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        life = {"expires_at": datetime.now(UTC).replace(microsecond=0) + keys.USUAL_LIFE}
        return {**life, "owner": request.user.pk, **super().get_changeform_initial_data(request)}

    # Making

    @unrecorded_undone
    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return super().changeform_view(request, *args, **kwargs)

    def save_model(self, request: HttpRequest, obj: ApiKey, form: Any, change: bool) -> None:
        if change:
            return  # there is nothing in the form
        user: Any = request.user
        if not user.is_superuser:
            obj.owner = user
        made: Any = request
        made.issued_key = keys.issue(obj, actor=user)

    def response_add(
        self, request: HttpRequest, obj: ApiKey, post_url_continue: str | None = None
    ) -> HttpResponse:
        made: Any = request
        return self._shown_once(request, made.issued_key)

    @sensitive_variables("issued")
    def _shown_once(self, request: HttpRequest, issued: Issued) -> HttpResponse:
        """Show the secret in the answer itself: nothing keeps it for a page after.

        The site's ``admin_view`` lets no cache keep the answer, either. The template gets what its
        ``repr`` hides: a report of an error there shows the whole context.
        """
        context = {
            **self.admin_site.each_context(request),
            "title": _("This is shown once"),
            "opts": self.opts,
            "key": issued.key,
            "issued": issued,
        }
        template = "admin/credfirewall/apikey/issued.html"
        return TemplateResponse(request, template, context)

    # Rotating and revoking

    def get_urls(self) -> list[Any]:
        wrap: Callable[..., Any] = self.admin_site.admin_view
        return [
            path(
                "<path:object_id>/rotate/",
                wrap(never_cache(self.rotate_view)),
                name="credfirewall_apikey_rotate",
            ),
            path(
                "<path:object_id>/revoke/",
                wrap(never_cache(self.revoke_view)),
                name="credfirewall_apikey_revoke",
            ),
            *super().get_urls(),
        ]

    @unrecorded_undone
    def rotate_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask for how long the former secret is needed, and show the new one."""
        key = self._key(request, object_id)
        form = RotationForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            overlap = timedelta(hours=form.cleaned_data["overlap"])
            try:
                issued = keys.rotate(key, overlap, actor=request.user)
            except KeyNotUsable:
                messages.error(request, _("This key cannot be rotated any more: make a new one."))
                return self._back(key)
            self.log_change(request, key, gettext("Rotated."))
            return self._shown_once(request, issued)
        return self._asked(request, key, _("Rotate API key"), form)

    @unrecorded_undone
    def revoke_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask whether it is meant, and take the key back."""
        key = self._key(request, object_id)
        if request.method == "POST":
            if keys.revoke(key, actor=request.user):
                self.log_change(request, key, gettext("Revoked."))
            messages.success(request, _("The key opens nothing any more."))
            return self._back(key)
        return self._asked(request, key, _("Revoke API key"), None)

    def _key(self, request: HttpRequest, object_id: str) -> ApiKey:
        key = self.get_object(request, unquote(object_id))
        if key is None:
            raise Http404
        if not self.has_change_permission(request, key):
            raise PermissionDenied
        return key

    def _asked(self, request: HttpRequest, key: ApiKey, title: Any, form: Any) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "title": title,
            "opts": self.opts,
            "key": key,
            "form": form,
        }
        return TemplateResponse(request, "admin/credfirewall/apikey/confirm.html", context)

    def _back(self, key: ApiKey) -> HttpResponse:
        return HttpResponseRedirect(reverse("admin:credfirewall_apikey_change", args=[key.pk]))

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **options: Any
    ) -> HttpResponse:
        key = context.get("original")
        if key is not None:
            context["can_rotate"] = key.state() in {"active", "idle"}
            context["can_revoke"] = key.revoked_at is None
            context["show_save"] = False
        context["show_save_and_add_another"] = context["show_save_and_continue"] = False
        return super().render_change_form(request, context, *args, **options)
