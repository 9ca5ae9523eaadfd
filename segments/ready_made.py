"""Ready-made knowledge about what customers are worth: its attributes, its job and its pages."""

from django.utils.translation import gettext_lazy as _

from segments import knowledge_tabs, regulars, score_attributes, value_attributes, value_job


def register_all() -> None:
    score_attributes.register_all()
    regulars.register_all()
    value_attributes.register_all()
    value_job.register_all()
    knowledge_tabs.register("admin:segments_rfm", _("RFM"), order=10)
    knowledge_tabs.register("admin:segments_stages", _("Lifecycle"), order=20)
    knowledge_tabs.register("admin:segments_regulars", _("Regular buyers"), order=25)
    knowledge_tabs.register("admin:segments_value", _("Expected value"), order=28)
