"""Who gets a campaign, and who does not and why.

The order is the one of the definitions: segments and personas -> reachable -> consent -> suppression -> one message an
address -> *then* the draw of who is held out. Preview and freeze run the same SQL, so that they can't disagree.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection, transaction
from django.utils.translation import gettext as _

from campaigns import wishes
from campaigns.channels import Door, door
from campaigns.models import Campaign, Delivery
from campaigns.suppression import REASON_OF_EVERY_ADDRESS, hash_params, hash_sql
from crm.days import shop_day
from crm.models import Purpose
from segments.compile import born_by
from segments.models import Segment

_DRAWS = 2**32

# A shared address goes to the one who bought last. The draw hashes seed and unit, so it stays the same for a unit.
_JUDGED = """
WITH suppressed AS MATERIALIZED ({suppressed}),
members AS (SELECT DISTINCT customer_id FROM segments_membership WHERE segment_id = ANY(%(segments)s)),
reached AS (
    SELECT c.id, c.{address} AS address, c.{key} AS address_key, lower(c.language) AS language, p.last_sold_on,
        CASE WHEN c.merged_into_id IS NOT NULL OR c.erased_at IS NOT NULL THEN 'not_live'
             WHEN c.birth_date > %(born_by)s AND c.guardian_agreed_on IS NULL THEN 'too_young'
             WHEN c.{key} = '' THEN 'no_address'
             WHEN NOT coalesce(p.{consent}, false) THEN 'no_consent'
             {against}
             ELSE coalesce(s.reason, '') END AS reason
    FROM members m
    JOIN crm_customer c ON c.id = m.customer_id
    LEFT JOIN crm_customerprofile p ON p.customer_id = c.id
    LEFT JOIN suppressed s ON s.address_hash = {hash}
),
ranked AS (
    SELECT *, CASE WHEN reason = '' THEN row_number() OVER (
        PARTITION BY reason, address_key ORDER BY last_sold_on DESC NULLS LAST, id) END AS place
    FROM reached
),
judged AS (
    SELECT id, address, address_key, language, CASE WHEN place > 1 THEN 'same_address' ELSE reason END AS reason,
        place = 1 AND {draw} < %(held_out_below)s AS is_held_out
    FROM ranked
),
fated AS (
    SELECT *, CASE WHEN reason <> '' THEN 'suppressed' WHEN is_held_out THEN 'held_out' ELSE 'pending' END AS status
    FROM judged
)
"""
_DRAW = "('x' || encode(substr(sha256(convert_to(%(seed)s || ':p' || id, 'UTF8')), 1, 4), 'hex'))::bit(32)::bigint"
_COUNT = "SELECT status, reason, count(*) FROM fated GROUP BY status, reason"
_FREEZE = """,
written AS (
    INSERT INTO campaigns_delivery (campaign_id, occurrence, unit, customer_id, channel, address, address_key,
        variant_id, status, reason, assigned_at)
    SELECT %(campaign)s, 'launch', 'p' || id, id, %(channel)s, address, address_key,
        CASE WHEN reason = '' THEN {variant} END, status, reason, %(now)s
    FROM fated ORDER BY id
    RETURNING status, reason
)
SELECT status, reason, count(*) FROM written GROUP BY status, reason
"""
"""Whoever falls away before the draw has no variant; whoever falls away at the claim keeps theirs, and their arm."""
_SAMPLE = "SELECT id FROM fated WHERE {where} ORDER BY sha256(convert_to(%(seed)s || id, 'UTF8')) LIMIT %(count)s"


@dataclass(frozen=True)
class Step:
    """A step of the waterfall: how many it takes away, and how many are left after it."""

    key: str
    label: str
    taken: int
    left: int


@dataclass(frozen=True)
class Audience:
    """How many are in the segments, how many fall away for which reason, and how many remain."""

    total: int
    suppressed: dict[str, int]
    held_out: int
    to_send: int

    @property
    def steps(self) -> list[Step]:
        """In the order of judging, steps that take nobody left out."""
        left, steps = self.total, []
        taken_by = [(reason.value, str(reason.label), self.suppressed.get(reason, 0)) for reason in _ORDER]
        for key, label, taken in [*taken_by, ("held_out", str(Delivery.Status.HELD_OUT.label), self.held_out)]:
            left -= taken
            if taken:
                steps.append(Step(key, label, taken, left))
        return steps


_ORDER = (
    Delivery.Reason.NOT_LIVE,
    Delivery.Reason.TOO_YOUNG,
    Delivery.Reason.NO_ADDRESS,
    Delivery.Reason.NO_CONSENT,
    Delivery.Reason.PAUSED,
    Delivery.Reason.TOPIC_DECLINED,
    Delivery.Reason.TOO_OFTEN,
    Delivery.Reason.ERASED,
    Delivery.Reason.COMPLAINED,
    Delivery.Reason.UNSUBSCRIBED,
    Delivery.Reason.BOUNCED,
    Delivery.Reason.SAME_ADDRESS,
)


def preview_audience(*, campaign: Campaign, now: datetime) -> Audience:
    """What :func:`freeze_audience` would write at this moment, from the memberships as they are. NoDoor, see there."""
    return _count(_sql(campaign) + _COUNT, _params(campaign, now))


def sample_audience(*, campaign: Campaign, step: str, now: datetime, count: int) -> list[int]:
    """Some customers at a step of the waterfall: "total", "to_send", "held_out" or a reason; the same ones each time.

    ValueError for an unknown step.
    """
    wheres = {"total": "true", "to_send": "status = 'pending'", "held_out": "status = 'held_out'"}
    where = wheres.get(step) or "reason = %(step)s"
    params = _params(campaign, now) | {"count": count, "step": step if step in wheres else Delivery.Reason(step)}
    with connection.cursor() as cursor:
        cursor.execute(_sql(campaign) + _SAMPLE.format(where=where), params)
        return [key for (key,) in cursor.fetchall()]


def freeze_audience(*, campaign: Campaign, now: datetime) -> Audience:
    """Write a delivery for everybody in the audience, whatever becomes of it, and the rules that chose them.

    Once for a campaign, in the launch's transaction; the segments have been refreshed before. NoDoor where nothing can
    be sent through the campaign's channel.
    """
    with transaction.atomic():
        campaign.rules_at_launch = [_rule(segment) for segment in audience_segments(campaign)]
        campaign.save(update_fields=["rules_at_launch"])
        return _count(_sql(campaign) + _FREEZE.format(variant=_variant_sql(campaign)), _params(campaign, now))


def audience_segments(campaign: Campaign) -> list[Segment]:
    """The campaign's segments and those of its personas."""
    chosen = Segment.objects.filter(campaigns=campaign) | Segment.objects.filter(persona__campaigns=campaign)
    return list(chosen.distinct().order_by("id"))


def segment_problems(segments: Iterable[Segment]) -> list[str]:
    """Why the members of these segments can't be trusted, in sentences."""
    found = []
    follows_rule = (Segment.Kind.DYNAMIC, Segment.Kind.PERSONA)
    for segment in segments:
        values = {"name": segment.name}
        if segment.is_archived:
            found.append(_("“%(name)s” is archived.") % values)
        elif segment.last_error:
            found.append(_("The rule of “%(name)s” is broken: %(error)s") % {**values, "error": segment.last_error})
        elif segment.kind in follows_rule and segment.refreshed_version != segment.rule_version:
            found.append(_("The members of “%(name)s” have not been found yet.") % values)
    return found


def _rule(segment: Segment) -> dict[str, Any]:
    return {
        "segment": segment.pk,
        "name": segment.name,
        "kind": segment.kind,
        "rule": segment.rule,
        "rule_version": segment.rule_version,
        "refreshed_at": segment.refreshed_at.isoformat() if segment.refreshed_at else None,
        "members": segment.members_count,
    }


def _sql(campaign: Campaign) -> str:
    way: Door = door(campaign.channel)
    return _JUDGED.format(
        suppressed=REASON_OF_EVERY_ADDRESS,
        address=way.address_column,
        key=way.key_column,
        consent=way.consent_column,
        against=wishes.against(campaign),
        hash=hash_sql(f"c.{way.key_column}"),
        draw=_DRAW if campaign.holdout_percent else _DRAWS,
    )


def _params(campaign: Campaign, now: datetime) -> dict[str, Any]:
    return {
        **hash_params(),
        **wishes.params(campaign, now),
        # Whoever is born later is a child; without a limit, and for what is no promotion, nobody is.
        "born_by": born_by(shop_day(now)) if campaign.purpose == Purpose.MARKETING else None,
        "campaign": campaign.pk,
        "channel": campaign.channel,
        "segments": [segment.pk for segment in audience_segments(campaign)],
        "seed": campaign.seed,
        "held_out_below": campaign.holdout_percent * _DRAWS // 100,
    }


def _variant_sql(campaign: Campaign) -> str:
    """SQL that gives each customer the message in their language, else the one for everybody else."""
    variants = list(campaign.variants.order_by("letter", "language", "id"))
    variants = [variant for variant in variants if variant.letter == variants[0].letter]
    other = next((variant for variant in variants if not variant.language), variants[0])
    by_language = {variant.language.lower(): int(variant.pk) for variant in variants if variant.language}
    whens = [(expression, tag, pk) for expression in _LANGUAGE for tag, pk in by_language.items()]
    if not whens:
        return str(int(other.pk))
    cases = " ".join(f"WHEN {expression} = {_quoted(tag)} THEN {pk}" for expression, tag, pk in whens)
    return f"CASE {cases} ELSE {int(other.pk)} END"


_LANGUAGE = ("language", "split_part(translate(language, '_', '-'), '-', 1)")


def _quoted(tag: str) -> str:
    return "'" + tag.replace("'", "''").replace("%", "%%") + "'"


def _count(sql: str, params: dict[str, Any]) -> Audience:
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        rows = cursor.fetchall()
    by_status: Counter[str] = Counter()
    for status, _reason, count in rows:
        by_status[status] += count
    return Audience(
        total=sum(by_status.values()),
        suppressed={reason: count for status, reason, count in sorted(rows) if status == "suppressed"},
        held_out=by_status["held_out"],
        to_send=by_status["pending"],
    )
