from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class CrmConfig(AppConfig):
    name = "crm"
    verbose_name = _("Records")

    def ready(self) -> None:
        from crm import checks as checks  # registered by being imported
        from crm import (
            custom_fields,
            customer_attributes,
            files,
            import_jobs,
            jobs,
            outbox,
            past,
            privacy_jobs,
            receipts,
            tokens,
        )
        from crm.exporting import run as exporting
        from crm.models import ReceiptMail, ServiceMail
        from crm.page import events

        customer_attributes.register_all()
        custom_fields.register()
        outbox.register(ReceiptMail, lambda mail: receipts.receipt_message(receipt=mail.receipt, to=mail.email))
        outbox.register(ServiceMail, lambda mail: outbox.service_message(mail=mail))
        tokens.register_part("customers", _("Customers"))
        tokens.register_part("consents", _("Consents"))
        tokens.register_part("loyalty", _("Loyalty"))
        tokens.register_part("products", _("Products"))
        tokens.register_part("receipts", _("Receipts"))
        tokens.register_part("activity", _("Wishlists, reviews and visits"))
        tokens.register_part("surveys", _("Surveys and answers"))
        tokens.register_part("invoices", _("Sales on account"))
        events.register_all()
        past.register_all()
        files.make_room_for_uploads()
        jobs.job("export", label=_("Export"), may_take=exporting.may_take)(exporting.run_export)
        jobs.job("import", label=_("Import"), may_take=import_jobs.may_take)(import_jobs.run_import)
        jobs.job("import-check", label=_("Dry run"), may_take=import_jobs.may_take)(import_jobs.run_check)
        jobs.job("copy", label=_("Copy of a customer's data"))(privacy_jobs.make_copy)
        jobs.job("erase", label=_("Erasure"))(privacy_jobs.erase)
