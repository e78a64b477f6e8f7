"""The log over HTTP."""

from collections.abc import Mapping
from typing import ClassVar

from django.db import router
from rest_framework.request import Request
from rest_framework.response import Response

from credfirewall.api.operations import Operation
from credfirewall.api.problems import AUDIT_UNAVAILABLE
from credfirewall.api.views import ApiView
from credfirewall.audit import filters
from credfirewall.audit.events import AuditRead, Code
from credfirewall.audit.identities import Names
from credfirewall.audit.models import AuditIdentity
from credfirewall.audit.serializers import EXAMPLE, AuditPage, EventQuery, page_body
from credfirewall.audit.services import record


class EventsView(ApiView):
    endpoint = "audit-events"
    scope = "audit"
    key_scope = "audit:read"
    permission = "credfirewall.view_auditevent"
    staff_only = True
    own_pages_only = True
    operations: ClassVar[Mapping[str, Operation]] = {
        "get": Operation(
            AuditPage,
            "A page of events, newest first.",
            example=EXAMPLE,
            query=EventQuery,
            problems=(AUDIT_UNAVAILABLE,),
        )
    }

    def get(self, request: Request) -> Response:
        """Read the audit log.

        Filters narrow each other. Each reading is itself recorded.
        """
        query = EventQuery.read(request.query_params)
        limit, cursor = query.pop("limit"), query.pop("cursor", None)
        page = filters.page(query, limit, cursor)
        names = Names.of(page.rows, router.db_for_read(AuditIdentity))
        body = page_body(page.rows, names, page.next)
        given = tuple(Code(name) for name in sorted(query))
        record(AuditRead(view=Code("api"), filters=given), request=request)
        return Response(body)
