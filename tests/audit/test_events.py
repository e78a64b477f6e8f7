"""The closed list of events: nowhere in it is a place for text that somebody typed."""

import dataclasses
import json
import re
from typing import Any, get_args, get_origin, get_type_hints

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.utils.functional import SimpleLazyObject

from credfirewall.audit import events
from credfirewall.audit.events import (
    ANONYMOUS,
    EVENTS,
    NOBODY,
    Code,
    Event,
    LimitHit,
    Outcome,
    Party,
    PasswordGenerated,
    PolicyChecked,
    ScreeningRefused,
)
from credfirewall.audit.models import AuditEvent
from dev import ROOT

SAMPLES: dict[Any, Any] = {Code: Code("some-code"), int: 3, float: 1.5, bool: True}
FIELDS = [(name, field) for name in EVENTS for field in get_type_hints(EVENTS[name])
          if field in EVENTS[name].__dataclass_fields__]  # fmt: skip
TEXT = "correct horse battery staple"
NO_DETAILS = [
    TEXT, "hibp", b"hibp", ["hibp"], ("hibp",), {"a": 1}, {Code("a")}, object(), 1j, (1,),
    (Code("a"),) * 33, type("Sub", (Code,), {})("a"), type("Big", (int,), {})(3),
]  # fmt: skip


def sample(kind: type[Event], **changes: Any) -> Event:
    """One of ``kind``, with its first fitting values."""
    types = get_type_hints(kind)
    given = {}
    for field in dataclasses.fields(kind):
        wanted = types[field.name]
        is_tuple = get_origin(wanted) is tuple
        given[field.name] = (Code("a"),) if is_tuple else SAMPLES[(*get_args(wanted), wanted)[0]]
    return kind(**{**given, **changes})


class TestTheList:
    def test_nobody_adds_to_it(self) -> None:
        with pytest.raises(TypeError, match="closed"):
            type("Mine", (Event,), {})
        with pytest.raises(TypeError, match="closed"):
            type("Mine", (LimitHit,), {})
        with pytest.raises(TypeError):
            EVENTS["mine"] = LimitHit  # type: ignore[index]  # the point
        assert "mine" not in EVENTS

    def test_the_base_is_no_event(self) -> None:
        with pytest.raises(TypeError):
            Event()

    def test_it_is_documented_with_outcomes_and_details(self) -> None:
        page = (ROOT / "docs/audit.md").read_text(encoding="utf-8")
        said: dict[str, str] = {}
        for line in re.findall(r"^\| `.*$", page, re.MULTILINE):
            names, outcomes, details = line.strip("|").split("|")
            for name in re.findall(r"`(\w+)`", names):
                said[name] = outcomes
                if name in ("audit_read", "delivery_created") or name.startswith("delivery"):
                    continue
                assert EVENTS[name].outcome in outcomes, name
                for detail in re.findall(r"`(\w+)`", details):
                    kinds = [EVENTS[each] for each in re.findall(r"`(\w+)`", names)]
                    assert any(detail in kind.__dataclass_fields__ for kind in kinds), detail
        assert set(said) == set(EVENTS)

    @pytest.mark.parametrize("name", EVENTS)
    def test_an_event_is_frozen_and_says_what_it_is(self, name: str) -> None:
        event = sample(EVENTS[name])
        assert event.name == name and len(name) <= 48
        assert event.outcome in Outcome
        assert type(event).__doc__
        assert event == sample(EVENTS[name])
        for field in [*event.details(), "another"]:
            with pytest.raises(dataclasses.FrozenInstanceError):
                setattr(event, field, Code("x"))

    @pytest.mark.parametrize("name", EVENTS)
    def test_it_takes_its_fields_by_name_and_no_others(self, name: str) -> None:
        with pytest.raises(TypeError):
            sample(EVENTS[name], note="anything")
        with pytest.raises(TypeError):
            EVENTS[name](Code("x"))  # type: ignore[call-arg]  # the point

    def test_what_must_not_happen_unrecorded_is_vital(self) -> None:
        vital = {name for name, kind in EVENTS.items() if kind.vital}
        deliveries = {name for name in EVENTS if name.startswith("delivery_")}
        assert vital == deliveries | {
            "api_key_created", "api_key_rotated", "api_key_revoked",
            "key_rotated", "audit_exported", "audit_purged", "audit_erased",
        }  # fmt: skip


class TestDetails:
    @pytest.mark.parametrize(("name", "field"), FIELDS)
    def test_text_and_other_types_fit_nowhere(self, name: str, field: str) -> None:
        for value in NO_DETAILS:
            with pytest.raises(TypeError, match=field):
                sample(EVENTS[name], **{field: value})

    @pytest.mark.parametrize("value", [True, 1.0, None])
    def test_a_number_is_no_truth_value_and_the_reverse(self, value: object) -> None:
        with pytest.raises(TypeError):
            PasswordGenerated(kind=Code("words"), count=value, length=3, entropy_bits=1.0)  # type: ignore[arg-type]  # the point
        with pytest.raises(TypeError):
            PolicyChecked(acceptable=1, violations=(), breach=Code("clean"))  # type: ignore[arg-type]  # the point

    @pytest.mark.parametrize("bits", [float("nan"), float("inf"), -float("inf"), 1e300])
    def test_a_number_has_a_form_in_json_and_no_room_for_text(self, bits: float) -> None:
        with pytest.raises(ValueError, match="entropy_bits"):
            PasswordGenerated(kind=Code("words"), count=1, length=3, entropy_bits=bits)

    @pytest.mark.parametrize("sign", [1, -1])
    def test_text_does_not_fit_as_a_number(self, sign: int) -> None:
        with pytest.raises(ValueError, match="count"):
            ScreeningRefused(source=Code("hibp"), count=sign * int.from_bytes(TEXT.encode()))

    def test_a_count_may_be_unknown_where_that_is_said(self) -> None:
        assert ScreeningRefused(source=Code("blocklist"), count=None).details()["count"] is None

    def test_an_error_does_not_quote_the_value(self) -> None:
        with pytest.raises(TypeError) as caught:
            LimitHit(rate=TEXT)  # type: ignore[arg-type]  # the point
        assert TEXT not in str(caught.value)

    def test_there_is_one_form_of_them(self) -> None:
        event = PolicyChecked(
            breach=Code("clean"), violations=(Code("b"), Code("a")), acceptable=False
        )
        assert event.canonical_details() == (
            '{"acceptable":false,"breach":"clean","violations":["b","a"]}'
        )

    @pytest.mark.parametrize("name", EVENTS)
    def test_it_is_ascii_and_reads_back(self, name: str) -> None:
        event = sample(EVENTS[name])
        text = event.canonical_details()
        assert text.isascii()
        plain = {key: list(v) if isinstance(v, tuple) else v for key, v in event.details().items()}
        assert json.loads(text) == plain


class TestCodes:
    @pytest.mark.parametrize("text", ["a", "A1", "hibp", "my.app:Source-2", "x" * 64, "9_"])
    def test_names_of_code(self, text: str) -> None:
        assert Code(text) == Code.of(text) == text

    @pytest.mark.parametrize(
        "text",
        [
            "",
            " ",
            "two words",
            "x" * 65,
            "a\n",
            "\na",
            "-a",
            ".a",
            "ä",
            "a/b",
            "a@b",
            "a\0",
            "é",
            "٣",
        ],
        ids=ascii,
    )
    def test_anything_else_is_other(self, text: str) -> None:
        with pytest.raises(ValueError, match="not a code") as caught:
            Code(text)
        assert not text.strip() or text not in str(caught.value) or len(text) == 1
        assert Code.of(text) == "other"

    def test_a_code_of_what_is_no_text(self) -> None:
        assert Code.of(None) == "None"
        assert Code.of(object()) == "other"
        assert type(Code.of("hibp")) is Code


class TestParties:
    def test_of_nobody(self) -> None:
        assert Party.of(None) == Party.of(AnonymousUser()) == ANONYMOUS
        assert Party.of(NOBODY) is NOBODY

    def test_of_a_user(self) -> None:
        assert Party.of(User(pk=5, username="dana")) == Party("user", "5", "dana")
        assert Party.of(SimpleLazyObject(lambda: User(pk=5, username="dana"))).id == "5"

    def test_of_who_is_just_signing_up_keeps_no_name(self) -> None:
        assert Party.of(User(username="dana")) == Party("user")

    def test_of_a_command(self) -> None:
        assert Party.command("seal_audit") == Party("command", "seal_audit")
        with pytest.raises(ValueError, match="not a code"):
            Party.command("two words")

    @pytest.mark.parametrize("kind", ["User", "two words", "x" * 17, "a\n", "1", "_a"])
    def test_its_kind_is_a_word(self, kind: str) -> None:
        with pytest.raises(ValueError, match="kind of party"):
            Party(kind)

    def test_its_text_fits_the_table_and_a_line(self) -> None:
        party = Party("user", "7\n" * 100, "da\0na\n" * 100)
        assert len(party.id) == AuditEvent._meta.get_field("actor_id").max_length == 64
        assert len(party.text) == 254
        assert not {"\0", "\n"} & {*party.id, *party.text}
        assert Party.of(User(pk=1, username="x\u2028" * 200)).text.count("\u2028") == 0


def test_the_module_is_pure() -> None:
    source = (ROOT / "credfirewall/audit/events.py").read_text(encoding="utf-8")
    assert "django" not in source
    assert events.__doc__
