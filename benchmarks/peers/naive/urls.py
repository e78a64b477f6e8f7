"""Where it is."""

from django.urls import path

from benchmarks.peers.naive.views import GenerateView

urlpatterns = [path("api/generate", GenerateView.as_view())]
