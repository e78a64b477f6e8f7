"""Django's password forms, with a refusal beside the field in which it can be put right."""

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib.auth import forms as auth_forms
from django.contrib.auth.models import User
from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    UserCreationForm = auth_forms.UserCreationForm[User]
    UserSetPasswordForm = auth_forms.SetPasswordForm[User]
    SetPasswordMixin = auth_forms.SetPasswordMixin[User]
else:
    UserCreationForm = auth_forms.UserCreationForm
    UserSetPasswordForm = auth_forms.SetPasswordForm
    SetPasswordMixin = auth_forms.SetPasswordMixin


class RefusalAtTheChoice(SetPasswordMixin):
    """What the validators say stands at the new password; Django has it at the repetition."""

    def validate_password_for_user(
        self,
        user: User,
        password_field_name: str = "password2",  # noqa: S107 - the name of a form field
    ) -> None:
        super().validate_password_for_user(user, password_field_name.removesuffix("2") + "1")


class SignUpForm(RefusalAtTheChoice, UserCreationForm):
    """An account. Name and address are optional; a password made of them is refused."""

    class Meta(auth_forms.UserCreationForm.Meta):
        fields = ("username", "first_name", "email")
        widgets = {
            "first_name": forms.TextInput(attrs={"autocomplete": "given-name"}),
            "email": forms.EmailInput(attrs={"autocomplete": "email"}),
        }
        labels = {
            "first_name": _("First name (optional)"),
            "email": _("Email address (optional)"),
        }
        help_texts = {
            "username": _("Letters, digits and @ . + - _ are accepted, at most 150."),
            "email": _("Where the link goes if you forget your password."),
        }


class PasswordChangeForm(RefusalAtTheChoice, auth_forms.PasswordChangeForm):
    """Django's change of a password."""


class SetPasswordForm(RefusalAtTheChoice, UserSetPasswordForm):
    """Django's new password after a reset."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["new_password1"].widget.attrs["autofocus"] = True


class PasswordResetForm(auth_forms.PasswordResetForm):
    """Django's question for the address of an account."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["email"].widget.attrs["autofocus"] = True
