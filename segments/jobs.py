"""Analyses as jobs. What they need to reckon is loaded when one runs, not when the program starts."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth.models import User
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from crm.days import shop_day
from crm.jobs import Work, job, start_job
from crm.models import Job
from segments.models import AffinityRun, ClusterModel

INSIGHT, AFFINITY, CLUSTERS = "insight", "affinity", "clusters"


def insight(work: Work) -> None:
    from segments.insight.run import run_insight

    run_insight(work, now=timezone.now())


def start_insight(*, by: User | None) -> Job:
    """Look at all attributes and segments, unless that is being done."""
    return going_on(INSIGHT) or start_job(kind=INSIGHT, title=_("Insight into attributes and segments"), by=by)


def affinity(work: Work) -> None:
    from segments.affinity.run import run_affinity

    run_affinity(work, unit=work.params["unit"], now=timezone.now())


def start_affinity(*, unit: str, by: User | None) -> Job:
    """Find what is bought together (``unit``: basket or customer), unless that is being done."""
    title = {
        AffinityRun.Unit.BASKET: _("What is bought together in one purchase"),
        AffinityRun.Unit.CUSTOMER: _("What is bought by the same customers"),
    }[AffinityRun.Unit(unit)]
    return going_on(AFFINITY, unit=unit) or start_job(kind=AFFINITY, title=title, by=by, unit=unit)


def clusters(work: Work) -> None:
    from segments.clusters.features import read
    from segments.clusters.run import run_clusters

    chosen = [read(one) for one in work.params["features"]]
    run_clusters(work, chosen=chosen, count=work.params["count"], now=timezone.now())


def start_clusters(*, features: Sequence[Mapping[str, Any]], count: int | None, by: User | None) -> Job:
    """Make clusters by these features (as data), unless that is being done."""
    title = _("Clusters of customers")
    return going_on(CLUSTERS) or start_job(kind=CLUSTERS, title=title, by=by, features=list(features), count=count)


def remake_clusters(*, now: datetime) -> Job | None:
    """Once on each of the shop's days: the same clusters from what has happened since. None where there is no need."""
    model = ClusterModel.objects.filter(is_current=True).first()
    if model is None or model.measured_on >= shop_day(now) - timedelta(days=1):
        return None
    failed = last_failure(CLUSTERS)
    if failed is not None and failed.finished_at and shop_day(failed.finished_at) == shop_day(now):
        return None  # it would fail again; tomorrow is another day
    plain = [{name: one[name] for name in ("attribute", "filters")} for one in model.features]
    return start_clusters(features=plain, count=model.asked_count, by=None)


def going_on(kind: str, **params: Any) -> Job | None:
    """The job of this kind that waits or runs."""
    wanted = {f"params__{name}": value for name, value in params.items()}
    waiting = Job.objects.filter(kind=kind, status__in=[Job.Status.QUEUED, Job.Status.RUNNING], **wanted)
    return waiting.order_by("pk").first()


def last_failure(kind: str, **params: Any) -> Job | None:
    """The last job of this kind, where it failed."""
    wanted = {f"params__{name}": value for name, value in params.items()}
    last = Job.objects.filter(kind=kind, **wanted).order_by("-pk").first()
    return last if last is not None and last.status == Job.Status.FAILED else None


def register_all() -> None:
    job(INSIGHT, label=gettext_lazy("Insight"))(insight)
    job(CLUSTERS, label=gettext_lazy("Clusters"))(clusters)
    job(AFFINITY, label=gettext_lazy("Bought together"))(affinity)
