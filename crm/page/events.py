"""The events of a customer's timeline that the records hold."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import date, datetime, time
from typing import Any

from django.db.models import Sum
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from crm.days import shop_day
from crm.models import (
    Answer,
    Consent,
    Customer,
    DataRequest,
    LoyaltyCard,
    LoyaltyEntry,
    Merge,
    Note,
    Receipt,
    ReceiptKind,
    ReceiptLine,
    Review,
    TierAward,
    WebVisit,
    WishlistItem,
)
from crm.page.timeline import Cursor, Event, Ids, Source, newest, register

NAMED_PRODUCTS = 3
MOST_TIERS_A_DAY = 20


def receipts(ids: Ids, before: Cursor | None, limit: int) -> list[Event]:
    rows = Receipt.objects.filter(customer__in=ids).select_related("store", "void")
    shown = newest(rows, at="sold_at", key="receipts", before=before, limit=limit)
    products, points = _products(shown), _points(shown)
    return [_receipt(receipt, products[receipt.pk], points.get(receipt.pk, 0)) for receipt in shown]


def _receipt(receipt: Receipt, products: Sequence[str], points: int) -> Event:
    voided = getattr(receipt, "void", None)
    title = _("Bought in %(store)s") if receipt.kind == ReceiptKind.SALE else _("Brought back to %(store)s")
    if voided:
        title = _("Voided sale in %(store)s")
    named = ", ".join(products[:NAMED_PRODUCTS])
    more = len(products) - NAMED_PRODUCTS
    if more > 0:
        both = {"named": named, "more": more}
        named = ngettext("%(named)s and %(more)d more", "%(named)s and %(more)d more", more) % both
    if points:
        named = " · ".join(filter(None, [named, _signed_points(points)]))
    return Event(
        at=receipt.sold_at,
        row=receipt.pk,
        title=title % {"store": receipt.store.name},
        detail=" · ".join(filter(None, [named, voided.reason if voided else ""])),
        amount_minor=receipt.total_minor,
        link=reverse("admin:crm_receipt_change", args=[receipt.pk]),
        tone="bad" if voided else "warm" if receipt.kind == ReceiptKind.RETURN else "accent",
    )


def _products(shown: Sequence[Receipt]) -> dict[int, list[str]]:
    lines = ReceiptLine.objects.filter(receipt__in=[receipt.pk for receipt in shown]).order_by("receipt", "position")
    found: dict[int, list[str]] = defaultdict(list)
    for receipt_id, name in lines.values_list("receipt", "product__name"):
        found[receipt_id].append(name)
    return found


def _points(shown: Sequence[Receipt]) -> dict[int, int]:
    moved = LoyaltyEntry.objects.filter(receipt__in=[receipt.pk for receipt in shown]).order_by()
    return dict(moved.values_list("receipt").annotate(Sum("points")))


def _signed_points(points: int) -> str:
    return ngettext("%(points)+d point", "%(points)+d points", abs(points)) % {"points": points}


def points(ids: Ids, before: Cursor | None, limit: int) -> list[Event]:
    rows = LoyaltyEntry.objects.filter(customer__in=ids, receipt=None)
    shown = newest(rows, at="recorded_at", key="points", before=before, limit=limit)
    return [
        Event(
            at=one.recorded_at,
            row=one.pk,
            title=_("Points: %(kind)s") % {"kind": one.get_kind_display()},
            detail=_signed_points(one.points),
            tone="accent" if one.points > 0 else "warm",
        )
        for one in shown
    ]


def visits(ids: Ids, before: Cursor | None, limit: int) -> list[Event]:
    shown = newest(WebVisit.objects.filter(customer__in=ids), at="visited_at", key="visits", before=before, limit=limit)
    return [
        Event(
            at=visit.visited_at,
            row=visit.pk,
            title=_("Looked at a page"),
            detail=visit.path if not visit.referrer else f"{visit.path} ({visit.referrer})",
        )
        for visit in shown
    ]


def wishes(ids: Ids, before: Cursor | None, limit: int) -> list[Event]:
    rows = WishlistItem.objects.filter(customer__in=ids).select_related("product")
    shown = newest(rows, at="added_at", key="wishes", before=before, limit=limit)
    return [
        Event(at=one.added_at, row=one.pk, title=_("Put on the wishlist"), detail=one.product.name) for one in shown
    ]


def unwished(ids: Ids, before: Cursor | None, limit: int) -> list[Event]:
    rows = WishlistItem.objects.filter(customer__in=ids, removed_at__isnull=False).select_related("product")
    shown = newest(rows, at="removed_at", key="unwished", before=before, limit=limit)
    return [
        Event(at=one.removed_at, row=one.pk, title=_("Taken off the wishlist"), detail=one.product.name)
        for one in shown
        if one.removed_at
    ]


def reviews(ids: Ids, before: Cursor | None, limit: int) -> list[Event]:
    rows = Review.objects.filter(customer__in=ids).select_related("product")
    shown = newest(rows, at="written_at", key="reviews", before=before, limit=limit)
    return [
        Event(
            at=one.written_at,
            row=one.pk,
            title=_("Reviewed %(product)s: %(rating)d of 5") % {"product": one.product.name, "rating": one.rating},
            detail=one.text,
            tone="bad" if one.rating <= 2 else "accent" if one.rating >= 4 else "",
        )
        for one in shown
    ]


def answers(ids: Ids, before: Cursor | None, limit: int) -> list[Event]:
    rows = Answer.objects.filter(customer__in=ids).select_related("survey", "question")
    shown = newest(rows, at="answered_at", key="answers", before=before, limit=limit)
    return [
        Event(
            at=one.answered_at,
            row=one.pk,
            title=_("Answered “%(survey)s”") % {"survey": one.survey.title},
            detail=f"{one.question}: {one.value}",
        )
        for one in shown
    ]


def notes(ids: Ids, before: Cursor | None, limit: int) -> list[Event]:
    rows = Note.objects.filter(customer__in=ids, removed_at=None).select_related("written_by")
    shown = newest(rows, at="written_at", key="notes", before=before, limit=limit)
    return [
        Event(
            at=note.written_at,
            row=note.pk,
            title=_("Note by %(name)s") % {"name": _name_of(note.written_by)},
            detail=note.text,
            tone="note",
            action="remove-note",
        )
        for note in shown
    ]


def _name_of(user: Any) -> str:
    return (user.get_full_name() or user.get_username()) if user else _("somebody who has left")


def consents(ids: Ids, before: Cursor | None, limit: int) -> list[Event]:
    rows = Consent.objects.filter(customer__in=ids).select_related("form")
    shown = newest(rows, at="stated_at", key="consents", before=before, limit=limit)
    return [_consent(one) for one in shown]


def _consent(consent: Consent) -> Event:
    what = {"purpose": consent.get_purpose_display(), "channel": consent.get_channel_display()}
    if consent.channel:
        title = _("Allowed %(purpose)s by %(channel)s") if consent.granted else _("Refused %(purpose)s by %(channel)s")
    else:
        title = _("Allowed %(purpose)s") if consent.granted else _("Refused %(purpose)s")
    return Event(
        at=consent.stated_at,
        row=consent.pk,
        title=title % what,
        detail=str(consent.form or consent.source),
        tone="accent" if consent.granted else "bad",
        link=reverse("admin:crm_consent_change", args=[consent.pk]),
    )


def cards(ids: Ids, before: Cursor | None, limit: int) -> list[Event]:
    rows = LoyaltyCard.objects.filter(customer__in=ids)
    shown = newest(rows, at="issued_at", key="cards", before=before, limit=limit)
    return [Event(at=card.issued_at, row=card.pk, title=_("Got a card"), detail=card.number) for card in shown]


def tiers(ids: Ids, before: Cursor | None, limit: int) -> list[Event]:
    """They are reached on a day, not at a moment: it counts from its midnight on."""
    rows = TierAward.objects.filter(customer__in=ids).select_related("tier").order_by("-reached_on", "-pk")
    if before is not None:
        rows = rows.filter(reached_on__lte=shop_day(before.at))
    events = [
        Event(
            at=_midnight(one.reached_on),
            row=one.pk,
            title=_("Reached the tier %(tier)s") % {"tier": one.tier.name},
            detail=_("kept until %(day)s") % {"day": date_format(one.ends_on)},
            tone="accent",
        )
        for one in rows[: limit + MOST_TIERS_A_DAY]
    ]
    shown = (before.at, before.key, before.row) if before else None
    return [one for one in events if shown is None or (one.at, "tiers", one.row) < shown][:limit]


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), timezone.get_default_timezone())


def requests(ids: Ids, before: Cursor | None, limit: int) -> list[Event]:
    rows = DataRequest.objects.filter(customer__in=ids)
    shown = newest(rows, at="asked_at", key="requests", before=before, limit=limit)
    return [
        Event(
            at=one.asked_at,
            row=one.pk,
            title=_("Asked: %(what)s") % {"what": one.get_kind_display()},
            detail=one.get_status_display(),
            link=reverse("admin:crm_datarequest_change", args=[one.pk]),
            tone="warm" if one.status == DataRequest.Status.OPEN else "",
        )
        for one in shown
    ]


def merges(ids: Ids, before: Cursor | None, limit: int) -> list[Event]:
    rows = Merge.objects.filter(survivor__in=ids).select_related("merged")
    shown = newest(rows, at="made_at", key="merges", before=before, limit=limit)
    return [
        Event(
            at=one.made_at,
            row=one.pk,
            title=_("Record %(number)s was merged into this one") % {"number": one.merged.number},
            detail=_("undone since") if one.undone_at else "",
            link=reverse("admin:crm_merge_change", args=[one.pk]),
        )
        for one in shown
    ]


def beginnings(ids: Ids, before: Cursor | None, limit: int) -> list[Event]:
    rows = Customer.objects.filter(pk__in=ids, merged_into=None)
    shown = newest(rows, at="created_at", key="beginnings", before=before, limit=limit)
    return [
        Event(
            at=one.created_at,
            row=one.pk,
            title=_("The record was made"),
            detail=_("came through %(source)s") % {"source": one.source} if one.source else "",
        )
        for one in shown
    ]


def joinings(ids: Ids, before: Cursor | None, limit: int) -> list[Event]:
    rows = Customer.objects.filter(pk__in=ids, merged_into=None, registered_at__isnull=False)
    shown = newest(rows, at="registered_at", key="joinings", before=before, limit=limit)
    return [
        Event(at=one.registered_at, row=one.pk, title=_("Joined"), detail=one.goal, tone="accent")
        for one in shown
        if one.registered_at
    ]


_USUAL = [
    ("receipts", "purchases", gettext_lazy("Purchases"), "shopping_bag", "crm.view_receipt", receipts),
    ("points", "points", gettext_lazy("Points"), "loyalty", "crm.view_loyaltyentry", points),
    ("cards", "points", gettext_lazy("Points"), "credit_card", "crm.view_loyaltycard", cards),
    ("tiers", "points", gettext_lazy("Points"), "military_tech", "crm.view_tieraward", tiers),
    ("visits", "visits", gettext_lazy("Visits"), "captive_portal", "crm.view_webvisit", visits),
    ("wishes", "wishes", gettext_lazy("Wishes and reviews"), "favorite", "crm.view_wishlistitem", wishes),
    ("unwished", "wishes", gettext_lazy("Wishes and reviews"), "heart_minus", "crm.view_wishlistitem", unwished),
    ("reviews", "wishes", gettext_lazy("Wishes and reviews"), "star", "crm.view_review", reviews),
    ("answers", "answers", gettext_lazy("Answers"), "ballot", "crm.view_answer", answers),
    ("notes", "notes", gettext_lazy("Notes"), "sticky_note_2", "crm.view_note", notes),
    ("consents", "consents", gettext_lazy("Consents and requests"), "handshake", "crm.view_consent", consents),
    (
        "requests",
        "consents",
        gettext_lazy("Consents and requests"),
        "contact_support",
        "crm.view_datarequest",
        requests,
    ),
    ("merges", "record", gettext_lazy("The record"), "merge", "crm.view_merge", merges),
    ("beginnings", "record", gettext_lazy("The record"), "person_add", "crm.view_customer", beginnings),
    ("joinings", "record", gettext_lazy("The record"), "how_to_reg", "crm.view_customer", joinings),
]


def register_all() -> None:
    for key, group, label, icon, permission, read in _USUAL:
        register(Source(key=key, group=group, label=label, icon=icon, permission=permission, read=read))
