from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class SegmentsConfig(AppConfig):
    name = "segments"
    verbose_name = _("Who to talk to")

    def ready(self) -> None:
        from crm import tokens
        from segments import deeds, measures, page, person, ready_made

        measures.register_all()
        deeds.register_all()
        ready_made.register_all()
        person.register()
        page.register()
        tokens.register_part("segments", _("Segments"))
