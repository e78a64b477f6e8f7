"""Where the endpoints are that belong to no feature."""

from django.urls import path

from credfirewall.api.documents import DocsView, SchemaView
from credfirewall.api.views import HealthView

urlpatterns = [
    path("healthz", HealthView.as_view(), name=HealthView.endpoint),
    path("api/v1/schema", SchemaView.as_view(), name=SchemaView.endpoint),
    path("api/v1/docs", DocsView.as_view(), name=DocsView.endpoint),
]
