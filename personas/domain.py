"""What can be done with a persona. Its segment, made and kept here, is the machine that matches customers to it."""

from datetime import datetime

from django.contrib.auth.models import User
from django.db import transaction

from personas.models import Persona
from segments import domain as segments
from segments.domain import RuleLike
from segments.models import Segment


@transaction.atomic
def create_persona(*, persona: Persona, rule: RuleLike, by: User | None) -> Persona:
    """Save a new persona with a segment of its own; its members are there as soon as a worker has looked.

    Raises RuleError where the rule cannot be read.
    """
    persona.segment = segments.create_segment(name=persona.name, rule=rule, by=by, kind=Segment.Kind.PERSONA)
    persona.created_by = by
    persona.save()
    return persona


@transaction.atomic
def update_persona(*, persona: Persona, rule: RuleLike, by: User | None, now: datetime) -> Persona:
    """Save what was changed: the segment follows in name and rule, and is put away or taken up with the persona.

    Raises RuleError where the rule cannot be read.
    """
    persona.save()
    segment = Segment.objects.select_for_update().get(pk=persona.segment_id)
    if segment.name != persona.name:
        segment = segments.rename(segment=segment, name=persona.name, description=segment.description, now=now)
    segment = segments.change_rule(segment=segment, rule=rule, by=by, now=now)
    if segment.is_archived and persona.is_active:
        segments.restore(segment=segment, now=now)
    elif not segment.is_archived and not persona.is_active:
        segments.archive(segment=segment, now=now)
    persona.segment = segment
    return persona
