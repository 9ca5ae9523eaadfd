"""“Customer asks...”: what people may ask of a shop about their data, with a clock of one month and a reply.

Stop and "don't profile me" are done at once: they take nothing away that could not be given back. A copy, a correction
and an erasure wait until somebody has checked who asks, and are carried out by somebody who may.
"""

import uuid
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import QuerySet
from django.forms import Field as FormField
from django.utils.translation import gettext as _

from crm import addresses, audit, bell, consents, customers, jobs, marks, outbox, replies
from crm.days import months_before, shop_day
from crm.finding import survivor
from crm.models import Channel, Customer, CustomerProfile, DataRequest, Purpose
from crm.person import ROOMS, leave_groups, whole_person

Kind, Status = DataRequest.Kind, DataRequest.Status

MONTHS = 1
MORE_MONTHS = 2
AT_ONCE = (Kind.STOP, Kind.NO_PROFILING)
NEEDS_IDENTITY = (Kind.COPY, Kind.CORRECT, Kind.DELETE)
SOURCE = "request"

CORRECTABLE = (
    *("first_name", "last_name", "email", "phone", "birth_date", "gender", "language"),
    *("address", "postcode", "city", "region", "country"),
)
"""What a person may have corrected by a request; the rest is on the customer's page."""


_ADDRESSES = {"email": addresses.clean_email, "phone": addresses.clean_phone}


class NotNow(ValidationError):
    """The request is not in a state in which this can be done; the message says why."""


def due_on(*, asked_on: date, months: int = MONTHS) -> date:
    """The last day for the answer: the same day of a later month, or its last day where it is too short."""
    return months_before(asked_on, -months)


def open_requests() -> QuerySet[DataRequest]:
    """Those that wait for an answer, the most urgent first."""
    return DataRequest.objects.filter(status=Status.OPEN).select_related("customer").order_by("due_on", "id")


def note_request(
    *,
    customer: Customer,
    kind: str,
    through: str,
    by: User | None,
    now: datetime,
    note: str = "",
    identity: str = "",
    corrections: Mapping[str, Any] | None = None,
    reply_to: str = "",
    key: uuid.UUID | None = None,
) -> DataRequest:
    """Write down what somebody asks; stop and "don't profile me" are done in the same moment.

    ``key`` is of the page's making, so that a double click is one request. ``identity`` says how it was checked that
    they are who they say. ``reply_to`` is the e-mail address for the reply, blank where it is handed over. Raises
    ValidationError where the record is closed, or the corrections can't be right.
    """
    customer = survivor(customer)
    if customer.erased_at is not None:
        raise NotNow(_("This customer's record is closed. Look the customer up again."))
    if key and (first := DataRequest.objects.filter(public_id=key).first()):
        return first
    if kind == Kind.CORRECT:
        if not corrections and not note.strip():
            raise ValidationError({"note": _("Say what is to be corrected.")})
        corrections = _cleaned(corrections or {})
    with transaction.atomic():
        request = DataRequest.objects.create(
            public_id=key or uuid.uuid4(),
            customer=customer,
            kind=kind,
            through=through,
            note=note,
            details=_details(corrections if kind == Kind.CORRECT else None, reply_to),
            asked_at=now,
            due_on=due_on(asked_on=shop_day(now)),
            identity=identity,
            identity_checked_at=now if identity else None,
            recorded_by=by,
        )
        if kind in AT_ONCE:
            carry_out(request=request, by=by, now=now)
            request.refresh_from_db()
    return request


def _details(corrections: Mapping[str, Any] | None, reply_to: str) -> dict[str, Any]:
    details: dict[str, Any] = {"reply_to": reply_to} if reply_to else {}
    if corrections:
        details["corrections"] = {
            name: value.isoformat() if isinstance(value, date) else value for name, value in corrections.items()
        }
    return details


def _cleaned(corrections: Mapping[str, Any]) -> dict[str, Any]:
    """The new values as the model takes them; they may have been kept as JSON. Raises ValidationError."""
    values = {}
    for name, value in corrections.items():
        if name not in CORRECTABLE:
            raise ValidationError(_("“%(field)s” can't be corrected by a request."), params={"field": name})
        field: Any = Customer._meta.get_field(name)
        form_field: FormField = field.formfield()
        try:
            values[name] = _ADDRESSES.get(name, form_field.clean)(value)
        except ValidationError as error:
            raise ValidationError({name: error.messages}) from error
    return values


def check_identity(*, request: DataRequest, how: str, by: User | None, now: datetime) -> None:
    """Write down how somebody made sure that the right person asks: by card and birth date, say."""
    if not how.strip():
        raise ValidationError({"identity": _("Say how you know who asks: card and birth date, say.")})
    _change(request, identity=how.strip()[:200], identity_checked_at=now)
    audit.noted(what="request: identity checked", by=by, customer_id=request.customer_id)


def extend(*, request: DataRequest, because: str, by: User | None, now: datetime) -> replies.Reply:
    """Two months more, once, with a reason that the customer is told; returns what they read."""
    if not because.strip():
        raise ValidationError({"because": _("Say why it takes longer: the customer is told.")})
    if request.extended_because:
        raise NotNow(_("It was extended before; once is the most."))
    more = due_on(asked_on=shop_day(request.asked_at), months=MONTHS + MORE_MONTHS)
    with transaction.atomic():
        _change(request, extended_because=because.strip()[:500], due_on=more)
        reply = replies.extension(request=request, because=because.strip())
        _send(request, reply, now, part="extension")
        audit.noted(what="request: extended", by=by, customer_id=request.customer_id)
    return reply


def refuse(*, request: DataRequest, because: str, by: User | None, now: datetime) -> None:
    """Say no, with a reason that the customer is told."""
    if not because.strip():
        raise ValidationError({"because": _("Say why: the customer is told.")})
    with transaction.atomic():
        reply = replies.refusal(request=request, because=because.strip())
        _change(request, status=Status.REFUSED, decided_at=now, decided_by=by, reply=reply.text)
        _send(request, reply, now)
        audit.noted(what="request: refused", by=by, customer_id=request.customer_id)


def carry_out(
    *, request: DataRequest, by: User | None, now: datetime, corrections: Mapping[str, Any] | None = None
) -> None:
    """Do what was asked. A copy and an erasure become jobs; the rest is done when this returns.

    ``corrections`` says what a request that was noted in words means. Raises :class:`NotNow` where nobody has checked
    who asks, where it was decided before, or is being done.
    """
    with transaction.atomic():
        request = _held(request)
        if request.kind in NEEDS_IDENTITY and request.identity_checked_at is None:
            raise NotNow(_("First check who asks, and write down how."))
        match request.kind:
            case Kind.COPY | Kind.DELETE:
                _start(request, by)
                return
            case Kind.STOP:
                _stop(request, by, now)
            case Kind.NO_PROFILING:
                _unprofile(request, by, now)
            case Kind.CORRECT:
                _correct(request, corrections or request.details.get("corrections", {}), by)
        settle(request=request, by=by, now=now)


def _held(request: DataRequest) -> DataRequest:
    held = DataRequest.objects.select_for_update(no_key=True, of=("self",)).select_related("job").get(pk=request.pk)
    if held.status != Status.OPEN:
        raise NotNow(_("This request was answered before."))
    return held


def _start(request: DataRequest, by: User | None) -> None:
    if request.job and not request.job.is_over:
        raise NotNow(_("It is being done already."))
    kind, title = ("copy", _("Copy of a customer's data")) if request.kind == Kind.COPY else ("erase", _("Erasure"))
    started = jobs.start_job(kind=kind, title=title, by=by, request=request.pk)
    DataRequest.objects.filter(pk=request.pk).update(job=started)


def settle(*, request: DataRequest, by: User | None, now: datetime, link: str = "") -> replies.Reply:
    """Note that it was done, with the reply, which leaves by mail where the customer wished so."""
    reply = replies.done(request=request, link=link)
    DataRequest.objects.filter(pk=request.pk).update(
        status=Status.DONE, decided_at=now, decided_by=by, reply=reply.text
    )
    if request.kind != Kind.DELETE:  # then there is no address left: the job itself writes
        _send(request, reply, now)
    audit.noted(what=f"request: {request.kind}", by=by, customer_id=request.customer_id)
    return reply


def _send(request: DataRequest, reply: replies.Reply, now: datetime, *, part: str = "reply") -> None:
    to = request.details.get("reply_to", "")
    if not to:
        return
    try:
        outbox.write(
            key=f"request:{request.pk}:{part}",
            to=to,
            subject=reply.subject,
            text=reply.text,
            customer=request.customer,
            now=now,
        )
    except ValidationError as error:
        note = _("The reply could not be mailed: %(why)s") % {"why": " ".join(error.messages)}
        request.note = f"{request.note}\n{note}".strip()
        DataRequest.objects.filter(pk=request.pk).update(note=request.note)


def _stop(request: DataRequest, by: User | None, now: datetime) -> None:
    """No to every channel: at the address, whoever bears it, and for research too where they had said yes."""
    customer = request.customer
    for channel in Channel:
        key = getattr(customer, consents.ADDRESS_KEYS[channel]) if channel in consents.ADDRESS_KEYS else ""
        consents.stop_address(channel=channel, address_key=key, by_customer=customer, source=SOURCE, stated_at=now)
        research = consents.current(customer=customer, channel=channel, purpose=Purpose.RESEARCH)
        if research and research.granted:
            consents.record_consent(
                customer=customer,
                channel=channel,
                purpose=Purpose.RESEARCH,
                granted=False,
                source=SOURCE,
                stated_at=now,
                by=by,
                now=now,
            )


def _unprofile(request: DataRequest, by: User | None, now: datetime) -> None:
    """Out of segments, personas and hints; the points stay."""
    for room in ROOMS.values():
        room.hold()
    ids = whole_person(customer=request.customer)
    list(CustomerProfile.objects.select_for_update(no_key=True).filter(customer__in=ids).order_by("customer_id"))
    Customer.objects.filter(pk__in=ids).update(no_profiling=True)
    leave_groups(ids=ids, now=now)
    marks.mark_customers(customer_ids=ids)
    bell.ring_after_commit("segments.tasks.refresh_marked")


def _correct(request: DataRequest, corrections: Mapping[str, Any], by: User | None) -> None:
    values = _cleaned(corrections)
    if not values:
        raise NotNow(_("Say what is to be corrected: change a field first."))
    customers.change_customer(customer=request.customer, **values)
    audit.noted(what="customer: " + ", ".join(sorted(values)), by=by, customer_id=request.customer_id)


def _change(request: DataRequest, **values: Any) -> None:
    with transaction.atomic():
        _held(request)
        DataRequest.objects.filter(pk=request.pk).update(**values)
    for name, value in values.items():
        setattr(request, name, value)
