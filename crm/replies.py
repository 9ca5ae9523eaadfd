"""What customers are answered when they asked about their data, in their own language."""

from dataclasses import dataclass

from django.utils import translation
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from crm.models import Customer, DataRequest, Shop

Kind = DataRequest.Kind


@dataclass(frozen=True, kw_only=True)
class Reply:
    subject: str
    text: str


def language_of(customer: Customer) -> str:
    """The customer's language where the program speaks it, else the one that is active."""
    active = translation.get_language() or "en"
    try:
        wanted = customer.language.lower().replace("_", "-")
        return translation.get_supported_language_variant(wanted) if wanted else active
    except LookupError:
        return active


def done(*, request: DataRequest, link: str = "") -> Reply:
    """That it was done. ``link`` is where the copy can be had, blank where it is handed over."""
    with translation.override(language_of(request.customer)):
        match request.kind:
            case Kind.STOP:
                what = _(
                    "We send you nothing more: no e-mail, SMS, call or letter but what you ask for, like a receipt."
                )
            case Kind.NO_PROFILING:
                what = _(
                    "We no longer sort you into groups of customers, and our staff see no hints about you. Your points "
                    "stay."
                )
            case Kind.CORRECT:
                what = _("We have corrected your data as you asked.")
            case Kind.COPY:
                what = (
                    _("Here is the copy of your data. Whoever has this link can open it, so keep it to yourself:")
                    + f"\n\n{link}"
                    if link
                    else _("The copy of your data is ready. We hand it over to you.")
                )
            case _:
                what = _(
                    "We have erased your data. What stays are receipts without your name, which the law makes us keep, "
                    "and fingerprints of your addresses, which can't be read: by them nobody enters you again. If you "
                    "come back, you are welcome; you start anew."
                )
        return _letter(request, what)


def refusal(*, request: DataRequest, because: str) -> Reply:
    """That it was not done, why, and whom to turn to."""
    with translation.override(language_of(request.customer)):
        what = _("We can't do what you asked: %(why)s") % {"why": because}
        rights = _("If you don't agree, you may complain to your data protection authority, or go to court.")
        return _letter(request, f"{what}\n\n{rights}")


def extension(*, request: DataRequest, because: str) -> Reply:
    """That it takes longer, why, and until when."""
    with translation.override(language_of(request.customer)):
        what = _("We need more time for what you asked: %(why)s") % {"why": because}
        until = _("You will hear from us by %(day)s.") % {"day": date_format(request.due_on)}
        return _letter(request, f"{what}\n\n{until}")


def _letter(request: DataRequest, what: str) -> Reply:
    """A letter without the customer's name: what was asked is kept longer than who asked."""
    shop = Shop.current()
    asked = _("On %(day)s you asked us: %(what)s.") % {
        "day": date_format(request.asked_at),
        "what": request.get_kind_display(),
    }
    foot = "\n".join(filter(None, [shop.name, shop.address, shop.contact_email]))
    return Reply(
        subject=_("Your request to %(shop)s") % {"shop": shop.name},
        text=f"{_('Hello,')}\n\n{asked}\n\n{what}\n\n{foot}\n",
    )
