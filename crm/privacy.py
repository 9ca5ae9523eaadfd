"""Who may be grouped by what: special categories need a consent of their own; what is sensitive is not for all eyes.

Whatever reads attributes of many customers (rules, insight, evidence) asks :func:`needed`; whatever shows one to
somebody asks :func:`may_see`.
"""

from collections.abc import Mapping
from typing import Any

from django.contrib.auth.models import AnonymousUser, User
from django.db.models import Exists, OuterRef, Q
from django.db.models.functions import Coalesce

from crm.attributes import Attribute, Filter, Privacy, Scope
from crm.models import Consent, Customer, Purpose, Question

SEES_SENSITIVE = "crm.view_customer"
"""Who may look at customers in the back office; shop staff at the till may not."""


def needed(attribute: Attribute, *, filters: Mapping[Filter, Any], scope: Scope) -> Q | None:
    """The condition that a customer must meet so that the attribute may be asked of them, whatever the question.

    None where anybody may be asked. It holds for the negation of a condition as well: "not of this belief" tells as
    much of somebody as "of this belief".
    """
    if attribute.privacy == Privacy.SPECIAL:
        return consented(scope)
    if attribute.argument == Filter.QUESTION:
        question = scope.references[Filter.QUESTION, filters[Filter.QUESTION]]
        is_special = Exists(Question.objects.filter(pk=question, privacy=Question.Privacy.SPECIAL))
        return Q(~is_special) | consented(scope)
    return None


def consented(scope: Scope) -> Q:
    """Customers whose newest statement allows the use of sensitive data, one on a record that went up in theirs too."""
    said = Consent.objects.order_by().filter(purpose=Purpose.SENSITIVE)
    said = said.annotate(person=Coalesce("customer__merged_into_id", "customer_id"))
    later = Q(stated_at__gt=OuterRef("stated_at")) | Q(stated_at=OuterRef("stated_at"), pk__gt=OuterRef("pk"))
    again = said.filter(later, person=OuterRef("person"))
    granted = said.filter(~Exists(again), granted=True)
    if scope.ids is not None:
        theirs = Q(pk__in=list(scope.ids)) | Q(merged_into__in=list(scope.ids))
        granted = granted.filter(customer__in=Customer.objects.order_by().filter(theirs).values("pk"))
    return Q(pk__in=granted.values("person"))


def may_see(user: User | AnonymousUser, attribute: Attribute) -> bool:
    """Whether the attribute's values may be shown to this person."""
    return attribute.privacy == Privacy.ORDINARY or user.has_perm(SEES_SENSITIVE)
