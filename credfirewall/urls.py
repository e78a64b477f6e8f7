"""Every endpoint: ``path("", include("credfirewall.urls"))`` in a project's own urls."""

from django.urls import path

from credfirewall.api import urls as api
from credfirewall.api.metrics import MetricsView
from credfirewall.audit.views import EventsView
from credfirewall.passwords.views import CheckView, GenerateView, PolicyView

app_name = "credfirewall"
urlpatterns = [
    *api.urlpatterns,
    path("metrics", MetricsView.as_view(), name=MetricsView.endpoint),
    path("api/v1/passwords/generate", GenerateView.as_view(), name=GenerateView.endpoint),
    path("api/v1/passwords/check", CheckView.as_view(), name=CheckView.endpoint),
    path("api/v1/passwords/policy", PolicyView.as_view(), name=PolicyView.endpoint),
    path("api/v1/audit/events", EventsView.as_view(), name=EventsView.endpoint),
]
