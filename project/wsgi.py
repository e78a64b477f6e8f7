"""The WSGI application, with the settings of production unless told otherwise."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.production")

application = get_wsgi_application()
