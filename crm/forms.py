"""What the till sends, checked."""

import json
import uuid
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from django import forms
from django.contrib.auth.models import User
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from crm import addresses, customers, data_requests
from crm.models import Customer, DataRequest, Product, SalesChannel, Store
from crm.sales import MAX_LINES, Sale, SaleLine, SaleRefused

PAYMENTS = {"card", "cash"}


class CustomerForm(forms.Form):
    """A new customer at the counter: a name and a way to be recognised."""

    key = forms.UUIDField(widget=forms.HiddenInput)
    first_name = forms.CharField(label=gettext_lazy("First name"), max_length=200, required=False)
    last_name = forms.CharField(label=gettext_lazy("Last name"), max_length=200, required=False)
    email = forms.CharField(label=gettext_lazy("E-mail"), max_length=320, required=False)
    phone = forms.CharField(label=gettext_lazy("Phone"), max_length=50, required=False)
    marketing = forms.BooleanField(required=False)

    def clean_email(self) -> str:
        return addresses.clean_email(self.cleaned_data["email"])

    def clean_phone(self) -> str:
        return addresses.clean_phone(self.cleaned_data["phone"])

    def clean(self) -> dict[str, Any]:
        data = self.cleaned_data
        if self.errors:
            return data
        if not (data["email"] or data["phone"]):
            self.add_error("email", _("Type an e-mail address or a phone number, to find this customer again."))
        elif data["marketing"] and not data["email"]:
            self.add_error("email", _("News go out by e-mail: type the address, or untick the box."))
        return data


class EmailForm(forms.Form):
    """An address for a receipt; blank where the buyer's own is known. ``customer`` says who, where several have it."""

    email = forms.CharField(max_length=320, required=False)
    marketing = forms.BooleanField(required=False)
    customer = forms.IntegerField(required=False)

    def clean_email(self) -> str:
        return addresses.clean_email(self.cleaned_data["email"])


def read_sale(body: bytes) -> Sale:
    """The sale that the till's page sends as JSON; :class:`crm.sales.SaleRefused` where it cannot be read.

    Three queries, however many lines: store, customer, products.
    """
    try:
        data = json.loads(body)
        key, lines, total = uuid.UUID(data["key"]), data["lines"], int(data["total_minor"])
        store_id, customer_id, payment = int(data["store"]), data["customer"], data["payment"]
        wanted = [int(line["product"]) for line in lines]
        customer_id = None if customer_id is None else int(customer_id)
        redeem_points = int(data.get("redeem_points", 0))
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError) as error:
        raise SaleRefused(_("The till's page sent something unreadable. Reload it; the sale is kept.")) from error
    if payment not in PAYMENTS:
        raise SaleRefused(_("Choose how the customer pays."))
    if len(lines) > MAX_LINES:
        raise SaleRefused(_("A sale holds at most %(n)d lines."), params={"n": MAX_LINES})
    store = Store.objects.filter(pk=store_id, is_active=True).first()
    if store is None:
        raise SaleRefused(_("This store is closed in the settings. Choose another at the top of the page."))
    known = Customer.objects.filter(erased_at=None).select_related("merged_into")
    customer = known.filter(pk=customer_id).first() if customer_id is not None else None
    if customer is None and customer_id is not None:
        raise SaleRefused(_("This customer's record is closed. Look the customer up again."))
    products = Product.objects.in_bulk(wanted)
    return Sale(
        client_key=key,
        store=store,
        customer=customer,
        payment=payment,
        channel=SalesChannel.TILL,
        lines=[_read_line(position, line, products) for position, line in enumerate(lines, 1)],
        expected_total_minor=total,
        redeem_points=redeem_points,
    )


def _read_line(position: int, line: dict[str, Any], products: dict[int, Product]) -> SaleLine:
    product = products.get(int(line["product"]))
    if product is None:
        raise SaleRefused(_("Line %(position)d: this product is no longer known."), params={"position": position})
    try:
        return SaleLine(
            product=product,
            quantity=Decimal(str(line["quantity"])),
            unit_price=Decimal(str(line["price"])),
            discount_minor=int(line["discount_minor"]),
        )
    except (InvalidOperation, ValueError, TypeError, KeyError) as error:
        raise SaleRefused(
            _("Line %(position)d, %(product)s: a number is missing or unreadable."),
            params={"position": position, "product": product.name},
        ) from error


def new_customer(form: CustomerForm, *, now: datetime) -> Customer:
    """The customer that a valid form describes; they joined the programme by it."""
    data = form.cleaned_data
    return customers.create_customer(
        now=now,
        key=data["key"],
        registered=True,
        first_name=data["first_name"],
        last_name=data["last_name"],
        email=data["email"],
        phone=data["phone"],
        source="till",
    )


class RequestForm(forms.Form):
    """“Customer asks...”: what, how it is known who asks, and where the answer goes."""

    key = forms.UUIDField(widget=forms.HiddenInput)
    kind = forms.ChoiceField(choices=DataRequest.Kind, widget=forms.RadioSelect)
    identity = forms.CharField(max_length=200, required=False)
    note = forms.CharField(max_length=2000, required=False, widget=forms.Textarea)
    reply_to = forms.CharField(max_length=320, required=False)
    through = forms.ChoiceField(choices=DataRequest.Through, required=False)

    def clean_reply_to(self) -> str:
        return addresses.clean_email(self.cleaned_data["reply_to"])


class CorrectionForm(forms.ModelForm):
    """What a customer may have corrected; only what was changed counts."""

    class Meta:
        model = Customer
        fields = data_requests.CORRECTABLE

    def clean_email(self) -> str:
        return addresses.clean_email(self.cleaned_data["email"])

    def clean_phone(self) -> str:
        return addresses.clean_phone(self.cleaned_data["phone"])

    @property
    def corrections(self) -> dict[str, Any]:
        return {name: self.cleaned_data[name] for name in self.changed_data}


def note_request(form: RequestForm, *, customer: Customer, through: str, by: User, now: datetime) -> DataRequest:
    """The request that a valid form describes."""
    data = form.cleaned_data
    return data_requests.note_request(
        customer=customer,
        kind=data["kind"],
        through=through,
        by=by,
        now=now,
        note=data["note"].strip(),
        identity=data["identity"].strip(),
        reply_to=data["reply_to"],
        key=data["key"],
    )
