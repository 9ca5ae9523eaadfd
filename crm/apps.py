from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class CrmConfig(AppConfig):
    name = "crm"
    verbose_name = _("Records")

    def ready(self) -> None:
        from crm import checks as checks  # registered by being imported
        from crm import customer_attributes

        customer_attributes.register_all()
