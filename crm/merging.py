"""Two records of one person become one, and two again if that was wrong.

What the merged record did moves to the survivor, each row noted in :class:`crm.models.MergeMove`; what it was sent,
what it said about being written to and which groups it was in stay with it and are read through ``merged_into``, which
always names the live record, never one that was merged itself. Undoing brings back exactly the noted rows, so what
happened since stays with the survivor.

The strictest consent: where one of the two says no, that no is said again, on the record that said it, if the other's
later yes would drown it. So undoing has nothing to take back.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import connection
from django.db.models import Count
from django.utils.translation import gettext as _

from crm import bell, consents, customers, holds, loyalty, marks, merge_fields, profiles, turns
from crm.days import shop_day
from crm.merge_fields import Choices
from crm.models import Customer, DuplicatePair, Merge, MergeMove

REFRESH = "segments.tasks.refresh_marked"


class MergeRefused(ValidationError):
    """The two can't be merged, or not be taken apart again; the message says why and what to do."""


@dataclass(frozen=True)
class Moved:
    """A table whose rows follow their customer. ``unless``: what keeps a row (``moving``) where it is."""

    relation: str
    table: str
    column: str = "customer_id"
    unless: str = "false"


MOVES = (
    Moved("receipt", "crm_receipt"),
    Moved("loyaltyentry", "crm_loyaltyentry"),
    Moved("loyaltycard", "crm_loyaltycard"),
    Moved("webvisit", "crm_webvisit"),
    Moved(
        "wishlistitem",
        "crm_wishlistitem",
        unless="""moving.removed_at IS NULL AND EXISTS (SELECT FROM crm_wishlistitem AS wished
                  WHERE wished.customer_id = %(to)s AND wished.product_id = moving.product_id
                    AND wished.removed_at IS NULL)""",
    ),
    Moved("review", "crm_review"),
    Moved("answer", "crm_answer"),
    Moved("invoice", "crm_invoice"),
    Moved("externalid", "crm_externalid"),
    Moved("note", "crm_note"),
    Moved(
        "tieraward",
        "crm_tieraward",
        unless="""EXISTS (SELECT FROM crm_tieraward AS reached
                  WHERE reached.customer_id = %(to)s AND reached.tier_id = moving.tier_id
                    AND reached.reached_on = moving.reached_on)""",
    ),
    Moved("household", "crm_household", column="decision_maker_id"),
    Moved("company", "crm_company", column="decision_maker_id"),
    Moved("customer", "crm_customer", column="merged_into_id"),
)
LINES = "receiptline.customer"
"""Lines follow their receipt, without a note of their own."""

STAYS = (
    "consent.customer",
    "optin.customer",
    "servicemail.customer",
    "datarequest.customer",
    "customerprofile.customer",
    "customercategory.customer",
    "changemark.customer",
    "customername.customer",
    "comparedcustomer.customer",
    "duplicatepair.first",
    "duplicatepair.second",
    "merge.survivor",
    "merge.merged",
)
"""Links that a merge leaves alone: what was said, asked and sent as it was, and what is derived."""


def merge_customers(
    *,
    survivor: Customer,
    merged: Customer,
    choices: Choices | None = None,
    by: User | None,
    now: datetime,
    rule: str = "",
) -> Merge:
    """Let ``merged`` go up in ``survivor``.

    ``choices`` says whose value stays where the two differ (:data:`crm.merge_fields.PARTS`), the survivor's by itself.
    ``rule`` names what decided, if no human did. Raises :class:`MergeRefused`.
    """
    chosen = dict(choices or {})
    if unknown := merge_fields.unknown_choices(chosen):
        raise MergeRefused(_("There is no such choice: %(names)s."), params={"names": ", ".join(unknown)})
    with _turn():
        into, gone = _hold(survivor.pk, merged.pk)
        _check(into, gone)
        holds.hold_facts(customer_ids=[into.pk, gone.pk])
        changes = merge_fields.changes(survivor=into, merged=gone, choices=chosen)
        merge = Merge.objects.create(survivor=into, merged=gone, changes=changes, made_by=by, made_at=now, rule=rule)
        keys = {one.pk: consents.address_keys(one) for one in (into, gone)}
        _write(into, {name: after for name, (_before, after) in changes.items()})
        consents.keep_strictest(survivor=into, merged=gone, keys=keys, by=by, now=now)
        with connection.cursor() as cursor:
            for moved in MOVES:
                cursor.execute(_move_sql(moved), {"to": into.pk, "from": gone.pk, "merge": merge.pk})
            cursor.execute("UPDATE crm_receiptline SET customer_id = %s WHERE customer_id = %s", [into.pk, gone.pk])
        Customer.objects.filter(pk=gone.pk).update(merged_into=into)
        _settle_pair(into, gone, by, now)
        _count_again(into, gone)
        loyalty.award_tiers(today=shop_day(now), customer_ids=[into.pk])
    merged.merged_into = into
    return merge


def undo_merge(*, merge: Merge, by: User | None, now: datetime) -> Merge:
    """Take the two apart again: rows, fields that nobody has changed since, and marks for both.

    Raises :class:`MergeRefused` where it was undone already, the survivor has gone up in another record since, or one
    of them was erased.
    """
    with _turn():
        into, gone = _hold(merge.survivor_id, merge.merged_id)
        merge = Merge.objects.select_for_update(no_key=True).get(pk=merge.pk)
        _check_undoing(merge, into, gone)
        holds.hold_facts(customer_ids=[into.pk, gone.pk])
        with connection.cursor() as cursor:
            Customer.objects.filter(pk=gone.pk).update(merged_into=None)
            params = {"to": into.pk, "from": gone.pk, "merge": merge.pk}
            for moved in MOVES:
                cursor.execute(_restore_sql(moved), {**params, "relation": moved.relation})
            cursor.execute(_RESTORE_LINES, params)
        _write(into, _restored(merge, into))
        Merge.objects.filter(pk=merge.pk).update(undone_at=now, undone_by=by)
        pair = DuplicatePair.objects.filter(**_ordered(into, gone), status=DuplicatePair.Status.SAME)
        pair.update(status=DuplicatePair.Status.LATER, decided_at=now, decided_by=by)
        _count_again(into, gone)
    merge.refresh_from_db()
    return merge


def undoable(merge: Merge) -> str:
    """Why the merge can't be undone now, in words; blank where it can."""
    try:
        _check_undoing(merge, merge.survivor, merge.merged)
    except MergeRefused as refused:
        return " ".join(refused.messages)
    return ""


def moved(*, merge: Merge) -> dict[str, int]:
    """How many rows of each relation the merge moved."""
    counts = MergeMove.objects.filter(merge=merge).values_list("relation").annotate(rows=Count("pk")).order_by()
    return dict(counts)


@contextmanager
def _turn() -> Iterator[None]:
    try:
        with turns.merging():
            yield
    except turns.Busy as busy:
        raise MergeRefused(
            _("Somebody else is changing these customers, or an import is running. Try again in a moment.")
        ) from busy


def _hold(survivor_id: int, merged_id: int) -> tuple[Customer, Customer]:
    """Both records against any change of their fields, in the order of ids: the first of all that is held."""
    rows = Customer.objects.filter(pk__in=[survivor_id, merged_id]).order_by("pk").select_for_update(no_key=True)
    held = {row.pk: row for row in rows}
    try:
        return held[survivor_id], held[merged_id]
    except KeyError:
        raise MergeRefused(_("One of these records is no longer there.")) from None


def _check(into: Customer, gone: Customer) -> None:
    if into.pk == gone.pk:
        raise MergeRefused(_("This is one and the same record."))
    for one in (into, gone):
        if one.erased_at is not None:
            raise MergeRefused(
                _("The data of one of these customers were deleted at their wish; nothing is left to merge.")
            )
    if gone.merged_into_id == into.pk:
        raise MergeRefused(_("These two are merged already."))
    for one in (into, gone):
        if one.merged_into_id is not None:
            raise MergeRefused(
                _("%(name)s (%(number)s) has gone up in another record since. Merge with that one."),
                params={"name": str(one), "number": one.number},
            )


def _check_undoing(merge: Merge, into: Customer, gone: Customer) -> None:
    if merge.undone_at is not None:
        raise MergeRefused(_("This merge has been undone already."))
    if into.erased_at is not None or gone.erased_at is not None:
        raise MergeRefused(_("The data of this customer were deleted at their wish; nothing is left to take apart."))
    if gone.merged_into_id != into.pk:
        raise MergeRefused(
            _("%(name)s (%(number)s) was merged into another record after this. Undo that merge first."),
            params={"name": str(into), "number": into.number},
        )


def _move_sql(moved: Moved) -> str:
    return f"""
        WITH gone AS (
            UPDATE {moved.table} AS moving SET {moved.column} = %(to)s
             WHERE moving.{moved.column} = %(from)s AND NOT ({moved.unless})
            RETURNING moving.id
        )
        INSERT INTO crm_mergemove (merge_id, relation, row_id) SELECT %(merge)s, '{moved.relation}', id FROM gone
    """


def _restore_sql(moved: Moved) -> str:
    return f"""
        UPDATE {moved.table} AS coming SET {moved.column} = %(from)s
          FROM crm_mergemove AS noted
         WHERE noted.merge_id = %(merge)s AND noted.relation = %(relation)s
           AND coming.id = noted.row_id AND coming.{moved.column} = %(to)s
    """


_RESTORE_LINES = """
    UPDATE crm_receiptline AS line SET customer_id = %(from)s
      FROM crm_mergemove AS noted
     WHERE noted.merge_id = %(merge)s AND noted.relation = 'receipt'
       AND line.receipt_id = noted.row_id AND line.customer_id = %(to)s
"""


def _write(customer: Customer, values: dict[str, object]) -> None:
    merge_fields.apply(customer=customer, values=values)
    customers.derive_keys(customer)
    customer.save()


def _restored(merge: Merge, into: Customer) -> dict[str, object]:
    """The fields to set back: those that are as the merge left them.

    Where a later merge of the same survivor found and changed this one's value, it is that merge's "before" that is set
    back, so that undoing both, in any order, ends where it began.
    """
    values: dict[str, object] = {}
    later = list(Merge.objects.filter(survivor=into, undone_at=None, pk__gt=merge.pk).order_by("pk"))
    for name, (before, after) in merge.changes.items():
        followed = next((one for one in later if name in one.changes), None)
        if followed is not None:
            if followed.changes[name][0] == after:
                followed.changes[name][0] = before
                followed.save(update_fields=["changes"])
        elif merge_fields.current(into, name) == after:
            values[name] = before
    return values


def _settle_pair(into: Customer, gone: Customer, by: User | None, now: datetime) -> None:
    pair = DuplicatePair.objects.filter(**_ordered(into, gone))
    pair.update(status=DuplicatePair.Status.SAME, decided_at=now, decided_by=by)


def _ordered(one: Customer, other: Customer) -> dict[str, int]:
    first, second = sorted((one.pk, other.pk))
    return {"first_id": first, "second_id": second}


def _count_again(into: Customer, gone: Customer) -> None:
    ids = [into.pk, gone.pk]
    profiles.recount(customer_ids=ids)
    marks.mark_customers(customer_ids=ids)
    bell.ring_after_commit(REFRESH)
