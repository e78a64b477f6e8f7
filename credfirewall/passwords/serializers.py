"""What the API takes and tells of passwords."""

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields
from typing import Any

from django.http import QueryDict
from django.views.decorators.debug import sensitive_variables
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, ValidationError

from credfirewall.api.serializers import Query, Strict, Text
from credfirewall.exceptions import SpecInvalid
from credfirewall.passwords import options
from credfirewall.passwords.generator import KINDS, MOST
from credfirewall.passwords.passphrase import FEWEST_WORDS, LONGEST_SEPARATOR, MOST_WORDS
from credfirewall.passwords.password import LONGEST, SHORTEST
from credfirewall.passwords.profiles import PROFILES
from credfirewall.passwords.services import Issued
from credfirewall.passwords.specs import DEFAULT_KIND, Spec, read
from credfirewall.passwords.violations import Evaluation
from credfirewall.screening.digest import MAX_CODE_POINTS
from credfirewall.screening.verdict import Status

LONGEST_NAME = 254
"""Of what somebody is called: what Django's own models take of an address."""


def _switch(text: str, *, initially: bool = False) -> serializers.BooleanField:
    return serializers.BooleanField(
        required=False, default=initially, help_text=text, style={"example": not initially}
    )


def _number(least: int, most: int, example: int, text: str) -> serializers.IntegerField:
    return serializers.IntegerField(
        required=False, min_value=least, max_value=most, help_text=text, style={"example": example}
    )


class SpecQuery(Query):
    """What to generate, for the schema. What is wrong with it is found by ``Spec``, which knows
    the options of each kind, and says so in the same way to Python and the command line."""

    kind = serializers.ChoiceField(
        choices=[each.kind for each in KINDS],
        default=DEFAULT_KIND,
        help_text="What to generate. Each kind has options of its own.",
        style={"example": "passphrase"},
    )
    length = _number(
        SHORTEST, LONGEST, 24, "Characters. 20 for a password, 6 for a pin, 40 for a pronounceable."
    )
    lowercase = _switch("Password: lower-case letters.", initially=True)
    uppercase = _switch("Password: upper-case letters.", initially=True)
    digits = _switch("Password: digits.", initially=True)
    special = _switch("Password: the 32 other visible characters of ASCII.", initially=True)
    exclude = serializers.CharField(  # any character, NUL as well
        required=False,
        allow_blank=True,
        max_length=options.MOST_EXCLUDED,
        help_text="Password, pin, pronounceable: characters to leave out.",
        style={"example": "<>&"},
    )
    exclude_ambiguous = _switch("Password: leave out what is easily taken for something else.")
    require_each = _switch("Password: at least one character of each class.")
    alphabet = Text(
        required=False,
        max_length=options.MOST_CHARACTERS,
        help_text="Password: the characters to draw from, in place of the classes.",
        style={"example": "0123456789abcdef"},
    )
    words = _number(FEWEST_WORDS, MOST_WORDS, 6, "Passphrase: words, 10 unless asked otherwise.")
    separator = Text(
        required=False,
        allow_blank=True,
        max_length=LONGEST_SEPARATOR,
        help_text="Passphrase: what stands between words, - unless asked otherwise.",
        style={"example": "."},
    )
    capitals = _switch("Passphrase: begin each word with a capital letter.")
    digit = _switch("Passphrase: append a digit to one of the words.")
    count = _number(1, MOST, 5, "How many. With it, the answer is a list, of one as well.")


def _option(name: str) -> dict[str, Any]:
    """Return the JSON Schema of an option."""
    field = SpecQuery().fields[name]
    described = {"description": str(field.help_text)}
    if isinstance(field, serializers.IntegerField):
        least, most = field.min_value, field.max_value
        return {"type": "integer", "minimum": least, "maximum": most, **described}
    if isinstance(field, serializers.CharField):
        shortest = {} if field.allow_blank else {"minLength": 1}
        return {"type": "string", **shortest, "maxLength": field.max_length, **described}
    return {"type": "boolean", "default": field.default, **described}


def _one_kind(kind: type[Spec], *, needs: str = "", without: Iterable[str] = ()) -> dict[str, Any]:
    """Return the JSON Schema of the options of a kind."""
    names = [each.name for each in fields(kind) if each.name not in set(without)]
    required = [needs] * bool(needs) + ["kind"] * (kind.kind != DEFAULT_KIND)
    return {
        "type": "object",
        "title": kind.kind,
        "properties": {
            "kind": {"type": "string", "enum": [kind.kind]},
            **{name: _option(name) for name in (*names, "count")},
        },
        **({"required": required} if required else {}),
        "additionalProperties": False,
    }


SPEC: Mapping[str, Any] = {
    "oneOf": [
        *(_one_kind(each, without=each.replaces) for each in KINDS),
        *(
            _one_kind(each, needs=name, without=others)
            for each in KINDS
            for name, others in each.replaces.items()
        ),
    ],
    "description": "What to generate: a kind, and options of that kind. An alphabet takes the "
    "place of the classes.",
}


def spec_of_query(given: QueryDict) -> tuple[Spec, int | None]:
    """Return the spec and the count in a query string. Raises ValidationError."""
    texts = Query.once(given)
    with _naming_the_field():
        count = _number_of(read("count", texts.pop("count"), int)) if "count" in texts else None
        return Spec.parse(texts), count


def spec_of_body(body: Any) -> tuple[Spec, int | None]:
    """Return the spec and the count in a JSON body. Raises ValidationError."""
    if not isinstance(body, dict):
        raise ValidationError("Send an object.")
    given = dict(body)
    with _naming_the_field():
        count = _number_of(given.pop("count")) if "count" in given else None
        return Spec.of(**given), count


def _number_of(count: Any) -> Any:
    options.number("count", count, 1, MOST)
    return count


@contextlib.contextmanager
def _naming_the_field() -> Iterator[None]:
    try:
        yield
    except SpecInvalid as error:
        raise ValidationError({error.field: [ErrorDetail(error.problem, error.code)]}) from None


VALUE = {
    "type": "object",
    "properties": {
        "password": {"type": "string", "description": "The value, which nobody keeps."},
        "kind": {"type": "string", "enum": [each.kind for each in KINDS]},
        "length": {"type": "integer", "description": "In code points."},
        "entropy_bits": {"type": "number", "description": "Of the spec, exactly counted."},
        "policy_checked": {
            "type": "boolean",
            "description": "Whether it was held against the policy. A pin is not: it is for a "
            "lock that stops guessing.",
        },
    },
    "required": ["password", "kind", "length", "entropy_bits", "policy_checked"],
}
VALUES = {
    "type": "object",
    "properties": {"passwords": {"type": "array", "items": VALUE}},
    "required": ["passwords"],
}
GENERATED = {"oneOf": [VALUE, VALUES], "description": "One value; with `count`, a list of them."}
GENERATED_EXAMPLE = {
    "password": "8~qv{TnX2e;Lw}Rz0Kd!",
    "kind": "password",
    "length": 20,
    "entropy_bits": 131.09,
    "policy_checked": True,
}


@sensitive_variables()
def generated_body(issued: Issued, count: int | None) -> dict[str, Any]:
    """Return what is answered: one value, or a list of them where a count was asked for."""
    values = [
        {
            "password": each.value,
            "kind": each.kind,
            "length": each.length,
            "entropy_bits": each.entropy_bits,
            "policy_checked": issued.policy_checked,
        }
        for each in issued.values
    ]
    return values[0] if count is None else {"passwords": values}


# Checking


class Typed(serializers.CharField):
    """What somebody typed. Whatever is wrong with it is the answer, and not an error."""

    def __init__(self, **how: Any) -> None:
        super().__init__(trim_whitespace=False, allow_blank=True, **how)
        self.validators = []

    @sensitive_variables()
    def run_validation(self, data: Any = serializers.empty) -> Any:
        if data is serializers.empty:
            self.fail("required")
        if not isinstance(data, str):
            self.fail("invalid")
        return data


class CheckBody(Strict):
    """A password, and whose it would be."""

    password = Typed(help_text="As it was typed. It is neither kept nor logged.")
    username = Text(
        required=False,
        allow_blank=True,
        max_length=LONGEST_NAME,
        help_text="What it must not be made of. No account is looked up.",
    )
    email = Text(
        required=False,
        allow_blank=True,
        max_length=LONGEST_NAME,
        help_text="What it must not be made of. No account is looked up.",
    )


class ViolationBody(serializers.Serializer[Any]):
    """A rule that the password breaks."""

    code = serializers.CharField(help_text="Stable, for programs.")
    message = serializers.CharField(help_text="A sentence for people, in their language.")


class BreachBody(serializers.Serializer[Any]):
    """What is known of it from breaches."""

    status = serializers.ChoiceField(choices=[each.value for each in Status])
    count = serializers.IntegerField(
        allow_null=True, help_text="How often it was seen; null where that is not counted."
    )
    source = serializers.CharField(  # type: ignore[assignment]  # a field, which DRF keeps apart
        allow_null=True, help_text="Who answered."
    )


class CheckedBody(serializers.Serializer[Any]):
    """What the policy says of a password."""

    acceptable = serializers.BooleanField()
    violations = ViolationBody(many=True)
    breach = BreachBody()


CHECK_EXAMPLE = {"password": "correct horse battery staple", "username": "ann"}
CHECKED_EXAMPLE = {
    "acceptable": False,
    "violations": [
        {
            "code": "password_breached",
            "message": "This password has appeared in a data breach.",
        }
    ],
    "breach": {"status": "breached", "count": 384, "source": "hibp"},
}


@sensitive_variables()
def checked_body(evaluation: Evaluation) -> dict[str, Any]:
    """Return what is answered of an evaluation."""
    verdict = evaluation.verdict
    return {
        "acceptable": evaluation.acceptable,
        "violations": [each._asdict() for each in evaluation.violations],
        "breach": {
            "status": verdict.status.value,
            "count": verdict.count,
            "source": verdict.source,
        },
    }


# The policy

POLICY: Mapping[str, Any] = {
    "type": "object",
    "properties": {
        "profile": {"type": "string", "enum": list(PROFILES)},
        "length": {
            "type": "object",
            "properties": {
                "minimum": {"type": "integer"},
                "maximum": {"type": "integer"},
                "unit": {"type": "string", "const": "code_points"},
            },
            "required": ["minimum", "maximum", "unit"],
        },
        "breach_screening": {
            "type": "boolean",
            "description": "Whether breached passwords are refused.",
        },
        "rules": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "code": {
                        "type": ["string", "null"],
                        "description": "Of the violation; null where it is not known.",
                    },
                    "text": {
                        "type": "string",
                        "description": "For people, in their language.",
                    },
                    "browser_check": {
                        "type": ["object", "null"],
                        "description": "What a page can check itself, by its kind: length, "
                        "contains, not_only_digits. Others may come: leave them to the server.",
                    },
                },
                "required": ["code", "text", "browser_check"],
            },
        },
    },
    "required": ["profile", "length", "breach_screening", "rules"],
}
POLICY_EXAMPLE = {
    "profile": "nist",
    "length": {"minimum": 15, "maximum": MAX_CODE_POINTS, "unit": "code_points"},
    "breach_screening": True,
    "rules": [
        {
            "code": "password_too_short",
            "text": "Your password must contain at least 15 characters.",
            "browser_check": {"kind": "length", "minimum": 15, "normalization": "NFC"},
        }
    ],
}
