from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class CampaignsConfig(AppConfig):
    name = "campaigns"
    verbose_name = _("What to say")

    def ready(self) -> None:
        from campaigns import attributes, insight_outcomes, page, person

        attributes.register_all()
        person.register()
        page.register()
        insight_outcomes.register_all()
