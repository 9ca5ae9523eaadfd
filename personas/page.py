"""What personas add to a customer's page: whom they are like, and why."""

from django.utils.translation import gettext_lazy

from crm.page import parts


def register() -> None:
    parts.register(
        parts.Part(
            key="personas",
            title=gettext_lazy("Personas"),
            url_name="admin:personas_customer",
            permission="personas.view_persona",
            order=20,
        )
    )
