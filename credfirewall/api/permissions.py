"""Who may call an endpoint. What cannot be told from it is a refusal (ASVS 8.2.1)."""

from typing import Any

from rest_framework.permissions import BasePermission
from rest_framework.request import Request


class Allowed(BasePermission):
    """Asks for what the view says: ``public``, ``permission``, ``staff_only``, else for a session.

    ``permission`` is one of Django's, such as "credfirewall.view_auditevent".
    """

    def has_permission(self, request: Request, view: Any) -> bool:
        if view.public:
            return True
        user: Any = request.user  # None, where the host's REST_FRAMEWORK wants that
        if user is None or not user.is_authenticated:
            return False
        if view.staff_only and not getattr(user, "is_staff", False):
            return False
        return not view.permission or bool(user.has_perm(view.permission))
