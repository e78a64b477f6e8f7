"""Every endpoint: ``path("", include("credfirewall.urls"))`` in a project's own urls."""

from django.urls import path

from credfirewall.api import urls as api
from credfirewall.api.metrics import MetricsView
from credfirewall.audit.views import EventsView

app_name = "credfirewall"
urlpatterns = [
    *api.urlpatterns,
    path("metrics", MetricsView.as_view(), name=MetricsView.endpoint),
    path("api/v1/audit/events", EventsView.as_view(), name=EventsView.endpoint),
]
