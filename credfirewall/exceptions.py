"""One exception per outcome. Each carries a stable ``code``; no message ever holds a secret."""


class CredfirewallError(Exception):
    """Base of every error that credfirewall raises on purpose."""

    code = "error"


class UnusablePassword(CredfirewallError, ValueError):  # noqa: N818 - an outcome, named as one
    """The value cannot be a password here: nothing was looked up."""

    code = "password_unusable"


class PasswordNotText(UnusablePassword):
    """The value has no UTF-8 form (a lone surrogate), so it cannot be hashed or compared."""

    code = "password_not_text"


class PasswordTooLong(UnusablePassword):
    """The value is longer than the 4096 code points that are accepted."""

    code = "password_too_long"


class SourceUnavailable(CredfirewallError):  # noqa: N818 - an outcome, named as one
    """A source could not answer. ``reason`` is a short stable word, never data from the request."""

    code = "source_unavailable"

    def __init__(self, reason: str, *, retry_after: float | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.retry_after = retry_after
        """Seconds that the source asked us to stay away, when it did."""


class AuditIsAppendOnly(CredfirewallError, TypeError):  # noqa: N818 - an outcome, named as one
    """Rows of the audit log are recorded, and purged when they are old; nothing else."""

    code = "audit_append_only"

    def __init__(self) -> None:
        super().__init__("audit events are recorded with credfirewall.audit.record() and then stay")


class AuditUnavailable(CredfirewallError):  # noqa: N818 - an outcome, named as one
    """An event could not be recorded, and must not happen unrecorded. It is in the log handler."""

    code = "audit_unavailable"


class ScopeUnknown(CredfirewallError, ValueError):  # noqa: N818 - an outcome, named as one
    """There is no such scope that an API key could have."""

    code = "scope_unknown"

    def __init__(self, name: str, known: tuple[str, ...]) -> None:
        super().__init__(f"there is no scope {name[:64]!r}; there are: {', '.join(known)}")


class KeyNotUsable(CredfirewallError):  # noqa: N818 - an outcome, named as one
    """The API key cannot be rotated; the message says why, and what to do."""

    code = "key_not_usable"


class AuditRefused(CredfirewallError):  # noqa: N818 - an outcome, named as one
    """The log was not purged or sealed; the message says why, and what to do."""

    code = "audit_refused"


class SpecInvalid(CredfirewallError, ValueError):  # noqa: N818 - an outcome, named as one
    """What was asked for cannot be generated. Each way in which it cannot is a class of its own.

    ``field`` names the option, ``problem`` says what is wrong with it; ``params`` holds what a
    message of one's own would say of it.
    """

    code = "spec_invalid"

    def __init__(self, field: str, problem: str, **params: object) -> None:
        super().__init__(f"{field}: {problem}")
        self.field, self.problem = field, problem
        self.params = params


class OptionUnknown(SpecInvalid):
    """No kind of value has an option of this name."""

    code = "option_unknown"


class OptionNotForKind(SpecInvalid):
    """The option belongs to another kind of value."""

    code = "option_not_for_kind"


class OptionConflict(SpecInvalid):
    """The option contradicts another one that was given."""

    code = "option_conflict"


class OptionWrongType(SpecInvalid):
    """The option is not the number, the truth value or the text that it has to be."""

    code = "option_wrong_type"


class OptionOutOfRange(SpecInvalid):
    """The number, or the length of the text, is not within ``least`` and ``most``."""

    code = "option_out_of_range"


class OptionNotAChoice(SpecInvalid):
    """The option is none of ``choices``."""

    code = "option_not_a_choice"


class NothingToDrawFrom(SpecInvalid):
    """No character is left that the value could consist of."""

    code = "nothing_to_draw_from"


class ClassExcluded(SpecInvalid):
    """One of each class is required, and nothing is left of one of them."""

    code = "class_excluded"


class CharacterRepeated(SpecInvalid):
    """An alphabet names a character twice, which would make it come twice as often."""

    code = "character_repeated"


class CharacterUnusable(SpecInvalid):
    """A character is not visible, or would combine with its neighbours into another one."""

    code = "character_unusable"


class RandomnessFailed(CredfirewallError):  # noqa: N818 - an outcome, named as one
    """The source of randomness cannot be one: what it gives was refused again and again."""

    code = "randomness_failed"


class PolicyUnsatisfiable(CredfirewallError, ValueError):  # noqa: N818 - an outcome, named as one
    """What is drawn from a spec was refused by the project's validators again and again.

    ``codes`` are those of the rules that it broke.
    """

    code = "policy_unsatisfiable"

    def __init__(self, codes: tuple[str, ...]) -> None:
        broken = ", ".join(codes) or "its own specification"
        super().__init__(f"what is generated like this breaks the policy: {broken}")
        self.codes = codes
