"""The analysis as a job: read the past, read what came after it, compare, keep what was found."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np
from django.db import DatabaseError, connection, transaction
from django.db.models import Min, QuerySet
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from crm import past
from crm.days import shop_day
from crm.jobs import JobFailed, Work
from crm.models import Company, Customer, Household, Receipt
from crm.retention import personal_models
from segments.compile import customers
from segments.insight import reading
from segments.insight.analysis import Column, analyse, compare
from segments.insight.effects import Codes, Floats
from segments.insight.findings import Finding, Verdict
from segments.insight.outcomes import Outcome, outcomes
from segments.insight.reading import Question
from segments.models import AttributeInsight, InsightRun, Membership, Segment, SegmentInsight
from segments.rules import RuleError

DAYS = 90
"""How long outcomes are watched, and as long again before that to see whether it was so then too."""
LEAST_DAYS = 28
SAMPLE = 20_000
LEAST_CUSTOMERS = 100
KEPT_RUNS = 12
HAVE_NO_DATE = (Customer, Household, Company)
"""Tables that say what simply is: read as they are now."""


@dataclass(frozen=True)
class Span:
    """Attributes at the end of ``measured_on``, outcomes from the next day to ``until_on``."""

    measured_on: date
    until_on: date

    @property
    def since_on(self) -> date:
        return self.measured_on + timedelta(days=1)


@dataclass(frozen=True)
class Read:
    """What one span says about the sampled customers, in their order."""

    values: dict[str, list[Any]]
    members: dict[int, Codes]
    outcomes: dict[str, Floats]


def spans(*, today: date) -> list[Span]:
    """The latest span of outcomes, and the one before it where there is history enough. Raises JobFailed."""
    first = Receipt.objects.filter(customer__isnull=False).aggregate(first=Min("sold_on"))["first"]
    history = (today - first).days if first else 0
    days = min(DAYS, history // 2)
    if days < LEAST_DAYS:
        raise JobFailed(
            ngettext(
                "There is %(days)d day of purchases by known customers. Insight compares what was known with what "
                "came after it, and needs two months at least.",
                "There are %(days)d days of purchases by known customers. Insight compares what was known with what "
                "came after it, and needs two months at least.",
                history,
            )
            % {"days": history}
        )
    measured = today - timedelta(days=days)
    latest = Span(measured, today)
    before = Span(measured - timedelta(days=days), measured)
    return [latest, before] if history >= 2 * days + LEAST_DAYS else [latest]


def run_insight(work: Work, *, now: datetime) -> None:
    """Look at everything and keep what was found; harmless when done twice, for only its end is kept."""
    looked_at = spans(today=shop_day(now))
    ids, total = reading.sample(day=looked_at[-1].measured_on, size=SAMPLE)
    if len(ids) < LEAST_CUSTOMERS:
        raise JobFailed(
            ngettext(
                "Only %(count)d customer was known on that day. Insight needs %(least)d at least.",
                "Only %(count)d customers were known on that day. Insight needs %(least)d at least.",
                len(ids),
            )
            % {"count": len(ids), "least": LEAST_CUSTOMERS}
        )
    asked = reading.questions()
    notes = {one.name: "relative" for one in reading.relative()}
    steps = len(looked_at) * (len(asked) + 2) + 2
    found = []
    for place, span in enumerate(looked_at):
        found.append(_read(work, span, ids, asked, notes, (place * (len(asked) + 2), steps)))
    work.progress(steps - 2, steps, _("Comparing"))
    earlier = found[1] if len(found) > 1 else None
    kinds = {question.key: question.attribute.type for question in asked}
    columns = {
        key: Column(kinds[key], values, earlier.values.get(key) if earlier else None)
        for key, values in found[0].values.items()
    }
    attributes = analyse(columns, found[0].outcomes, earlier=earlier.outcomes if earlier else None)
    segments = compare({str(pk): codes for pk, codes in found[0].members.items()}, found[0].outcomes)
    work.progress(steps - 1, steps, _("Keeping what was found"))
    with transaction.atomic():
        kept = InsightRun.objects.create(
            made_at=now,
            measured_on=looked_at[0].measured_on,
            until_on=looked_at[0].until_on,
            customers=total,
            sampled=len(ids),
            outcomes=list(found[0].outcomes),
            data={"left_out": notes, "has_earlier": earlier is not None},
        )
        _keep(kept, asked, attributes, {int(pk): finding for pk, finding in segments.items()})
        old = InsightRun.objects.order_by("-made_at", "-pk").values("pk")[KEPT_RUNS:]
        InsightRun.objects.filter(pk__in=list(old.values_list("pk", flat=True))).delete()
        work.settle(_result(attributes), now=now)


def _read(
    work: Work, span: Span, ids: Sequence[int], asked: Sequence[Question], notes: dict[str, str], at: tuple[int, int]
) -> Read:
    """Everything about one span. What can't be read is noted and left out."""
    done, steps = at
    work.progress(done, steps, _("Going back to %(day)s") % {"day": span.measured_on})
    values: dict[str, list[Any]] = {}
    with past.as_of(day=span.measured_on, customer_ids=ids) as scope:
        for number, question in enumerate(asked):
            work.progress(done + 1 + number, steps, str(question.attribute.label))
            try:
                with transaction.atomic():
                    if _reads_the_present(reading.query(question, now=scope.now)):
                        notes[question.key] = "undated"
                    else:
                        values[question.key] = reading.values(question, customer_ids=ids, now=scope.now)
            except (RuleError, DatabaseError):
                notes[question.key] = "unreadable"
        members = _members(ids, now=scope.now)
    work.progress(done + len(asked) + 1, steps, _("What came after it"))
    return Read(values, members, {one.name: _outcome(one, ids, span) for one in outcomes()})


def _outcome(outcome: Outcome, ids: Sequence[int], span: Span) -> Floats:
    found = outcome.read(ids, span.since_on, span.until_on)
    otherwise = float("nan") if outcome.otherwise is None else outcome.otherwise
    return np.array([found.get(pk, otherwise) for pk in ids], dtype=np.float64)


def _members(ids: Sequence[int], *, now: datetime) -> dict[int, Codes]:
    """Whom each segment's rule would have chosen then; of picked and frozen ones, who was in already."""
    places = {pk: place for place, pk in enumerate(ids)}
    found: dict[int, Codes] = {}
    for segment in Segment.objects.filter(is_archived=False):
        try:
            with transaction.atomic():
                inside: QuerySet[Any, Any]
                if segment.kind in (Segment.Kind.DYNAMIC, Segment.Kind.PERSONA):
                    inside = customers(rule=segment.rule, now=now).order_by().values_list("pk", flat=True)
                    if _reads_the_present(inside):
                        continue
                else:
                    inside = Membership.objects.filter(segment=segment, entered_at__lte=now).values_list(
                        "customer", flat=True
                    )
                codes = np.zeros(len(ids), dtype=np.int64)
                codes[[places[pk] for pk in inside if pk in places]] = 1
        except (RuleError, DatabaseError):
            continue
        if 0 < codes.sum() < len(ids):
            found[segment.pk] = codes
    return found


def _reads_the_present(asked: "QuerySet[Any, Any]") -> bool:
    """Whether it is read from a table of which no past is known: that would let the future in."""
    undated = {
        model._meta.db_table
        for model in personal_models()
        if model not in HAVE_NO_DATE and model._meta.label not in past.registered()
    }
    sql, params = asked.query.sql_with_params()
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (FORMAT JSON) {sql}", params)
        plan = cursor.fetchone()[0]
    return bool(_tables(json.loads(plan) if isinstance(plan, str) else plan) & undated)


def _tables(plan: Any) -> set[str]:
    """Every table that a plan reads."""
    if isinstance(plan, list):
        return set().union(*(_tables(one) for one in plan))
    if isinstance(plan, dict):
        below = set().union(*(_tables(one) for one in plan.values()))
        return below | ({plan["Relation Name"]} if "Relation Name" in plan else set())
    return set()


def _keep(
    run: InsightRun, asked: Sequence[Question], attributes: dict[str, Finding], segments: dict[int, Finding]
) -> None:
    by_key = {question.key: question for question in asked}
    ranked = sorted(attributes, key=lambda key: (attributes[key].order, key))
    AttributeInsight.objects.bulk_create(
        AttributeInsight(
            run=run,
            key=key,
            attribute=by_key[key].attribute.name,
            filters={str(name): value for name, value in by_key[key].filters.items()},
            rank=rank,
            data=attributes[key].as_data(),
        )
        for rank, key in enumerate(ranked, 1)
    )
    still_there = set(Segment.objects.filter(pk__in=segments).values_list("pk", flat=True))
    best = sorted(segments.keys() & still_there, key=lambda pk: (segments[pk].order, pk))
    SegmentInsight.objects.bulk_create(
        SegmentInsight(run=run, segment_id=pk, rank=rank, data=segments[pk].as_data())
        for rank, pk in enumerate(best, 1)
    )


def _result(attributes: dict[str, Finding]) -> dict[str, Any]:
    worth = sum(finding.verdict == Verdict.YES for finding in attributes.values())
    message = ngettext(
        "%(worth)d of %(all)d attributes is worth segmenting on.",
        "%(worth)d of %(all)d attributes are worth segmenting on.",
        worth,
    )
    return {
        "message": message % {"worth": worth, "all": len(attributes)},
        "page": reverse("admin:segments_insight"),
    }
