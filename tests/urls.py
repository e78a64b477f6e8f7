"""The admin, which is what Django itself brings for setting a password."""

from django.contrib import admin
from django.urls import path

urlpatterns = [path("admin/", admin.site.urls)]
