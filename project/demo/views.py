"""The demo's pages: Django's auth views, and a word on what screening could find out."""

from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.contrib.auth import forms as auth_forms
from django.contrib.auth import login, views
from django.contrib.auth.models import AbstractBaseUser, User
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse_lazy
from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.generic import FormView, TemplateView

from credfirewall.conf import conf
from credfirewall.screening import screen
from credfirewall.screening.verdict import Status
from project.demo import forms, screening

if TYPE_CHECKING:
    SignUpFormView = FormView[forms.SignUpForm]
else:
    SignUpFormView = FormView


@sensitive_variables("password")
def tell_verdict(request: HttpRequest, password: str, user: AbstractBaseUser) -> None:
    """Tell the person whether the password that was accepted could be looked up.

    A validator can only refuse. What it lets pass is clean, or could not be checked, and the
    difference is worth knowing. It costs no second wait: a service that just failed to answer the
    validator is not asked again, and one that did answer is answered for by the cache.
    """
    silent = screening.service_silent()
    match Status.UNKNOWN if silent else screen(password, user=user).status:
        case Status.CLEAN:
            messages.success(request, _("Your password is in no breach that we know of."))
        case Status.UNKNOWN:
            messages.warning(
                request,
                _(
                    "The breach service did not answer when it was last asked, so your password "
                    "may have been compared with our own lists only. If you use it anywhere "
                    "else, choose another one."
                ),
            )
        case Status.BREACHED:  # The service came back in between.
            messages.error(request, _("Your password is in known breaches. Change it now."))


class HomeView(TemplateView):
    """What this site is, and how it screens."""

    template_name = "home.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return {**super().get_context_data(**kwargs), "sources": screening.sources(), "conf": conf}


@method_decorator([sensitive_post_parameters(), never_cache], name="dispatch")
class SignUpView(SignUpFormView):
    """A new account, signed in at once."""

    form_class = forms.SignUpForm
    template_name = "accounts/signup.html"
    success_url = reverse_lazy("home")

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if request.user.is_authenticated:
            return redirect(self.get_success_url())
        return super().dispatch(request, *args, **kwargs)

    def form_valid(self, form: forms.SignUpForm) -> HttpResponse:
        user = form.save()
        login(self.request, user)
        messages.success(self.request, _("Your account is ready, and you are signed in."))
        tell_verdict(self.request, form.cleaned_data["password1"], user)
        return super().form_valid(form)


class PasswordChangeView(views.PasswordChangeView):
    """Django's change of a password by its owner."""

    form_class = forms.PasswordChangeForm
    template_name = "accounts/password_change_form.html"

    def form_valid(self, form: auth_forms.PasswordChangeForm) -> HttpResponse:
        response = super().form_valid(form)
        tell_verdict(self.request, form.cleaned_data["new_password1"], form.user)
        return response


class PasswordResetConfirmView(views.PasswordResetConfirmView):
    """Django's new password for who holds the link."""

    form_class = forms.SetPasswordForm
    template_name = "accounts/password_reset_confirm.html"

    def form_valid(self, form: "auth_forms.SetPasswordForm[User]") -> HttpResponse:
        response = super().form_valid(form)
        tell_verdict(self.request, form.cleaned_data["new_password1"], form.user)
        return response
