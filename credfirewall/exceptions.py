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


class AuditRefused(CredfirewallError):  # noqa: N818 - an outcome, named as one
    """The log was not purged or sealed; the message says why, and what to do."""

    code = "audit_refused"
