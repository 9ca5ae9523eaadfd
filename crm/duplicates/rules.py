"""Rules by which two records are sure enough to be merged by themselves: only those that an administrator turned on."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from crm import merging
from crm.duplicates.comparing import SAME
from crm.models import DuplicatePair, Merge, Shop


@dataclass(frozen=True)
class Rule:
    """``fields`` must be the same in both, and nothing else that both say may differ for good."""

    name: str
    label: str | Promise
    fields: tuple[str, ...]


RULES = {
    rule.name: rule
    for rule in (
        Rule(
            "email_name_birth",
            _("the same e-mail, first and last name, and birth date"),
            ("email", "first_name", "last_name", "birth_date"),
        ),
        Rule(
            "phone_name_birth",
            _("the same phone, first and last name, and birth date"),
            ("phone", "first_name", "last_name", "birth_date"),
        ),
        Rule(
            "email_phone_name",
            _("the same e-mail, phone, first and last name"),
            ("email", "phone", "first_name", "last_name"),
        ),
    )
}

SURE = 0.95
"""A rule also wants this probability: a birth date that differs speaks against any e-mail."""

Clock = Callable[[], datetime]


def merge_by_rules(*, now: datetime, limit: int = 1_000) -> list[Merge]:
    """Merge the waiting pairs that a rule fits which is turned on; who has bought more often, else the older, stays.

    Pairs that were merged before and taken apart again are left to people; so is what cannot be merged at present.
    """
    wanted = [RULES[name] for name in Shop.current().auto_merge if name in RULES]
    if not wanted:
        return []
    fits = Q(pk__in=[])
    for rule in wanted:
        fits |= Q(**{f"evidence__fields__{field}__0": SAME for field in rule.fields})
    waiting = DuplicatePair.objects.filter(
        fits,
        status=DuplicatePair.Status.OPEN,
        score__gte=SURE,
        evidence__swapped=False,
        first__merged_into=None,
        second__merged_into=None,
    )
    made = []
    for pair in waiting.select_related("first__profile", "second__profile").order_by("-score", "id")[:limit]:
        rule = next(rule for rule in wanted if all(_same(pair, field) for field in rule.fields))
        survivor, merged = sorted((pair.first, pair.second), key=lambda one: (-one.profile.receipts, one.pk))
        if Merge.objects.filter(Q(survivor=survivor, merged=merged) | Q(survivor=merged, merged=survivor)).exists():
            continue
        try:
            made.append(merging.merge_customers(survivor=survivor, merged=merged, by=None, now=now, rule=rule.name))
        except merging.MergeRefused:
            continue  # the other record went up in a third one just now, or an import is running: the next round
    return made


def _same(pair: DuplicatePair, field: str) -> bool:
    found = pair.evidence["fields"].get(field)
    return bool(found) and found[0] == SAME
