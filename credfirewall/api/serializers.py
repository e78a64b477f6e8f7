"""What comes in is said by serializers that refuse what they do not know (ASVS 2.2.2, 15.3.3)."""

import re
from datetime import UTC, datetime
from typing import Any

from django.core.validators import ProhibitNullCharactersValidator, RegexValidator
from django.http import QueryDict
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, ValidationError

_MOMENT = re.compile(
    r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,64})?([Zz]|[+-]\d\d:\d\d)", re.ASCII
)
_WHOLE = re.compile(r"0|[1-9]\d{0,8}", re.ASCII)
FIRST, LAST = datetime(1970, 1, 1, tzinfo=UTC), datetime(9998, 12, 31, tzinfo=UTC)
"""What every database can compare. Nothing is recorded before or after."""
LONGEST_NAME = 64
"""Of an unknown field that is named in an error."""


WITHOUT_NUL = RegexValidator(r"^[^\x00]*\Z", "NUL is no text.", "null_characters_not_allowed")


class Strict(serializers.Serializer[Any]):
    """Refuses fields that it does not have: a misspelt one would change nothing, silently."""

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, dict) and (unknown := set(data) - set(self.fields)):
            message = ErrorDetail("There is no such field.", "unknown")
            names = sorted(str(name)[:LONGEST_NAME] for name in unknown)
            raise ValidationError({name: [message] for name in names})
        return super().to_internal_value(data)


class Query(Strict):
    """The parameters of an address. Each field's ``style["example"]`` is shown in the schema."""

    @classmethod
    def read(cls, given: QueryDict) -> dict[str, Any]:
        """Return the values of ``given``. Raises ValidationError that names each wrong one."""
        # A plain dict: in a QueryDict, DRF takes a parameter without a value for one not given.
        query = cls(data=cls.once(given))
        query.is_valid(raise_exception=True)
        found: dict[str, Any] = query.validated_data
        return found

    @staticmethod
    def once(given: QueryDict) -> dict[str, str]:
        """Return the texts of ``given``. Raises ValidationError that names what is there twice."""
        repeated = sorted(name for name, values in given.lists() if len(values) > 1)
        if repeated:
            message = ErrorDetail("This parameter is given more than once.", "repeated")
            raise ValidationError({name[:LONGEST_NAME]: [message] for name in repeated})
        return {name: str(value) for name, value in given.items()}


class Text(serializers.CharField):
    """Text as it was sent: spaces at the ends count. That it has no NUL is in the schema, too."""

    def __init__(self, **how: Any) -> None:
        super().__init__(trim_whitespace=False, **how)
        others = [v for v in self.validators if not isinstance(v, ProhibitNullCharactersValidator)]
        self.validators = [*others, WITHOUT_NUL]

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):  # a number would become its digits
            self.fail("invalid")
        return super().to_internal_value(data)


class Whole(serializers.IntegerField):
    """A whole number as digits. int() would also take "1_0", and DRF "1.0"."""

    def to_internal_value(self, data: Any) -> int:
        if isinstance(data, str) and not _WHOLE.fullmatch(data):
            self.fail("invalid")
        if not isinstance(data, str) and type(data) is not int:
            self.fail("invalid")
        return int(data)


class Moment(serializers.DateTimeField):
    """A time as RFC 3339 has it, with its offset: nobody has to guess a time zone."""

    default_error_messages = {
        "rfc3339": "Give date, time and offset as in 2026-11-22T16:28:00Z; a + is written %2B."
    }

    def to_internal_value(self, value: Any) -> datetime:
        if not (isinstance(value, str) and _MOMENT.fullmatch(value)):
            self.fail("rfc3339")
        try:
            moment = datetime.fromisoformat(value.upper())
            return min(max(moment, FIRST), LAST).astimezone(UTC)
        except ValueError:
            self.fail("rfc3339")


def moment_text(moment: datetime) -> str:
    """Return ``moment`` in UTC, with all six digits: "2026-11-22T16:28:00.000000Z"."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"
