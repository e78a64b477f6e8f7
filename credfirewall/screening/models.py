"""The words that a project blocks on top of its settings."""

from collections.abc import Collection
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models
from django.utils.translation import gettext_lazy as _

from credfirewall.screening.digest import fold, is_text

LONGEST = 255
"""Code points of a blocked word, as given and folded: what every database can index as unique."""


class FoldedField(models.CharField):  # type: ignore[type-arg]  # generic in the stubs only
    """The folded form of ``word``. Written on every way in: ``save`` and ``bulk_create`` alike."""

    def pre_save(self, model_instance: models.Model, add: bool) -> str:
        folded = fold(model_instance.word)  # type: ignore[attr-defined]  # a field of BlockedWord
        setattr(model_instance, self.attname, folded)
        return folded


class BlockedWord(models.Model):
    """A word that no password may be, compared whole and without regard to case (ASVS 6.1.2)."""

    word = models.CharField(
        _("word"),
        max_length=LONGEST,
        help_text=_("Refused as a password in any mixture of upper and lower case."),
    )
    folded = FoldedField(
        _("word as compared"),
        max_length=LONGEST,
        unique=True,
        editable=False,
        error_messages={"unique": _("This word is blocked already, in this or another case.")},
    )
    note = models.CharField(
        _("note"), max_length=200, blank=True, help_text=_("Why it is blocked, for colleagues.")
    )
    created = models.DateTimeField(_("added on"), auto_now_add=True, editable=False)

    class Meta:
        app_label = "credfirewall"
        ordering = ("folded",)
        verbose_name = _("blocked word")
        verbose_name_plural = _("blocked words")
        constraints = [
            models.CheckConstraint(
                condition=~models.Q(word=""), name="credfirewall_blockedword_not_empty"
            )
        ]

    def __str__(self) -> str:
        return self.word

    def clean(self) -> None:
        """Fold the word. Raises ValidationError for one that cannot be stored or compared."""
        if not is_text(self.word):
            raise ValidationError({"word": _("This is not text that can be stored.")})
        self.folded = fold(self.word)
        if len(self.folded) > LONGEST:
            raise ValidationError({"word": _("This word is too long.")})

    def validate_unique(self, exclude: Collection[str] | None = None) -> None:
        """Report a duplicate at ``word``: no form shows ``folded``, which has to be unique."""
        try:
            super().validate_unique(exclude=set(exclude or ()) - {"folded"})
        except ValidationError as error:
            errors: dict[str, Any] = error.error_dict
            errors.setdefault("word", []).extend(errors.pop("folded", []))
            raise ValidationError(errors) from None
