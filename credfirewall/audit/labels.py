"""What people call the events, outcomes and parties of the log."""

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from credfirewall.audit.identities import Name

Text = str | Promise

EVENTS: dict[str, Text] = {
    "screening_refused": _("Breached password refused"),
    "screening_unknown": _("Password not screened"),
    "screening_degraded": _("Source stopped answering"),
    "screening_recovered": _("Source answers again"),
    "password_generated": _("Password generated"),
    "policy_checked": _("Password held against the policy"),
    "delivery_created": _("Delivery created"),
    "delivery_redeemed": _("Delivery redeemed"),
    "delivery_refused": _("Delivery refused"),
    "delivery_reused": _("Used link presented again"),
    "delivery_expired": _("Delivery expired"),
    "delivery_revoked": _("Delivery revoked"),
    "delivery_reissued": _("Delivery reissued"),
    "delivery_reported": _("Delivery reported"),
    "exposure_found": _("Exposure found"),
    "exposure_resolved": _("Exposure resolved"),
    "login_refused": _("Sign-in refused"),
    "limit_hit": _("Limit hit"),
    "api_key_created": _("API key made"),
    "api_key_rotated": _("API key rotated"),
    "api_key_revoked": _("API key revoked"),
    "access_denied": _("Access denied"),
    "key_rotated": _("Key rotated"),
    "configuration_changed": _("Configuration changed"),
    "audit_read": _("Audit log read"),
    "audit_exported": _("Audit log exported"),
    "audit_purged": _("Audit log purged"),
    "audit_erased": _("Names erased from the audit log"),
    "audit_verified": _("Audit log verified"),
}
OUTCOMES: dict[str, Text] = {
    "success": pgettext_lazy("outcome", "Success"),
    "refused": pgettext_lazy("outcome", "Refused"),
    "failed": pgettext_lazy("outcome", "Failed"),
    "notice": pgettext_lazy("outcome", "Notice"),
}
KINDS: dict[str, Text] = {
    "user": _("user"),
    "command": _("command"),
    "api_key": _("API key"),
    "anonymous": _("anonymous"),
    "event": _("event"),
    "typed": _("unknown name"),
    "blocked_word": _("blocked word"),
}
SOURCES: dict[str, Text] = {
    "blocklist": _("Own words"),
    "bundled": _("Bundled list"),
    "hibp": _("Have I Been Pwned"),
    "corpus": _("Offline corpus"),
}


def event(name: str) -> Text:
    """Return the label of an event; one that a later or former version knew keeps its name."""
    return EVENTS.get(name) or name.replace("_", " ").capitalize()


def outcome(name: str) -> Text:
    return OUTCOMES.get(name) or name


def source(name: str) -> Text:
    return SOURCES.get(name) or name


def missing(name: Name) -> Text:
    """Return why a name is not shown; nothing where one is, or where none was recorded."""
    if name.changed:
        return _("name changed")
    return _("name erased") if name.erased else ""


def party(kind: str, identity: str, text: str = "") -> str:
    """Return how a party is shown: "dana (user 5)", "user 5", "command seal_audit"."""
    if not kind:
        return ""
    known = " ".join(filter(None, (str(KINDS.get(kind) or kind), identity)))
    return f"{text} ({known})" if text else known
