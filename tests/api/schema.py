"""Writes credfirewall/api/openapi.json anew: ``python -m tests.api.schema``."""

import os

import django


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    django.setup()
    from credfirewall.api.schema import FILE, build
    from credfirewall.urls import urlpatterns

    FILE.write_text(build(urlpatterns), encoding="utf-8")


if __name__ == "__main__":
    main()
