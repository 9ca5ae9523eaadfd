"""Making clusters as a job: read the figures, fit, keep the model, mark whoever moved."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np
from django.db import connection, transaction
from django.db.models import QuerySet
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from crm import bell, marks
from crm.attributes import Scope
from crm.days import shop_day
from crm.jobs import JobFailed, Work
from crm.models import Customer
from crm.past import end_of
from segments.arrays import blocks
from segments.clusters import features as features_
from segments.clusters.attribute import current, nearest
from segments.clusters.features import Feature
from segments.clusters.fitting import Fit, Floats, fit, matched, new_names
from segments.compile import live_customers
from segments.domain import REFRESH
from segments.models import Cluster, ClusterModel
from segments.rules import RuleError

LEAST_CUSTOMERS = 50
KEPT_MODELS = 30
_BOUNDS = "SELECT min(id), max(id) FROM crm_customer"
_LOCK = 0x5E6C1


def run_clusters(work: Work, *, chosen: Sequence[Feature], count: int | None, now: datetime) -> None:
    """Make the model anew, in one transaction with the marks of whoever it moves."""
    day = shop_day(now) - timedelta(days=1)  # whole days: what is sold today counts from tomorrow on
    work.progress(0, 4, _("Reading what customers do"))
    try:
        figures = read(chosen, day=day)
    except RuleError as error:
        raise JobFailed(str(error)) from error
    if len(figures) < LEAST_CUSTOMERS:
        raise JobFailed(
            ngettext(
                "Only %(count)d customer who bought has all of these figures. It takes %(least)d at least.",
                "Only %(count)d customers who bought have all of these figures. It takes %(least)d at least.",
                len(figures),
            )
            % {"count": len(figures), "least": LEAST_CUSTOMERS}
        )
    work.progress(1, 4, _("Finding who is alike"))
    found = fit(figures, count=count)
    work.progress(2, 4, _("Keeping what was found"))
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
        before = current()
        ClusterModel.objects.filter(is_current=True).update(is_current=False)
        model = _keep(found, figures, chosen, before, day=day, count=count, now=now)
        work.progress(3, 4, _("Seeing who moved"))
        moved = mark_moved(before, model)
        old = ClusterModel.objects.filter(is_current=False).order_by("-made_at", "-pk")
        ClusterModel.objects.filter(pk__in=list(old.values_list("pk", flat=True)[KEPT_MODELS:])).delete()
        work.settle(_result(model, moved), now=now)
        bell.ring_after_commit(REFRESH)


def read(chosen: Sequence[Feature], *, day: date) -> Floats:
    """The figures of everybody who bought and of whom all of them are known: customers by features."""
    found = features_.figures(chosen, Scope(now=end_of(day), today=day))
    sql, params = found.query.sql_with_params()
    names = [f"figure_{place}" for place in range(len(chosen))]
    parts = [
        np.stack(block, axis=1).astype(np.float64)
        for block in blocks(
            f"FROM ({sql}) AS known (id, {', '.join(names)}) WHERE known.id {{block}}",
            columns=[f"coalesce({name}, 'NaN')" for name in names],
            params=params,
            bounds=_BOUNDS,
        )
    ]
    figures = np.concatenate(parts) if parts else np.empty((0, len(chosen)))
    return figures[~np.isnan(figures).any(axis=1)]


def _keep(
    found: Fit,
    figures: Floats,
    chosen: Sequence[Feature],
    before: ClusterModel | None,
    *,
    day: date,
    count: int | None,
    now: datetime,
) -> ClusterModel:
    scaled = [
        Feature(one.name, one.filters, float(mean), float(spread))
        for one, mean, spread in zip(chosen, found.mean, found.spread, strict=True)
    ]
    model = ClusterModel.objects.create(
        made_at=now,
        measured_on=day,
        features=[one.as_data() for one in scaled],
        asked_count=count,
        customers=len(figures),
        silhouettes={str(number): share for number, share in found.silhouettes.items()},
    )
    names = matched(_on_new_scale(before, scaled), found.centres)
    fresh = new_names(set(Cluster.objects.values_list("name", flat=True)))
    everybody = np.median(figures, axis=0)
    # The largest gets the first of the new names.
    sizes = np.bincount(found.labels, minlength=len(found.centres))
    for row in np.argsort(-sizes, kind="stable"):
        inside = found.labels == row
        if not inside.any():
            continue
        Cluster.objects.create(
            model=model,
            name=names.get(int(row)) or next(fresh),
            centre=[float(one) for one in found.centres[row]],
            members=int(inside.sum()),
            data={
                "medians": [float(one) for one in np.median(figures[inside], axis=0)],
                "everybody": [float(one) for one in everybody],
                "is_new": int(row) not in names,
            },
        )
    return model


def _on_new_scale(before: ClusterModel | None, scaled: Sequence[Feature]) -> dict[str, list[float]]:
    """The centres of the model before, where it compared the same figures."""
    if before is None:
        return {}
    known = {one.key: (place, one) for place, one in enumerate(map(features_.read, before.features))}
    if set(known) != {one.key for one in scaled}:
        return {}

    def on_new(centre: Sequence[float], new: Feature) -> float:
        place, old = known[new.key]
        return (centre[place] * old.spread + old.mean - new.mean) / new.spread

    return {cluster.name: [on_new(cluster.centre, one) for one in scaled] for cluster in before.clusters.all()}


def mark_moved(before: ClusterModel | None, after: ClusterModel) -> int:
    """Mark the customers whose cluster is another one now, so that segments see it. Returns how many moved."""
    moved = _moved(before, after)
    if moved is None or (number := moved.count()) > marks.MANY:
        marks.mark_all()
        return after.customers if moved is None else number
    marks.mark_customers(customer_ids=moved.values_list("pk", flat=True))
    return number


def _moved(before: ClusterModel | None, after: ClusterModel) -> "QuerySet[Customer] | None":
    """None where the old model can't be read any more."""
    now_in = nearest(after)
    try:
        was_in = nearest(before) if before is not None else None
    except RuleError:
        return None
    everybody = live_customers().filter(features_.ONLY_BUYERS).order_by().annotate(now_in=now_in)
    if was_in is None:
        return everybody.filter(now_in__isnull=False)
    return everybody.annotate(was_in=was_in).filter(features_.differs("was_in", "now_in"))


def _result(model: ClusterModel, moved: int) -> dict[str, Any]:
    number = model.clusters.count()
    message = ngettext("%(count)d cluster of customers.", "%(count)d clusters of customers.", number) % {
        "count": number
    }
    return {"message": message, "moved": moved, "page": reverse("admin:segments_clusters")}
