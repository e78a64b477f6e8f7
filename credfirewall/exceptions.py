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
