"""Answers to surveys. Facts: each leaves a mark, and of several to one question the newest counts."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.text import slugify
from django.utils.translation import gettext as _

from crm import bell, holds, marks
from crm.models import Answer, Customer, Question, Survey
from crm.sales import MAX_AHEAD, REFRESH

LONGEST = 1_000
"""Characters of an answer."""


@dataclass(frozen=True, kw_only=True)
class Said:
    """What somebody answered. ``key`` is of the client's making: the same one is one answer."""

    key: uuid.UUID
    customer: Customer
    survey: Survey
    question: Question
    value: str
    answered_at: datetime


class AnswerClash(ValidationError):
    """The client's key already stands for another answer."""


def record_answers(*, answers: Sequence[Said], now: datetime) -> list[tuple[Answer, bool]]:
    """Write these answers down together; each with whether it is new.

    The same ``key`` with the same content returns the first; with other content it raises :class:`AnswerClash`, and
    nothing is written. Raises ValidationError for an answer without words, or of the future.
    """
    for one in answers:
        if one.answered_at > now + MAX_AHEAD:
            raise ValidationError(_("The time lies in the future. Check the clock."))
        if not one.value.strip() or len(one.value) > LONGEST:
            raise ValidationError(_("An answer has from 1 to %(most)d characters.") % {"most": LONGEST})
    keys = [one.key for one in answers]
    with transaction.atomic():
        live = holds.hold_roots(customer_ids=sorted({one.customer.pk for one in answers}))
        known = set(Answer.objects.filter(client_key__in=keys).values_list("client_key", flat=True))
        rows = [_row(one, live[one.customer.pk]) for one in answers]
        Answer.objects.bulk_create(rows, ignore_conflicts=True)
        kept = {answer.client_key: answer for answer in Answer.objects.filter(client_key__in=keys)}
        if any(_content(kept[row.client_key]) != _content(row) for row in rows):
            raise AnswerClash(_("This key stands for another answer already."))
        if new := {row.customer_id for row in rows if row.client_key not in known}:
            marks.mark_customers(customer_ids=new)
            bell.ring_after_commit(REFRESH)
    return [(kept[key], key not in known) for key in keys]


def _row(said: Said, customer_id: int) -> Answer:
    return Answer(
        client_key=said.key,
        customer_id=customer_id,
        survey=said.survey,
        question=said.question,
        value=said.value.strip(),
        answered_at=said.answered_at,
    )


def _content(answer: Answer) -> tuple[object, ...]:
    return answer.customer_id, answer.survey_id, answer.question_id, answer.value, answer.answered_at


def key_of(text: str) -> str:
    """The key of a question that a file asks in words: "Favourite season?" is ``favourite-season``."""
    return slugify(text.strip(), allow_unicode=True)[:100].strip("-_")


def save_question(*, question: Question) -> Question:
    """Keep a question. Where its privacy changes, every segment is evaluated anew."""
    with transaction.atomic():
        before = Question.objects.filter(pk=question.pk).values_list("privacy", flat=True).first()
        question.save()
        if before not in (None, question.privacy):
            marks.mark_all()
            bell.ring_after_commit("segments.tasks.refresh_due")
    return question
