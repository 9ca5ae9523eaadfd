"""What the pages of insight show."""

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from crm.attributes import lookup
from segments.insight import findings, wording
from segments.insight.findings import Finding, Verdict
from segments.insight.outcomes import Outcome, outcomes
from segments.insight.wording import Subject
from segments.models import AttributeInsight, InsightRun, SegmentInsight
from segments.tree import Node

PLOTTED = 12


def latest() -> InsightRun | None:
    return InsightRun.objects.order_by("-made_at", "-pk").first()


def overview(run: InsightRun) -> dict[str, Any]:
    """All attributes and segments, ranked; a fixed number of queries."""
    known = _outcomes(run)
    labels = {one.name: one.label for one in known}
    rows = []
    for kept in run.attributes.order_by("rank"):
        subject = wording.subject(kept.attribute, kept.filters)
        if subject is not None:
            rows.append(_row(kept, subject, findings.read(kept.data), labels, known))
    worth = sum(row["verdict"] == Verdict.YES for row in rows)
    headline = ngettext(
        "%(worth)d of %(all)d attributes is worth segmenting on.",
        "%(worth)d of %(all)d attributes are worth segmenting on.",
        worth,
    ) % {"worth": worth, "all": len(rows)}
    segments = run.segments.select_related("segment").order_by("rank")
    return {
        "run": run,
        "outcomes": known,
        "rows": rows,
        "headline": headline,
        "chart": _ranking(rows),
        "segment_rows": [_segment_row(kept, known) for kept in segments],
        "left_out": _left_out(run),
    }


def _outcomes(run: InsightRun) -> list[Outcome]:
    return [one for one in outcomes() if one.name in run.outcomes]


def _row(
    kept: AttributeInsight, subject: Subject, finding: Finding, labels: Mapping[str, Any], known: list[Outcome]
) -> dict[str, Any]:
    word, tone = wording.short_verdict(finding)
    best = finding.outcomes.get(finding.best)
    return {
        "id": kept.pk,
        "label": subject.label,
        "known": finding.known,
        "evenness": finding.evenness,
        "verdict": finding.verdict,
        "word": word,
        "tone": tone,
        "sentence": wording.verdict(subject, finding, labels),
        "share": max(0.0, best.share) if best else 0.0,
        "cells": [_cell(finding, one) for one in known],
    }


def _cell(finding: Finding, outcome: Outcome) -> dict[str, Any]:
    """How much of one outcome it explains."""
    label = _("Explains of %(outcome)s") % {"outcome": outcome.label}
    one = finding.outcomes.get(outcome.name)
    if one is None:
        return {"label": label, "interval": "–", "is_sure": False}
    return {"label": label, "interval": wording.interval(one), "is_sure": one.is_sure}


def _ranking(rows: list[dict[str, Any]]) -> dict[str, Any] | None:
    shown = [row for row in rows if row["verdict"] in (Verdict.YES, Verdict.LITTLE)][:PLOTTED]
    if not shown:
        return None
    return {
        "id": "insight",
        "label": _("Share of the differences that goes with an attribute, in what it tells most about"),
        "kind": "bars",
        "unit": "percent",
        "categories": [row["label"] for row in shown],
        "series": [{"name": _("Explains"), "values": [round(row["share"], 4) for row in shown], "tone": "accent"}],
        "height": 60 + 30 * len(shown),
    }


def _segment_row(kept: SegmentInsight, known: list[Outcome]) -> dict[str, Any]:
    finding = findings.read(kept.data)
    parts = {part.group["kind"]: part for part in finding.parts}
    members, others = parts["members"], parts["others"]
    word, tone = wording.short_verdict(finding)
    return {
        "segment": kept.segment,
        "share": members.share,
        "word": word,
        "tone": tone,
        "figures": [
            {
                "label": one.average,
                "members": wording.figure(members.averages.get(one.name), one.unit),
                "others": wording.figure(others.averages.get(one.name), one.unit),
                "is_sure": one.name in finding.outcomes and finding.outcomes[one.name].is_sure,
            }
            for one in known
        ],
    }


def _left_out(run: InsightRun) -> list[dict[str, Any]]:
    """What could not be looked at, and why."""
    reasons = {
        "undated": _("what is kept of it does not say how it was in the past"),
        "unreadable": _("it could not be read"),
        "relative": _("it is made with what is known today; look at what it is made of"),
    }
    found = []
    for key, reason in run.data.get("left_out", {}).items():
        attribute = lookup(key.partition(":")[0])
        if attribute is not None:
            found.append({"label": attribute.label, "why": reasons.get(reason, reason)})
    return found


def attribute_page(kept: AttributeInsight) -> dict[str, Any] | None:
    """Everything about one attribute; None where it is no longer in the catalogue."""
    subject = wording.subject(kept.attribute, kept.filters)
    if subject is None:
        return None
    finding, known = findings.read(kept.data), _outcomes(kept.run)
    labels = {one.name: one.label for one in known}
    return {
        "run": kept.run,
        "kept": kept,
        "label": subject.label,
        "help": subject.attribute.help,
        "finding": finding,
        "sentence": wording.verdict(subject, finding, labels),
        "outcomes": known,
        "explained": [
            {"outcome": one, "interval": wording.interval(finding.outcomes[one.name]), **_stability(finding, one.name)}
            for one in known
            if one.name in finding.outcomes
        ],
        "parts": [
            {
                "number": number,
                "label": wording.group_label(part, subject),
                "customers": part.customers,
                "share": part.share,
                "cells": [
                    {"label": one.average, "shown": wording.figure(part.averages.get(one.name), one.unit)}
                    for one in known
                ],
                "can_become_segment": wording.rule(part.group, subject) is not None,
            }
            for number, part in enumerate(finding.parts)
        ],
        "distribution": _distribution(finding, subject),
        "averages_chart": _averages(finding, subject, known),
    }


def _stability(finding: Finding, name: str) -> dict[str, Any]:
    one = finding.outcomes[name]
    return {
        "is_sure": one.is_sure,
        "customers": one.customers,
        "earlier": None if one.earlier is None else max(0.0, one.earlier),
        "holds": one.holds if one.is_sure else None,
    }


def _distribution(finding: Finding, subject: Subject) -> dict[str, Any] | None:
    if not finding.bars:
        return None
    is_scale = "low" in finding.bars[0]
    return {
        "id": "distribution",
        "label": _("Customers by %(what)s") % {"what": subject.attribute.label},
        "kind": "bar" if is_scale else "bars",
        "unit": "count",
        "categories": [wording.bar_label(bar, subject.attribute) for bar in finding.bars],
        "series": [{"name": _("Customers"), "values": [bar["customers"] for bar in finding.bars], "tone": "accent"}],
        "height": 260 if is_scale else 60 + 28 * len(finding.bars),
    }


def _averages(finding: Finding, subject: Subject, known: list[Outcome]) -> dict[str, Any] | None:
    """The groups' averages in what the attribute tells most about."""
    outcome = next((one for one in known if one.name == finding.best), None)
    if outcome is None or len(finding.parts) < 2:
        return None
    found = [part.averages.get(outcome.name) for part in finding.parts]
    values = [None if one is None else round(one, 4) for one in found]
    return {
        "id": "averages",
        "label": str(outcome.average),
        "kind": "bars",
        "unit": outcome.unit if outcome.unit in ("money", "percent") else "count",
        "categories": [wording.group_label(part, subject) for part in finding.parts],
        "series": [{"name": str(outcome.average), "values": values, "tone": "accent"}],
        "height": 60 + 34 * len(values),
    }


def proposed(kept: AttributeInsight, number: int) -> tuple[str, Node] | None:
    """The name and rule of a segment that one of the groups would be; None where it can't be one."""
    subject = wording.subject(kept.attribute, kept.filters)
    parts = findings.read(kept.data).parts
    if subject is None or not 0 <= number < len(parts):
        return None
    node = wording.rule(parts[number].group, subject)
    if node is None:
        return None
    return f"{subject.label}: {wording.group_label(parts[number], subject)}", node
