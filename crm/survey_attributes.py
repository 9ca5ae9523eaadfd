"""What customers answered in surveys, as something that rules can ask: ``answer("favourite-season") = "winter"``."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import Exists, OuterRef, Q, QuerySet, Subquery
from django.utils.translation import gettext_lazy as _

from crm.attributes import Attribute, Filter, Group, Predicate, Scope, Type, compare
from crm.models import Answer
from crm.sources import Timeless


def newest_answers(question_id: int) -> "QuerySet[Answer]":
    """Each customer's newest answer to the question."""
    later = Q(answered_at__gt=OuterRef("answered_at")) | Q(answered_at=OuterRef("answered_at"), pk__gt=OuterRef("pk"))
    again = Answer.objects.order_by().filter(later, question=OuterRef("question"), customer=OuterRef("customer"))
    return Answer.objects.order_by().filter(~Exists(again), question=question_id)


@dataclass(frozen=True)
class Answered(Timeless):
    """The newest answer to a question; unknown where there is none."""

    def matches(self, *, scope: Scope, filters: Mapping[Filter, Any], operator: str, value: Any) -> Predicate:
        question = self._question(scope, filters)
        if operator in ("known", "unknown"):
            any_answer = Exists(Answer.objects.filter(question=question, customer=OuterRef("pk")))
            return any_answer if operator == "known" else ~any_answer
        answers = newest_answers(question).filter(_test(operator, value))
        return Exists(answers.filter(customer=OuterRef("pk")))

    def value(self, *, scope: Scope, filters: Mapping[Filter, Any]) -> Subquery:
        answers = Answer.objects.filter(question=self._question(scope, filters), customer=OuterRef("pk"))
        return Subquery(answers.order_by("-answered_at", "-pk").values("value")[:1])

    def _question(self, scope: Scope, filters: Mapping[Filter, Any]) -> int:
        return scope.references[Filter.QUESTION, filters[Filter.QUESTION]]


def _test(operator: str, value: Any) -> Q:
    match operator:
        case "starts with":
            return Q(value__istartswith=value)
        case "contains":
            return Q(value__icontains=value)
    return compare("value", operator, value)


ANSWER = Attribute(
    name="answer",
    label=_("answer to a survey"),
    help=_("The newest answer to the question counts."),
    group=Group.PSYCHOGRAPHIC,
    type=Type.TEXT,
    source=Answered(),
    argument=Filter.QUESTION,
    offers_values=True,
)
