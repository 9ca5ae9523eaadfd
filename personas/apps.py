from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class PersonasConfig(AppConfig):
    name = "personas"
    verbose_name = _("Who to talk to")

    def ready(self) -> None:
        from personas import belonging, page

        belonging.register_all()
        page.register()
