"""Companies and households: whoever belongs to one, or decides in it, changes with it."""

from typing import TypeVar

from django.db import transaction

from crm import bell, marks
from crm.models import Company, Customer, Household
from crm.sales import REFRESH

Belonging = TypeVar("Belonging", Company, Household)


def save_group(*, group: Belonging) -> Belonging:
    """Keep a company or household, and mark its people, and who decides or decided in it."""
    model = type(group)
    with transaction.atomic():
        before = model._default_manager.filter(pk=group.pk).values_list("decision_maker_id", flat=True).first()
        group.save()
        _mark({*_people(group), before, group.decision_maker_id})
    return group


def delete_group(*, group: Company | Household) -> None:
    """Delete a company or household; its people stay."""
    with transaction.atomic():
        people = {*_people(group), group.decision_maker_id}
        group.delete()
        _mark(people)


def _people(group: Company | Household) -> list[int]:
    relation = "company" if isinstance(group, Company) else "household"
    return list(Customer.objects.filter((relation, group.pk)).values_list("pk", flat=True))


def _mark(people: set[int | None]) -> None:
    ids = {pk for pk in people if pk is not None}
    if len(ids) >= marks.MANY:
        marks.mark_all()
    elif ids:
        marks.mark_customers(customer_ids=ids)
    bell.ring_after_commit(REFRESH)
