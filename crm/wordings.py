"""What people are asked to agree to, word for word, and in which version."""

from dataclasses import dataclass

from django.conf import settings
from django.db import transaction
from django.db.models import Max
from django.utils import translation
from django.utils.translation import gettext as _

from crm.models import Channel, ConsentWording, Purpose, Shop


@dataclass(frozen=True)
class Wording:
    """The words, and the version that an administrator wrote; None for the program's own."""

    text: str
    version: ConsentWording | None = None


def in_force(*, channel: str, purpose: str = Purpose.MARKETING, shop: Shop | None = None) -> Wording:
    """The newest wording for this channel and purpose in the language of the page, else in the shop's, else our own.

    Words for this very channel go before words for all. It is kept with each consent (:class:`crm.models.Consent`).
    """
    wanted = [channel, ""]
    languages = [(translation.get_language() or "").partition("-")[0], settings.LANGUAGE_CODE]
    written = ConsentWording.objects.filter(purpose=purpose, channel__in=wanted).order_by("-version")
    found = sorted(
        (one for one in written if one.language in languages),
        key=lambda one: (languages.index(one.language), wanted.index(one.channel)),
    )
    if found:
        return Wording(found[0].text, found[0])
    return Wording(_own(channel, purpose) % {"shop": (shop or Shop.current()).name})


def publish(*, purpose: str, channel: str, language: str, text: str) -> ConsentWording:
    """A new version of these words. Consents given before keep the version that they were given to."""
    with transaction.atomic():
        same = ConsentWording.objects.select_for_update().filter(purpose=purpose, channel=channel, language=language)
        list(same.values_list("pk"))
        newest = same.aggregate(version=Max("version"))["version"] or 0
        return ConsentWording.objects.create(
            purpose=purpose, channel=channel, language=language, text=text, version=newest + 1
        )


def _own(channel: str, purpose: str) -> str:
    if purpose == Purpose.SENSITIVE:
        return _("%(shop)s may use what I said about health, politics or belief. I can stop this at any time.")
    if purpose == Purpose.RESEARCH:
        return _("%(shop)s may ask me in surveys. I can stop this at any time.")
    return {
        Channel.EMAIL: _("%(shop)s may send me news and offers by e-mail. I can stop this at any time."),
        Channel.SMS: _("%(shop)s may send me news and offers by SMS. I can stop this at any time."),
        Channel.PHONE: _("%(shop)s may call me with news and offers. I can stop this at any time."),
        Channel.POST: _("%(shop)s may send me news and offers by letter. I can stop this at any time."),
    }[Channel(channel)]
