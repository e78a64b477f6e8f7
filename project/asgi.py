"""The ASGI application, with the settings of production unless told otherwise."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.production")

application = get_asgi_application()
