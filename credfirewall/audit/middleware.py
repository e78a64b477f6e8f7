"""Tells the log who acts in a request, and has it write what a rolled-back transaction took."""

from collections.abc import Awaitable, Callable
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction, sync_to_async
from django.http import HttpRequest, HttpResponseBase

from credfirewall.audit import origin, services
from credfirewall.audit.origin import Origin

Response = HttpResponseBase


class AuditMiddleware:
    """Put it after AuthenticationMiddleware.

    Without it events that are recorded deep in a request, by a validator say, know their subject
    but neither actor nor address.
    """

    sync_capable = async_capable = True

    def __init__(
        self, get_response: Callable[[HttpRequest], Response | Awaitable[Response]]
    ) -> None:
        self._get_response: Any = get_response
        self._is_async = iscoroutinefunction(get_response)
        if self._is_async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> Response | Awaitable[Response]:
        if self._is_async:
            return self._acall(request)
        with origin.acting(Origin.of_request(request)):
            try:
                response: Response = self._get_response(request)
            finally:
                services.flush()
        return response

    async def _acall(self, request: HttpRequest) -> Response:
        with origin.acting(Origin.of_request(request)) as where:
            try:
                response: Response = await self._get_response(request)
            finally:  # also when the client went away, which cancels this
                if where.pending:
                    await sync_to_async(services.flush)()
        return response
