"""Blocked words in the admin: one at a time, or many pasted at once."""

from itertools import islice
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.models import LogEntry
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from credfirewall.audit.events import Code, ConfigurationChanged, Party
from credfirewall.audit.services import record
from credfirewall.screening.digest import fold
from credfirewall.screening.models import BlockedWord

MOST_AT_ONCE = 1000

if TYPE_CHECKING:
    ModelForm = forms.ModelForm[BlockedWord]
    ModelAdmin = admin.ModelAdmin[BlockedWord]
else:
    ModelForm, ModelAdmin = forms.ModelForm, admin.ModelAdmin


class AddBlockedWordsForm(ModelForm):
    """New words: further ones may follow the first, one per line."""

    more = forms.CharField(
        label=_("Further words"),
        required=False,
        widget=forms.Textarea(attrs={"rows": 10}),
        help_text=_("One per line. Words that are blocked already are left out."),
    )

    class Meta:
        model = BlockedWord
        fields = ("word", "note")

    def clean_more(self) -> list[BlockedWord]:
        """Return the words of the lines. Raises ValidationError that quotes each wrong line."""
        lines = filter(None, map(str.strip, self.cleaned_data["more"].splitlines()))
        # Only as many as show that there are too many: a form can hold a million lines.
        texts = list(islice(lines, MOST_AT_ONCE + 1))
        if len(texts) > MOST_AT_ONCE:
            message = _("At most %(number)d words can be added at once.")
            raise ValidationError(message, params={"number": MOST_AT_ONCE})
        words = [BlockedWord(word=text) for text in texts]
        errors = []
        for word in words:
            try:
                word.clean_fields(exclude={"folded", "note"})
                word.clean()
            except ValidationError as error:
                errors += [f"{word.word[:40]}: {message}" for message in error.messages]
        if errors:
            raise ValidationError(errors)
        return words

    def further(self) -> list[BlockedWord]:
        """Return the words of ``more`` that are not blocked yet, each once."""
        words = {word.folded: word for word in self.cleaned_data["more"]}
        known = BlockedWord.objects.filter(folded__in=words).values_list("folded", flat=True)
        for folded in known:
            del words[folded]
        return list(words.values())


@admin.register(BlockedWord)
class BlockedWordAdmin(ModelAdmin):
    """Search finds a word in any case: what is searched is its folded form."""

    list_display = ("word", "note", "created")
    search_fields = ("word", "folded", "note")
    readonly_fields = ("created",)

    def get_search_results(
        self, request: HttpRequest, queryset: Any, search_term: str
    ) -> tuple[Any, bool]:
        return super().get_search_results(request, queryset, fold(search_term))

    def get_form(
        self, request: HttpRequest, obj: BlockedWord | None = None, change: bool = False, **kw: Any
    ) -> type[ModelForm]:
        if obj is None:
            kw["form"] = AddBlockedWordsForm
        return super().get_form(request, obj, change=change, **kw)

    def save_model(
        self, request: HttpRequest, obj: BlockedWord, form: ModelForm, change: bool
    ) -> None:
        super().save_model(request, obj, form, change)
        if not isinstance(form, AddBlockedWordsForm):
            return
        words = form.further()
        for word in words:
            word.note = obj.note
            word.save()
            self.log_addition(request, word, [{"added": {}}])
        if words:
            text = ngettext(
                "%d further word was added.", "%d further words were added.", len(words)
            )
            messages.info(request, text % len(words))

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> LogEntry:
        _record(request, "added", obj)
        return super().log_addition(request, obj, message)

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> LogEntry:
        _record(request, "changed", obj)
        return super().log_change(request, obj, message)

    def log_deletions(self, request: HttpRequest, queryset: Any) -> Any:
        for word in queryset:
            _record(request, "deleted", word)
        return super().log_deletions(request, queryset)


def _record(request: HttpRequest, action: str, word: BlockedWord) -> None:
    """Put a change into the audit log. The word itself is in the admin's own history."""
    event = ConfigurationChanged(object=Code("blocked_word"), action=Code(action))
    record(event, subject=Party("blocked_word", str(word.pk)), request=request)
