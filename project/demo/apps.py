"""The demo as an app: its commands, static files and pages."""

from django.apps import AppConfig

from credfirewall.signals import source_degraded


class DemoConfig(AppConfig):
    name = "project.demo"
    verbose_name = "Demo site"

    def ready(self) -> None:
        from project.demo import screening

        source_degraded.connect(screening.remember, dispatch_uid="project.demo.screening.remember")
