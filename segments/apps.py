from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class SegmentsConfig(AppConfig):
    name = "segments"
    verbose_name = _("Who to talk to")

    def ready(self) -> None:
        from crm import attributes, tokens
        from segments import belonging, deeds, jobs, knowledge_tabs, measures, page, person, ready_made
        from segments.clusters import attribute as cluster
        from segments.insight import outcomes

        measures.register_all()
        deeds.register_all()
        belonging.register_all()
        ready_made.register_all()
        attributes.register(cluster.CLUSTER)
        person.register()
        page.register()
        outcomes.register_all()
        jobs.register_all()
        knowledge_tabs.register("admin:segments_clusters", _("Clusters"), order=30)
        knowledge_tabs.register("admin:segments_insight", _("Insight"), order=40)
        knowledge_tabs.register("admin:segments_affinity", _("Bought together"), order=50)
        tokens.register_part("segments", _("Segments"))
